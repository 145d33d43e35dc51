"""Recorded speech to timed phones."""
