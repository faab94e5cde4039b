"""Entries that an optimizer is to move less than it would, or not far: hooks on its steps.

    slow_entries(optimizer, [(weight, mask)], share=0.1)  # they move a tenth as far
    draw_entries(optimizer, [(weight, mask)], pull=0.01)  # and stay near to where they are now

A gradient that is multiplied by a tenth does not do: AdamW divides it by its own size. So what
the step has done is corrected after it.

**Claim.** Let no step alone move an entry by more than s. Slowed entries are after T steps within
`share T s` of where they were, and drawn ones always within `(1 - pull) / pull s`; but for the
rounding of the correction itself.

*Proof.* The first is a sum. Let e be the distance from the seed after a step with its correction:
the next one makes it at most `(1 - pull) (e + s)`, which is at most `(1 - pull) / pull s` if e
is. ∎

**Claim.** AdamW without weight decay moves an entry by at most
`rate (1 - b1) / sqrt((1 - b2) (1 - b1^2 / b2))` in a step, if `b1^2 < b2`; so by at most 7.28
times the rate with its own `b1 = 0.9`, `b2 = 0.999`.

*Proof.* Let g_j be the gradient j steps ago, t the number of steps, `q = b1^2 / b2`. The step is
at most rate times the quotient of `(1 - b1) sum b1^j g_j / (1 - b1^t)` and the root of
`(1 - b2) sum b2^j g_j^2 / (1 - b2^t)`. By Cauchy and Schwarz
`sum b1^j g_j <= sqrt(sum q^j) sqrt(sum b2^j g_j^2)`, and `sum q^j = (1 - q^t) / (1 - q)`. So the
quotient is at most the constant times `sqrt((1 - b2^t) (1 - q^t)) / (1 - b1^t)`. With
`a = b2^t`, `b = q^t`, `a b = b1^(2 t)`: `(1 - a) (1 - b) = 1 - (a + b) + a b` is at most
`1 - 2 sqrt(a b) + a b = (1 - sqrt(a b))^2`. ∎
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.optim import Optimizer

from constructions.guards.errors import InputError

Entries = Sequence[tuple[Tensor, Tensor]]
"""Parameters, and bool tensors of their shapes that are true at the entries meant."""


def slow_entries(
    optimizer: Optimizer, entries: Iterable[tuple[Tensor, Tensor]], share: float
) -> None:
    """After each step of this optimizer, decay included, the entries have moved by `share` times
    what the step has moved them.

    With share 0 they do not change by a bit. It is undone by making another optimizer.

    Raises:
        InputError: the share is not from 0 to 1, or the optimizer has none of the parameters.
    """
    share = _fraction("share", share)
    moved = _those_of(optimizer, entries)
    before: list[Tensor] = []

    @torch.no_grad()
    def remember(*_: object) -> None:
        """Where the entries are before the step."""
        before[:] = [parameter[mask] for parameter, mask in moved]

    @torch.no_grad()
    def slow(*_: object) -> None:
        """Take the rest of the step back."""
        for (parameter, mask), then in zip(moved, before, strict=True):
            parameter[mask] = torch.lerp(then, parameter[mask], share) if share else then

    optimizer.register_step_pre_hook(remember)
    optimizer.register_step_post_hook(slow)


def draw_entries(
    optimizer: Optimizer, entries: Iterable[tuple[Tensor, Tensor]], pull: float
) -> None:
    """After each step of this optimizer the entries are drawn towards where they are now: what is
    between is multiplied by `1 - pull`.

    It is undone by making another optimizer.

    Raises:
        InputError: the pull is not from 0 to 1, or the optimizer has none of the parameters.
    """
    pull = _fraction("pull", pull)
    moved = _those_of(optimizer, entries)
    seeds = [parameter.detach()[mask].clone() for parameter, mask in moved]

    @torch.no_grad()
    def draw(*_: object) -> None:
        """Go back a part of the way."""
        for (parameter, mask), seed in zip(moved, seeds, strict=True):
            parameter[mask] = torch.lerp(parameter[mask], seed, pull)

    optimizer.register_step_post_hook(draw)


def _fraction(name: str, value: object) -> float:
    """The value as a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError(f"{name} must be a number from 0 to 1; got {value!r}")
    return float(value)


def _those_of(optimizer: object, entries: Iterable[tuple[Tensor, Tensor]]) -> Entries:
    """The entries of parameters that the optimizer moves, their masks where they are."""
    if not isinstance(optimizer, Optimizer):
        raise InputError(f"an optimizer of torch is needed; got a {type(optimizer).__name__}")
    known = {id(one) for group in optimizer.param_groups for one in group["params"]}
    found = [(one, mask.to(one.device)) for one, mask in entries if id(one) in known]
    if not found:
        raise InputError(
            "the optimizer has none of the parameters; make it of this module's parameters()"
        )
    return found
