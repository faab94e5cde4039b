"""Cells, grids, attacks, and processes that work side by side."""
