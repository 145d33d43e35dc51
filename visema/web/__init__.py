"""The page and the HTTP application."""
