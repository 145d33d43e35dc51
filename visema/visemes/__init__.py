"""Timed phones to timed mouth shapes to mouth poses."""
