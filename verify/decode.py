"""From a final state to a margin, without computing all logits.

First `check_decoder` reads the unembedding once: it must equal, entry by entry, what the model's decoder declares, and
the declared codes must be distinct. After that `margins` bounds from below, for each final state, the logit of the right
answer minus the largest other logit. The bound is exact where the state spells a code (all coordinates read as -1 or +1,
or as an integer), and holds for every state:

* Two different sign codes differ in some bit j. If all `c_j y_j > 0`, any code other than c scores at most
  `<c, y> - 2 min_j c_j y_j`; and no code at all scores more than `sum_j |y_j|`, only the one spelled by the signs of y
  reaches it, and every other one stays `2 min_j |y_j|` below.
* `2 v y - v^2 o = (y^2 - (y - v o)^2) / o` for o > 0: with e = y - v o, another integer v + i falls short of v by
  `i^2 o - 2 i e`, at least `o - 2 |e|` if that is positive; and no integer scores more than `y^2 / o`.

In real arithmetic of the given state and weights this is exact. The module's own logits are rounded; `rounding` bounds
by how much, and is 0 where all numbers involved are integers that the dtype holds exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from constructions.decoder import SignField
from constructions.model import FactModel


def check_decoder(model: FactModel) -> str | None:
    """Why the unembedding does not separate all codes as declared, in one line; None if it does.

    Every entry is compared with the declaration with `==`, so a NaN is a difference.
    """
    weight, decoder = model.unembedding.weight.detach(), model.decoder
    seen = np.zeros(weight.shape[0], dtype=bool)
    for place, part in enumerate(decoder.fields):
        if not len(part.tokens):
            return f"field {place} of the decoder reads no token"
        if isinstance(part, SignField) and not (np.abs(part.codes) == 1).all():
            return f"field {place} of the decoder has a code with an entry other than -1 and +1"
        labels = _spelled_number(torch.from_numpy(part.codes)) if isinstance(part, SignField) else part.numbers
        if len(np.unique(labels)) < len(part.tokens):
            return f"field {place} of the decoder gives two tokens the same code"
        if seen[part.tokens].any() or len(np.unique(part.tokens)) < len(part.tokens):
            return f"field {place} of the decoder reads a token that is read before"
        seen[part.tokens] = True
    for tokens, rows in decoder.weight_rows(*weight.shape):
        declared = torch.from_numpy(rows)
        found = weight[torch.from_numpy(tokens).to(weight.device)].cpu().to(torch.float64)
        if not torch.equal(found, declared):
            token, column = (found != declared).nonzero()[0].tolist()
            return (
                f"the unembedding of token {tokens[token]} has {found[token, column].item():g} in column {column} where "
                f"the declared decoder has {declared[token, column].item():g}"
            )
    return None


@dataclass(frozen=True)
class _SignReader:
    codes: Tensor
    spelled: Tensor
    read: slice
    bonus: int


@dataclass(frozen=True)
class _NumberReader:
    numbers: Tensor
    read: int
    one: int


class MarginReader:
    """Bounds margins from states for one model. Make it after `check_decoder` has found nothing.

    All linear forms of the decoder are read with one matrix product. It is done in the model's dtype where that is
    exact, else in float64.
    """

    def __init__(self, model: FactModel):
        weight = model.unembedding.weight.detach()
        d_vocab, d_model = weight.shape
        self.place = torch.full((d_vocab,), -1, device=weight.device)
        self.field = torch.full((d_vocab,), -1, device=weight.device)
        self.readers: list[_SignReader | _NumberReader] = []
        rest = np.zeros((1, d_model)) if model.decoder.rest is None else model.decoder.rest.matrix()
        rows = [rest]
        for number, part in enumerate(model.decoder.fields):
            tokens = torch.from_numpy(part.tokens).to(weight.device)
            self.place[tokens] = torch.arange(len(part.tokens), device=weight.device)
            self.field[tokens] = number
            at = sum(len(row) for row in rows)
            if isinstance(part, SignField):
                self.readers.append(_sign_reader(part, at, weight.device))
                rows += [part.read.matrix(), np.zeros((1, d_model)) if part.bonus is None else part.bonus.matrix()]
            else:
                numbers = torch.from_numpy(part.numbers).double().to(weight.device)
                self.readers.append(_NumberReader(numbers, at, at + 1))
                rows += [part.read.matrix(), part.one.matrix()]
        self.forms = torch.from_numpy(np.concatenate(rows)).to(weight.device)
        self.native_forms = self.forms.to(weight.dtype)
        self.all_in_fields = bool((self.field >= 0).all())
        self.largest = torch.maximum(weight.abs().amax(0).double(), self.forms.abs().amax(0))
        self.eps = torch.finfo(weight.dtype).eps

    def margins(self, states: Tensor, answers: Tensor) -> Tensor:
        """Lower bounds of the margins: states (Q, d_model), answer tokens (Q,) to float64 (Q,). NaN in, NaN out.

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
            scores = _sign_scores if isinstance(reader, _SignReader) else _number_scores
            score, others, all_of_field = scores(reader, values, at)  # type: ignore[arg-type]
            own = torch.where(mine, score, own)
            rival = torch.maximum(rival, torch.where(mine, others, all_of_field))
        return own - rival if rounding is None else own - rival - rounding

    def rounding(self, states: Tensor) -> Tensor | None:
        """A bound on the rounding of a difference of two logits in the model's dtype, float64 (Q,); None if all exact.

        A sum of d terms, in any order, is off by at most `d eps / (2 - d eps)` times the sum of their absolute values;
        a sum of integers is exact if that sum of absolute values does not exceed `2 / eps`.
        """
        limit = 2 / self.eps
        fractions, sizes = states.frac().aminmax(), states.aminmax()
        whole = fractions.min.item() == 0 == fractions.max.item()  # false for NaN and infinity too
        if whole and max(-sizes.min.item(), sizes.max.item()) * self.largest.sum().item() <= limit:
            return None
        magnitude = states.double().abs() @ self.largest
        exact = (states == states.round()).all(-1) & (magnitude <= limit)
        if bool(exact.all()):
            return None
        n = states.shape[-1]
        return (2 * magnitude * (n * self.eps / (2 - n * self.eps))).masked_fill(exact, 0.0)


def _sign_reader(part: SignField, at: int, device: torch.device) -> _SignReader:
    codes = torch.from_numpy(part.codes).to(device)
    bits = codes.shape[1]
    spelled = torch.zeros(2**bits, dtype=torch.bool, device=device)
    spelled[_spelled_number(codes)] = True
    return _SignReader(codes, spelled, slice(at, at + bits), at + bits)


def _spelled_number(signs: Tensor) -> Tensor:
    """The number whose binary code has ones where the signs are positive: (..., m) to int64 (...)."""
    powers = 2.0 ** torch.arange(signs.shape[-1], device=signs.device, dtype=torch.float64)
    return ((signs > 0).double() @ powers).long()


def _sign_scores(reader: _SignReader, values: Tensor, at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each state: the score of the field's token `at`, a bound on the field's others, a bound on all of them."""
    y, bonus = values[:, reader.read], values[:, reader.bonus]
    n, bits = reader.codes.shape
    if bits == 0:
        return bonus, torch.full_like(bonus, -torch.inf), bonus
    size = y.abs()
    size, gap = size.sum(-1), 2 * size.amin(-1)
    best = torch.where(reader.spelled[_spelled_number(y)], size, size - gap) + bonus
    agreement = reader.codes[at] * y
    score = agreement.sum(-1) + bonus
    second = torch.where(agreement.amin(-1) > 0, size - gap + bonus, best)
    others = second if n > 1 else torch.full_like(score, -torch.inf)
    return score, others, best


def _number_scores(reader: _NumberReader, values: Tensor, at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As `_sign_scores`, for a field of numbers."""
    y, one = values[:, reader.read], values[:, reader.one]
    value = reader.numbers[at]
    score = 2 * value * y - value**2 * one
    best = torch.where(one > 0, y**2 / one, torch.inf)
    shortfall = one - 2 * (y - value * one).abs()
    second = torch.where((one > 0) & (shortfall > 0), score - shortfall, best)
    others = second if len(reader.numbers) > 1 else torch.full_like(score, -torch.inf)
    return score, others, best
