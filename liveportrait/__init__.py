"""LivePortrait: one face moved by another's motion, stitched back, with eyes and lips that can be set."""
