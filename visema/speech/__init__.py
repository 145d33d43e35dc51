"""Text to timed speech."""
