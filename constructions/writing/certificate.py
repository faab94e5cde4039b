"""What a construction claims of its weights, layer by layer: the certificate that is saved beside
them.

A certificate is a list of claims, one a line, in the order in which a proof needs them:

    task      of a chain of thought how many hops a written token stands for; else 0
    subject   blocks of columns in which an entity's embedding writes the nodes that words of
              relations lead to; and for each book of codes the number of *unknown*
    pass      one layer: the letters (places in the path) that it takes, and the blocks that it
              keeps: columns that are functions of the node afterwards. One for each layer and run:
              for each written token (step) and number of letters that are left for it

A block `{columns: [start, stop], words: n, last: [a, b], form, book}` says: these columns hold,
for every word of n letters whose last letter is in a..b-1, the code of the node it leads to (n =
0: of the node itself), as bits, signs or a number. Nothing here is trusted: the checkers of
`verify` prove every claim from the weights, and docs/certificates.md says why they imply every
answer. What a checker computes itself is not claimed: where heads look, how large a gap of scores
is, what the unembedding reads. The length of a certificate does not grow with the number of
entities or facts.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from constructions.facts.answers import MISSING
from constructions.guards.errors import InputError
from constructions.model.fact_model import FactModel

_Claim = dict[str, Any]
FORMAT = 3
"""Of certificates, and of the folders that hold them."""


def certificate(model: FactModel) -> str:
    """The certificate of a model as canonical text: a JSON list with one claim a line, keys
    sorted.
    """
    return text_of(_Claims(model).all())


def text_of(claims: list[_Claim]) -> str:
    """The canonical text of a list of claims."""
    return "[\n" + ",\n".join(json.dumps(claim, sort_keys=True) for claim in claims) + "\n]\n"


class _Claims:
    """Collects the claims of one model."""

    def __init__(self, model: FactModel):
        self.model, self.facts = model, model.facts
        self.builder, self.options = model.recipe.builder, model.recipe.options
        self.k, self.n_relations = model.hops, self.facts.n_relations
        self.looked_up = int(self.options.get("looked_up") or 0)
        self.shared = "pointer" in model.stream.slots
        self.per_token = getattr(model, "hops_per_token", 0)

    def all(self) -> list[_Claim]:
        """All claims, in the order in which a proof needs them."""
        claims: list[_Claim] = [
            {"claim": "task", "hops_per_token": self.per_token},
            {"claim": "subject", "blocks": self.subject(), "unknown": self.unknown()},
        ]
        for step, left in self.runs():
            for layer in range(1, self.model.shape.depth + 1):
                letters, keeps = self.passes(step, left, layer)
                run = {"claim": "pass", "step": step, "left": left, "layer": layer}
                claims.append(run | {"letters": letters, "keeps": keeps})
        return claims

    def unknown(self) -> list[int | None]:
        """The number of *unknown* in each book in which a fact is missing."""
        answers = (
            self.facts.answers if len(self.model.codebooks) > 1 else [self.facts.answers.ravel()]
        )
        token = np.array([self.model.vocabulary.unknown])
        return [
            int(book.numbers(token)[0]) if (some == MISSING).any() else None
            for book, some in zip(self.model.codebooks, answers, strict=True)
        ]

    def block(
        self,
        slot: str,
        words: int,
        form: str,
        first: int = 0,
        last: int | None = None,
        book: int = 0,
    ) -> _Claim:
        """A block of codes: see the top of this file."""
        last = self.n_relations if last is None else last
        n_words = self.n_relations ** (words - 1) * (last - first) if words else 1
        width = n_words * (self.model.codebooks[book].bits if form != "number" else 1)
        start = int(self.model.stream[slot].columns.flat[0])
        columns = [start, start + width]
        return {
            "columns": columns,
            "words": words,
            "last": [first, last],
            "form": form,
            "book": book,
        }

    def trees(self, slot: str, lengths: dict[int, int]) -> list[_Claim]:
        """Blocks of words of the given lengths that end in a relation which is not looked up:
        {number of slot: length}.
        """
        if self.looked_up == self.n_relations:
            return []
        return [
            self.block(slot.format(i), length, "bits", self.looked_up)
            for i, length in lengths.items()
        ]

    def subject(self) -> list[_Claim]:
        """What an entity's embedding writes."""
        k, r = self.k, range(self.n_relations)
        whole = {i: i for i in range(1, k + 1)}
        prefix = "subject's " if self.shared else ""
        match self.builder:
            case "selector" | "scalar_selector" | "attention_selector":
                form = {
                    "selector": "bits",
                    "scalar_selector": "number",
                    "attention_selector": "signs",
                }[self.builder]
                return [self.block("attributes", 1, form)]
            case "superposition":
                return [self.block(f"attributes[{i}]", 1, "signs", i, i + 1, i) for i in r]
            case "key_value" | "key_value_rows":
                return [self.block("subject" if self.shared else "state", 0, "signs")]
            case "hybrid":
                return [
                    self.block(prefix + "state", 0, "signs"),
                    *self.trees(prefix + "words {}", whole),
                ]
            case "precomputed":
                return [self.block("answers", k, "bits")]
            case "meet_in_the_middle":
                return [self.block("forward", k - k // 2, "bits")]
            case "chain_of_thought":
                return self.trees("words {}", {i: i for i in range(1, self.per_token + 1)})
        raise InputError(f"{self.builder} states no claims")

    def runs(self) -> list[tuple[int, int]]:
        """The written tokens (step, letters that are left for it); the last letters may be
        followed by PAD.
        """
        if not self.per_token:
            return [(1, self.k)]
        steps = range(1, -(-self.k // self.per_token) + 2)
        left = {
            step: max(0, min(self.per_token, self.k - (step - 1) * self.per_token))
            for step in steps
        }
        return [(step, n) for step in steps for n in range(int(step == 1), left[step] + 1)]

    def passes(
        self, step: int, n_letters: int, number: int
    ) -> tuple[list[int], list[_Claim] | None]:
        """The letters of a pass, and the blocks that it leaves."""
        k, half = self.k, self.k - self.k // 2
        match self.builder:
            case "key_value" | "key_value_rows":
                return [number], [self.block("state", 0, "signs")]
            case "hybrid":
                left = {
                    i - number if self.shared else i: i - number for i in range(number + 1, k + 1)
                }
                return [number], [self.block("state", 0, "signs"), *self.trees("words {}", left)]
            case "precomputed" if self.model.shape.depth == k:
                return [number], [self.block("answers", k - number, "bits")]
            case "precomputed":
                return list(range(1, k + 1)), [self.block("answers", 0, "bits")]
            case "meet_in_the_middle":
                first = list(range(1, half + 1)), [self.block("forward", 0, "bits")]
                return first if number == 1 else (list(range(half + 1, k + 1)), None)
            case "chain_of_thought":
                first_letter = (step - 1) * self.per_token + 1
                after = [self.block("answer", 0, "bits")] if n_letters else None
                return list(range(first_letter, first_letter + n_letters)), after
        return [1], None
