"""Binary and sign codes, and the book that gives every possible answer its code.

`b(t)` in {0,1}^m is the binary code of number t, least significant bit first; `c(t) = 2 b(t) - 1`
its sign code. Two sign codes at Hamming distance h have the inner product `m - 2h`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.guards.errors import InputError
from constructions.guards.integers import whole


def bits_needed(count: int) -> int:
    """m = max(1, ceil(log2 count)): the bits that tell `count` things apart, in integers."""
    return max(1, (count - 1).bit_length())


def binary_codes(numbers: ArrayLike, bits: int) -> NDArray[np.int8]:
    """b(t) for every t: integers of shape (...) to int8 zeros and ones of shape (..., bits)."""
    whole_numbers = np.asarray(numbers)
    if bits > 64:
        return ((whole_numbers[..., None] >> np.arange(bits)) & 1).astype(np.int8)
    used = whole_numbers.astype("<i8")[..., None].view(np.uint8)[..., : -(-bits // 8)]
    return np.unpackbits(used, axis=-1, count=bits, bitorder="little").view(np.int8)


def sign_codes(numbers: ArrayLike, bits: int) -> NDArray[np.int8]:
    """c(t) = 2 b(t) - 1 for every t: integers of shape (...) to int8 signs, (..., bits)."""
    return 2 * binary_codes(numbers, bits) - 1


def digit_codes(numbers: ArrayLike, base: int, digits: int) -> NDArray[np.int64]:
    """The digits of every number, the lowest first: integers of shape (...) to int64 of shape
    (..., digits), each 0 to base - 1.
    """
    places = np.array([base**place for place in range(digits)], dtype=np.int64)
    found: NDArray[np.int64] = np.asarray(numbers, dtype=np.int64)[..., None] // places % base
    return found


@dataclass(frozen=True)
class Codebook:
    """Gives each possible answer a number, and with it a code of m bits.

    Attributes:
        tokens: int64 (N',), strictly increasing: the tokens that can be an answer; token
            `tokens[i]` has number i.

    Example:
        >>> Codebook.of(facts).bits
        3
    """

    tokens: NDArray[np.int64]

    @classmethod
    def of(
        cls, *tables: FactTable, relation: int | None = None, stored_only: bool = False
    ) -> Codebook:
        """The book of all answers of the given tables: the union of the codomains, the spare
        entities that may become answers, and *unknown* if a fact is missing, unless stored facts
        alone are to be answered.

        Give several tables to reserve codes for facts that are installed later; give a relation to
        have its answers alone, without spare ones.
        """
        sizes = {(table.n_entities, table.n_relations) for table in tables}
        if len(sizes) != 1:
            raise InputError(
                "tables of one codebook must have the same sizes (entities, relations); got"
                f" {sizes}"
            )
        vocabulary = Vocabulary(tables[0].n_entities, tables[0].n_relations)
        if relation is not None:
            relation = whole("relation", relation, 0, vocabulary.n_relations - 1)
        occurs = np.zeros(len(vocabulary), dtype=bool)
        for table in tables:
            for answers in table.answers if relation is None else table.answers[[relation]]:
                occurs[vocabulary.answer_tokens(answers)] = True
            if relation is None:
                occurs[table.spare_answers] = True
        if stored_only:
            occurs[vocabulary.unknown] = False
        return cls(np.flatnonzero(occurs))

    @classmethod
    def of_states(cls, facts: FactTable, stored_only: bool = False) -> Codebook:
        """The book of everything that a path can pass: all entities, and *unknown* if a fact is
        missing, unless stored facts alone are to be answered.
        """
        vocabulary = Vocabulary(facts.n_entities, facts.n_relations)
        unknown = [] if facts.is_total or stored_only else [vocabulary.unknown]
        return cls(np.append(np.arange(facts.n_entities), unknown).astype(np.int64))

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def bits(self) -> int:
        """m = max(1, ceil(log2 N'))."""
        return bits_needed(len(self))

    def numbers(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number of each token, any shape. Raises InputError for a token that has none."""
        last = len(self) - 1
        without_gap = last >= 0 and int(self.tokens[-1]) - int(self.tokens[0]) == last
        numbers: NDArray[np.int64] = (
            np.clip(tokens - self.tokens[0], 0, last)
            if without_gap
            else np.minimum(np.searchsorted(self.tokens, tokens), last)
        )
        strangers = tokens[self.tokens[numbers] != tokens]
        if strangers.size:
            raise InputError(
                f"token {strangers.flat[0]} is an answer of this table but has no code: the model"
                f" was built for {len(self)} possible answers; build it with"
                " codebook=Codebook.of(facts, other_facts)"
            )
        return numbers

    @property
    def by_number(self) -> NDArray[np.int64]:
        """The tokens in the order of their numbers: int64 (N',)."""
        return self.tokens

    def binary(self, tokens: NDArray[np.int64]) -> NDArray[np.int8]:
        """b of each token, shape (..., m)."""
        return binary_codes(self.numbers(tokens), self.bits)

    def signs(self, tokens: NDArray[np.int64]) -> NDArray[np.int8]:
        """c of each token, shape (..., m)."""
        return sign_codes(self.numbers(tokens), self.bits)


class LastFirst(Codebook):
    """A codebook that numbers its tokens from the last one down: the last one, END of a model that
    writes sets, has number 0, and with it the code that a stream of zeros spells.
    """

    def numbers(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number of each token, any shape. Raises InputError for a token that has none."""
        return len(self) - 1 - super().numbers(tokens)

    @property
    def by_number(self) -> NDArray[np.int64]:
        """The tokens in the order of their numbers: int64 (N',)."""
        return self.tokens[::-1]
