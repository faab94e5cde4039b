"""From a final state to a margin, without computing all logits.

First `verify.queries.readout_declared.check_readout` reads the unembedding once: it must equal,
entry by entry, what the model's readout declares, and the declared codes must be distinct. After
that `margins` bounds from below, for each final state, the logit of the right answer minus the
largest other logit. The bound is exact where the state holds a code (all coordinates read as -1
or +1, or as an integer), and holds for every state:

* Two different sign codes differ in some bit j. If all `c_j y_j > 0`, any code other than c scores
  at most `<c, y> - 2 min_j c_j y_j`; and no code at all scores more than `sum_j |y_j|`, only the
  one whose signs are those of y reaches it, and every other one stays `2 min_j |y_j|` below.
* `2 v y - v^2 o = (y^2 - (y - v o)^2) / o` for o > 0: with e = y - v o, another integer v + i
  falls short of v by `i^2 o - 2 i e`, at least `o - 2 |e|` if that is positive; and no integer
  scores more than `y^2 / o`. Several integers score the sum of what each does: another vector
  falls short by at least the least `o - 2 |e_j|`, if all of these are positive.

In real arithmetic of the given state and weights this is exact. The module's own logits are
rounded; `rounding` bounds by how much, underflow and overflow included, and is 0 where all numbers
involved are integers that the dtype holds exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from constructions.guards.errors import InternalError
from constructions.model.fact_model import FactModel
from constructions.model.readout import BankField, FormField, SignField
from verify.queries.readout_declared import number_of_signs


@dataclass(frozen=True)
class _SignReader:
    """A field of sign codes: int8 (n, bits), which numbers are the signs of one, bool (2^bits,),
    and the places of its linear forms among all that are read.
    """

    codes: Tensor
    taken: Tensor
    read: slice
    bonus: int


@dataclass(frozen=True)
class _BankReader:
    """Banks of sign codes: int8 (banks, n, bits), which numbers are the signs of one of each bank,
    and the places of the linear forms.
    """

    codes: Tensor
    taken: Tensor
    read: slice


@dataclass(frozen=True)
class _NumberReader:
    """A field of numbers: float64 (n, m), and the places of its linear forms."""

    numbers: Tensor
    read: slice
    one: int


class MarginReader:
    """Bounds margins from states for one model. Make it after `check_readout` has found nothing.

    All linear forms of the readout are read with one matrix product. It is done in the model's
    dtype where that is exact, else in float64.
    """

    def __init__(self, model: FactModel):
        weight = model.unembedding.weight.detach()
        d_vocab, d_model = weight.shape
        self.place = torch.full((d_vocab,), -1, device=weight.device)
        self.field = torch.full((d_vocab,), -1, device=weight.device)
        self.readers: list[_SignReader | _BankReader | _NumberReader] = []
        rest = (
            np.zeros((1, d_model)) if model.readout.rest is None else model.readout.rest.matrix()
        )
        rows = [rest]
        for number, part in enumerate(model.readout.fields):
            tokens = torch.from_numpy(part.tokens).to(weight.device)
            self.place[tokens] = torch.arange(len(part.tokens), device=weight.device)
            self.field[tokens] = number
            at = sum(len(row) for row in rows)
            if isinstance(part, SignField):
                self.readers.append(_sign_reader(part, at, weight.device))
                rows += [
                    part.read.matrix(),
                    np.zeros((1, d_model)) if part.bonus is None else part.bonus.matrix(),
                ]
            elif isinstance(part, BankField):
                codes = torch.from_numpy(part.codes).to(weight.device)
                self.readers.append(
                    _BankReader(codes, _taken_numbers(codes), slice(at, at + part.read.size))
                )
                rows.append(part.read.matrix())
            elif isinstance(part, FormField):
                raise InternalError("a form field was to be read without all logits")
            else:
                numbers = torch.from_numpy(part.numbers).double().to(weight.device)
                end = at + part.read.size
                numbers = numbers.reshape(len(numbers), -1)
                self.readers.append(_NumberReader(numbers, slice(at, end), end))
                rows += [part.read.matrix(), part.one.matrix()]
        self.forms = torch.from_numpy(np.concatenate(rows)).to(weight.device)
        self.native_forms = self.forms.to(weight.dtype)
        self.all_in_fields = bool((self.field >= 0).all())
        self.largest = torch.maximum(weight.abs().amax(0).double(), self.forms.abs().amax(0))
        self.integral = not bool(weight.frac().any()) and not bool(self.forms.frac().any())
        self.info = torch.finfo(weight.dtype)

    def margins(self, states: Tensor, answers: Tensor) -> Tensor:
        """Lower bounds of the margins: states (Q, d_model), answer tokens (Q,) to float64 (Q,).
        NaN in, NaN out.

        A token in no field never wins by this account: its margin is minus infinity.
        """
        rounding = self.rounding(states)
        if rounding is None:
            values = (states @ self.native_forms.T).double()
        else:
            values = states.double() @ self.forms.T
        place, field = self.place[answers], self.field[answers]
        own = values.new_full(answers.shape, -torch.inf)
        rival = values.new_full(answers.shape, -torch.inf) if self.all_in_fields else values[:, 0]
        for number, reader in enumerate(self.readers):
            mine = field == number
            at = place.where(mine, 0)
            score, others, all_of_field = _scores(reader, values, at)
            own = torch.where(mine, score, own)
            rival = torch.maximum(rival, torch.where(mine, others, all_of_field))
        return own - rival if rounding is None else own - rival - rounding

    def rounding(self, states: Tensor) -> Tensor | None:
        """A bound on the rounding of a difference of two logits in the model's dtype, float64
        (Q,); None if all exact.

        A sum of n products, in any order, is off by at most `n eps / (2 - n eps)` times the sum of
        their absolute values and n times the smallest normal number. It is exact if all factors
        are integers and that sum does not exceed `2 / eps`. Where it may overflow the bound is
        infinite.
        """
        eps, limit, n = self.info.eps, 2 / self.info.eps, states.shape[-1]
        fractions, sizes = states.frac().aminmax(), states.aminmax()
        # false for NaN and infinity too
        whole = self.integral and fractions.min.item() == 0 == fractions.max.item()
        if whole and max(-sizes.min.item(), sizes.max.item()) * self.largest.sum().item() <= limit:
            return None
        magnitude = states.double().abs() @ self.largest
        bound = 2 * (magnitude * (n * eps / (2 - n * eps)) + n * self.info.smallest_normal)
        bound = bound.masked_fill(~(magnitude < self.info.max / 4), torch.inf)
        exact = (states == states.round()).all(-1) & (magnitude <= limit)
        if not self.integral:
            return bound
        return None if bool(exact.all()) else bound.masked_fill(exact, 0.0)


def _sign_reader(part: SignField, at: int, device: torch.device) -> _SignReader:
    """The reader of a field of sign codes whose forms begin at a place."""
    codes = torch.from_numpy(part.codes).to(device)
    bits = codes.shape[1]
    return _SignReader(codes, _taken_numbers(codes[None])[0], slice(at, at + bits), at + bits)


def _taken_numbers(codes: Tensor) -> Tensor:
    """Which numbers are the signs of some code of each bank: (banks, n, m) to bool (banks,
    2^m).
    """
    taken = torch.zeros(len(codes), 2 ** codes.shape[-1], dtype=torch.bool, device=codes.device)
    return taken.scatter_(1, number_of_signs(codes), True)


def _scores(
    reader: _SignReader | _BankReader | _NumberReader, values: Tensor, at: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """For each state: the score of the field's token `at`, a bound on the field's others, a bound
    on all of them.
    """
    if isinstance(reader, _SignReader):
        return _sign_scores(reader, values, at)
    if isinstance(reader, _BankReader):
        return _bank_scores(reader, values, at)
    return _number_scores(reader, values, at)


def _sign_scores(reader: _SignReader, values: Tensor, at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As `_scores`, for a field of sign codes."""
    y, bonus = values[:, reader.read], values[:, reader.bonus]
    n, bits = reader.codes.shape
    if bits == 0:
        return bonus, torch.full_like(bonus, -torch.inf), bonus
    size = y.abs()
    size, gap = size.sum(-1), 2 * size.amin(-1)
    best = torch.where(reader.taken[number_of_signs(y)], size, size - gap) + bonus
    agreement = reader.codes[at] * y
    score = agreement.sum(-1) + bonus
    second = torch.where(agreement.amin(-1) > 0, size - gap + bonus, best)
    others = second if n > 1 else torch.full_like(score, -torch.inf)
    return score, others, best


def _bank_scores(reader: _BankReader, values: Tensor, at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As `_scores`: the sign codes of the one bank that speaks. Where it is not one, no bound
    below infinity.
    """
    banks, n, bits = reader.codes.shape
    y = values[:, reader.read].reshape(-1, banks, bits)
    speaks = (y != 0).any(-1)  # a NaN speaks
    bank = speaks.long().argmax(-1)
    y = y[torch.arange(len(y), device=y.device), bank]
    size, gap = y.abs().sum(-1), 2 * y.abs().amin(-1)
    best = torch.where(reader.taken[bank, number_of_signs(y)], size, size - gap)
    agreement = reader.codes[bank, at] * y
    second = torch.where(agreement.amin(-1) > 0, size - gap, best)
    others = second if n > 1 else torch.full_like(size, -torch.inf)
    alone = speaks.sum(-1) == 1
    return agreement.sum(-1), others.where(alone, torch.inf), best.where(alone, torch.inf)


def _number_scores(
    reader: _NumberReader, values: Tensor, at: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """As `_scores`, for a field of numbers."""
    y, one = values[:, reader.read], values[:, reader.one]
    value = reader.numbers[at]
    score = (2 * value * y).sum(-1) - (value**2).sum(-1) * one
    best = torch.where(one > 0, (y**2).sum(-1) / one, torch.inf)
    shortfall = one - 2 * (y - value * one[:, None]).abs().amax(-1)
    second = torch.where((one > 0) & (shortfall > 0), score - shortfall, best)
    others = second if len(reader.numbers) > 1 else torch.full_like(score, -torch.inf)
    return score, others, best
