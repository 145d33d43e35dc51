"""Where an avatar performs: composed frames, live or to a file."""
