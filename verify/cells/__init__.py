"""Cells, grids of them, and what is found when one is verified."""
