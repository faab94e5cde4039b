"""What no model can beat, and what ours cost: numbers and symbols, without torch."""

from bounds.sizes import Sizes, sizes

__all__ = ["Sizes", "sizes"]
