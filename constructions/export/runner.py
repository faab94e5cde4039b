"""What another tool makes of an exported folder, as a function."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Runner = Callable[[Tensor], Tensor]
"""Tokens (batch, length), int64, to logits (batch, length, d_vocab) as the other tool computes
them, both on the CPU.
"""
