"""Drawing a mouth pose onto a face."""
