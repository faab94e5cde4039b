"""Experiments with trained models: what is trained, what is measured of it, what was expected
beforehand, and how the outcome is shown.
"""
