"""Formulas of the sizes of constructions, in one file X for each `constructions/theorems/X.py`."""
