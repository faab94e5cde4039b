"""Lemmas that the proofs of several theorems share, one file for each thing that they say."""
