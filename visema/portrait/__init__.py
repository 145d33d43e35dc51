"""One photo to a living loop."""
