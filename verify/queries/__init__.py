"""Every query, run through the real module."""
