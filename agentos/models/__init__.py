"""Models behind one small protocol; each vendor in its own package."""
