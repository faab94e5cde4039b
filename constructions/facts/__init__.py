"""Fact tables, their names, codes and text formats."""
