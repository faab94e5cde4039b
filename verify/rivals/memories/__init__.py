"""Memories, one in each file: what they claim, in formulas, and how they are built."""
