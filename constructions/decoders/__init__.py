"""Constructions as ordinary decoders, and as seeds in them."""
