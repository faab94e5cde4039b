"""What the symbolic proof asks of a model, beside that its claims are true."""

from __future__ import annotations

from verify.kernel.verdict import Refuted


class Unmet(Refuted):
    """What this proof needs is not so. That refutes the model as far as this checker sees; another
    proof may do without it.
    """
