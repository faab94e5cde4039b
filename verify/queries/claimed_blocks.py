"""Where a model's certificate says that codes of entities stand in the residual stream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from constructions.model.fact_model import FactModel
from constructions.writing.certificate import certificate

Word = tuple[int, ...]
"""Relations, one after the other."""


@dataclass(frozen=True)
class Spelled:
    """Columns that hold a code for each word of n letters, as the certificate claims.

    Attributes:
        start, stop: the columns.
        words: n; 0 for one code, of the node itself.
        last: the words are those whose last letter is in range(*last).
        form: "bits", "signs" or "number".
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
    """What the certificate says of columns: what an entity's embedding holds, and what each pass
    keeps.

    Attributes:
        subject: of embeddings.
        kept: (written token from 1, letters at hand, layer from 0) to what is left; None if that
            pass leaves nothing for another.
    """

    def __init__(self, model: FactModel):
        self.model = model
        self.subject: list[Spelled] = []
        self.kept: dict[tuple[int, int, int], list[Spelled] | None] = {}
        run = (1, 1)
        for claim in json.loads(certificate(model)):
            if claim["claim"] == "subject":
                self.subject = [self._spelled(block) for block in claim["blocks"]]
            elif claim["claim"] == "run":
                run = claim["step"], claim["letters"]
            elif claim["claim"] == "pass":
                after = claim["after"]
                self.kept[(*run, claim["number"] - 1)] = (
                    None if after is None else [self._spelled(block) for block in after]
                )

    def _spelled(self, block: dict[str, Any]) -> Spelled:
        """A block of the certificate, by its columns."""
        form, book = block["form"], block["book"]
        start = int(self.model.stream[block["slot"]].columns.min())
        others = block["words"], tuple(block["last"]), form, book, self.model.facts.n_relations
        bits = 1 if form == "number" else self.model.codebooks[book].bits
        return Spelled(start, start + bits * len(Spelled(start, start, *others)), *others)
