"""What a builder says that columns of the stream hold: codes of the nodes that words lead to.

Holds(attributes, words=1, code=Bits(codebook))      # for every relation, its answer's bits
Holds(state, words=0, code=Signs(states))            # the node itself, as signs
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from constructions.facts.codes import Codebook
from constructions.facts.table import FactTable
from constructions.guards.integers import require_integer_fields
from constructions.model.record import Block
from constructions.model.stream import Slot
from constructions.writing.codes import Code


@dataclass(frozen=True)
class Holds:
    """A slot holds, for every word of so many relations, the code of the node that the word leads
    to from the node at hand.

    Attributes:
        slot: as many codes as there are words, in lexicographic order, in columns that follow each
            other.
        words: how many relations a word has; 0 for the node itself.
        code: how a node is written: `Bits`, `Signs`, `Number`, or a class of the builder's own.
        last: the relations that may be the last of a word; by default all.
    """

    slot: Slot
    words: int
    code: Code
    last: range | None = None

    def __post_init__(self) -> None:
        require_integer_fields(self)

    def last_of(self, n_relations: int) -> range:
        """The relations that may be the last letter: all where none are named."""
        return range(n_relations) if self.last is None else self.last

    def columns(self, n_relations: int) -> NDArray[np.int64]:
        """The columns of each word's code: (number of words, width).

        Raises:
            ValueError: the slot has other columns than words and code ask for.
        """
        letters = self.last_of(n_relations)
        if not (0 <= letters.start < letters.stop <= n_relations and letters.step == 1):
            raise ValueError(f"{self.slot}: the last letter is in {letters} of {n_relations}")
        if self.last is not None and not self.words:
            raise ValueError(f"{self.slot}: a node's own code has no last letter")
        n_words = n_relations ** (self.words - 1) * len(letters) if self.words else 1
        width = self.code.rows(self.code.codebook.tokens[:1]).shape[-1]
        flat = self.slot.columns.ravel()
        if flat.size != n_words * width:
            raise ValueError(
                f"{self.slot} has {flat.size:,} columns; {n_words:,} words of {self.words} letters"
                f" in codes of {width:,} take {n_words * width:,}"
            )
        if (np.diff(flat) != 1).any():
            raise ValueError(f"{self.slot}: the columns of a claim must follow each other")
        return flat.reshape(n_words, width)

    def block(self, n_relations: int, books: Sequence[Codebook]) -> Block:
        """What is claimed of the slot, with the place of the code's book among the given ones."""
        columns, letters = self.columns(n_relations), self.last_of(n_relations)
        book = next(i for i, book in enumerate(books) if book is self.code.codebook)
        at = (int(columns[0, 0]), int(columns[-1, -1]) + 1)
        return Block(at, self.words, (letters.start, letters.stop), self.code.form, book)


@dataclass(frozen=True)
class Made:
    """A slot of every entity holds numbers that are made of all facts at once, in no code that a
    certificate names.

    Attributes:
        slot: columns that follow each other.
        codebook: gives the answers their numbers.
        rows: makes the numbers of facts: integers (N, slot.size). Raises InputError for facts that
            have none.
    """

    slot: Slot
    codebook: Codebook
    rows: Callable[[FactTable], NDArray[np.int64]]

    def block(self, books: Sequence[Codebook]) -> Block:
        """What is claimed of the slot: columns alone."""
        columns = self.slot.columns.ravel()
        book = next(i for i, book in enumerate(books) if book is self.codebook)
        return Block((int(columns[0]), int(columns[-1]) + 1), 0, (0, 0), None, book)


def books_of(holds: Iterable[Holds], made: Iterable[Made] = ()) -> tuple[Codebook, ...]:
    """The codebooks of some claims, each once, in the order in which they first occur."""
    books = [*(one.code.codebook for one in holds), *(one.codebook for one in made)]
    return tuple({id(book): book for book in books}.values())
