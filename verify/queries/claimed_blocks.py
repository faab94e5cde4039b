"""Where a model's builder says that codes of entities stand in the residual stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from constructions.facts.set_table import SetTable
from constructions.model.fact_model import FactModel
from constructions.model.record import Block as Recorded

Word = tuple[int, ...]
"""Relations, one after the other."""


@dataclass(frozen=True)
class Spelled:
    """Columns that hold a code for each word of n letters, as the builder has recorded.

    Attributes:
        start, stop: the columns.
        words: n; 0 for one code, of the node itself.
        last: the words are those whose last letter is in range(*last).
        form: "bits", "signs", "number", or "own" for a code of the builder's own.
        book: which of the model's codebooks.
        relations: R, how many letters there are.
    """

    start: int
    stop: int
    words: int
    last: tuple[int, int]
    form: str
    book: int
    relations: int

    def __len__(self) -> int:
        """How many words there are."""
        ends = self.last[1] - self.last[0]
        return 1 if self.words == 0 else int(self.relations ** (self.words - 1)) * ends

    def word(self, index: int) -> Word:
        """The word of this number, in lexicographic order."""
        if self.words == 0:
            return ()
        rest, end = divmod(index, self.last[1] - self.last[0])
        letters = [self.last[0] + end]
        for _ in range(self.words - 1):
            rest, letter = divmod(rest, self.relations)
            letters.append(letter)
        return tuple(reversed(letters))

    def index(self, word: Sequence[int]) -> int | None:
        """The number of a word; None if it is not among them."""
        if len(word) != self.words or (word and not self.last[0] <= word[-1] < self.last[1]):
            return None
        number = 0
        for letter in word[:-1]:
            number = number * self.relations + letter
        return number * (self.last[1] - self.last[0]) + word[-1] - self.last[0] if word else 0

    def columns(self, index: int) -> tuple[int, ...]:
        """The columns of the word of this number."""
        width = (self.stop - self.start) // len(self)
        return tuple(range(self.start + index * width, self.start + (index + 1) * width))


class Claims:
    """What the builder has recorded of columns: what an entity's embedding holds, and what each
    layer keeps.

    Attributes:
        subject: of embeddings.
        passes: for each layer, in the order of application, what is left; None if it leaves
            nothing for another.
    """

    def __init__(self, model: FactModel):
        relations = model.facts.n_relations
        self._letters = letters_of(model)
        self.subject = [_spelled(block, relations) for block in model.record.subject]
        self.passes = [
            None if one.keeps is None else [_spelled(block, relations) for block in one.keeps]
            for one in model.record.passes
        ]

    def text(self, word: Word) -> str:
        """A word in names."""
        return " ".join(self._letters[letter] for letter in word)

    def copied(self, model: FactModel) -> Iterator[Spelled]:
        """The codes of embeddings in the slots of the same size to which a head copies them."""
        slots = model.stream.slots
        for head in (head for layer in model.record.layers for head in layer.heads):
            for source, target in zip(head.reads, head.writes, strict=False):
                start, size = int(slots[source].columns.min()), slots[source].size
                for one in self.subject if slots[target].size == size else ():
                    if one.start == start and one.stop == start + size:
                        there = int(slots[target].columns.min())
                        yield replace(one, start=there, stop=there + size)

    def kept(self, layer: int, left: int) -> list[Spelled] | None:
        """What a layer leaves, counted from 0, of so many letters; None if nothing is claimed."""
        return self.passes[layer] if left and layer < len(self.passes) else None


def letters_of(model: FactModel) -> Sequence[str]:
    """The names of the letters of words: the relations; of a model that writes sets the places of
    each relation, such as "child 2".
    """
    facts = model.facts
    return facts.place_names if isinstance(facts, SetTable) else facts.relation_names


def _spelled(block: Recorded, relations: int) -> Spelled:
    """A block of the record."""
    return Spelled(
        *block.columns, block.words, block.last, block.form or "own", block.book, relations
    )
