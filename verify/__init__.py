"""Is it so? Every construction against the facts, its size formulas and its claimed margin.

Run `python -m verify --help`.
"""
