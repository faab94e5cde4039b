"""Models at the corners of the checker's rules: right or wrong by one, exact or not by one, of rare
shapes.
"""
