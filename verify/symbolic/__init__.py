"""The symbolic checker: it proves a saved model right from its files, symbol by symbol, fast also
for large tables.
"""

from verify.symbolic.proof import prove

__all__ = ["prove"]
