"""The report of a run: one folder of pages for a browser."""
