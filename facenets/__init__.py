"""Building blocks that the published face networks share, and the means to check them against reference vectors."""
