"""How a model reads its answer: a declaration from which the unembedding is written, and against
which it is checked.

A readout is a list of *fields*. A field names some tokens and says how the final state x scores
them:

* sign field:   `logit_t = <c_t, read(x)> + bonus(x)`, with `c_t` in {-1,+1}^m distinct codes;
* bank field:   `logit_t = sum_v <c_{v,t}, read_v(x)>`, with codes that are distinct within each
  bank v, for states in which all banks but one read 0;
* number field: `logit_t = 2 v_t read(x) - v_t^2 one(x)`, with `v_t` distinct integers; or vectors
  of integers, `logit_t = 2 <v_t, read(x)> - |v_t|^2 one(x)`;
* form field:   `logit_t` any linear form on x, one for each token. Nothing is known of what tells
  these tokens apart: answers are decided by all logits.

Tokens in no field all have the logit `rest(x)`. `read`, `bonus`, `one`, `rest` are linear forms on
the residual stream.

Why a declaration: that the codes are distinct, and that the unembedding is what it is declared to
be, is checked once, in one pass over its rows. The best token of a state is then known from the
state alone, without computing all logits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from constructions.model.stream import NUMBERS_AT_ONCE, Form


@dataclass(frozen=True)
class SignField:
    """Tokens that differ in their sign codes.

    Attributes:
        tokens: int64 (n,).
        codes: int8 (n, m), entries -1 and +1, rows distinct; m = 0 is allowed for a single token.
        read: forms of shape (m,).
        bonus: a single form, or None.
    """

    tokens: NDArray[np.int64]
    codes: NDArray[np.int8]
    read: Form
    bonus: Form | None = None

    def rows(self, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        """The rows of the unembedding for the tokens at the given places of `tokens`:
        (len(chosen), d_model).
        """
        rows = self.codes[chosen].astype(np.float64) @ self.read.matrix()
        return rows if self.bonus is None else rows + self.bonus.matrix()


@dataclass(frozen=True)
class NumberField:
    """Tokens that differ in an integer, or in several: the token whose number, or vector of
    numbers, is nearest to `read / one` wins.

    Attributes:
        tokens: int64 (n,).
        numbers: int64 (n,), distinct; or (n, m), distinct rows.
        read: a single form; or forms of shape (m,).
        one: a single form, which is 1 in every final state.
    """

    tokens: NDArray[np.int64]
    numbers: NDArray[np.int64]
    read: Form
    one: Form

    def rows(self, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        """The rows of the unembedding for the tokens at the given places of `tokens`:
        (len(chosen), d_model).
        """
        values = self.numbers[chosen].astype(np.float64).reshape(len(chosen), -1)
        squares = (values**2).sum(axis=1, keepdims=True)
        rows: NDArray[np.float64] = 2 * values @ self.read.matrix() - squares * self.one.matrix()
        return rows


@dataclass(frozen=True)
class BankField:
    """Tokens that have one sign code for each of several banks; a state speaks in one bank and is
    0 in the others.

    Attributes:
        tokens: int64 (n,).
        codes: int8 (banks, n, m), entries -1 and +1, rows distinct within each bank.
        read: forms of shape (banks, m).
    """

    tokens: NDArray[np.int64]
    codes: NDArray[np.int8]
    read: Form

    def rows(self, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        """The rows of the unembedding for the tokens at the given places of `tokens`:
        (len(chosen), d_model).
        """
        codes = self.codes[:, chosen].swapaxes(0, 1).reshape(len(chosen), -1)
        return codes.astype(np.float64) @ self.read.matrix()


@dataclass(frozen=True)
class FormField:
    """Tokens whose logits are any linear forms.

    Attributes:
        tokens: int64 (n,).
        logits: forms of shape (n,).
    """

    tokens: NDArray[np.int64]
    logits: Form

    def rows(self, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        """The rows of the unembedding for the tokens at the given places of `tokens`:
        (len(chosen), d_model).
        """
        return self.logits[chosen].matrix()


@dataclass(frozen=True)
class Readout:
    """The fields, and the logit of every token that is in none of them (the same form for all, or
    0).
    """

    fields: tuple[SignField | NumberField | BankField | FormField, ...]
    rest: Form | None = None

    @property
    def tells_codes_apart(self) -> bool:
        """Whether all fields say what tells their tokens apart, so that the best token of a state
        is known from the state alone.
        """
        return not any(isinstance(part, FormField) for part in self.fields)

    def weight_rows(
        self, d_vocab: int, d_model: int, rows_at_once: int = 8192
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The declared unembedding in pieces, in the order of the tokens: (tokens, their rows
        float64 (len(tokens), d_model)); so few rows in each that they are `NUMBERS_AT_ONCE`
        numbers at most.
        """
        some = max(1, min(rows_at_once, NUMBERS_AT_ONCE // max(1, d_model)))
        rest = np.zeros((1, d_model)) if self.rest is None else self.rest.matrix()
        field, place = np.full((2, d_vocab), -1)
        for number, part in enumerate(self.fields):
            field[part.tokens], place[part.tokens] = number, np.arange(len(part.tokens))
        for start in range(0, d_vocab, some):
            stop = min(start + some, d_vocab)
            numbers, places = field[start:stop], place[start:stop]
            first = int(numbers[0])
            if first >= 0 and (numbers == first).all():  # as nearly always: nothing is copied
                yield np.arange(start, stop), self.fields[first].rows(places)
                continue
            rows = np.empty((stop - start, d_model))
            for number in np.unique(numbers).tolist():
                mine = numbers == number
                rows[mine] = rest if number < 0 else self.fields[number].rows(places[mine])
            yield np.arange(start, stop), rows

    def blocks(self, d_vocab: int, d_model: int, dtype: torch.dtype) -> Iterator[Tensor]:
        """The declared unembedding in a dtype, in pieces (n, d_model) that follow each other."""
        for _, rows in self.weight_rows(d_vocab, d_model):
            yield torch.from_numpy(rows).to(dtype)
