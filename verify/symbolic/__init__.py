"""The symbolic checker: it proves a saved model right from its files, symbol by symbol, fast also
for large tables.
"""

from verify.symbolic.proof import prove
from verify.symbolic.unmet import Unmet

__all__ = ["Unmet", "prove"]
