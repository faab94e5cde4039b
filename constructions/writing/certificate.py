"""What a construction claims of its weights, slot by slot and step by step: the certificate that
is saved beside them.

A certificate is a list of claims, one a line, in the order in which a proof needs them:

    task        how many entities, relations, hops, facts and queries
    slots       the named columns of the residual stream
    codes       how many bits write a node of the fact graph (0: a number), and *unknown*'s number
    subject     blocks of columns in which an entity's embedding writes the nodes that words of
                relations lead to
    run         for a chain of thought, one for each written token and number of letters that are
                left for it; else one
      pass      one layer: the letters (places in the path) that it is about, and the blocks that
                it leaves for the next
        head    a head copies slots of the token at one position to other slots, by a gap of
                integer scores
      decoder   what the unembedding reads: the node at hand, or the one that the letters lead to,
                or the end

A block `{slot, words: n, last: [a, b], form, book}` says: from the start of the slot on there are,
for every word of n letters whose last letter is in a..b-1, the code of the node it leads to (n =
0: of the node itself), as bits, signs or a number. Nothing here is trusted:
`verify.symbolic.checker` proves every claim from the weights, and docs/certificates.md says why
they imply every answer. The length of a certificate does not grow with the number of entities or
facts.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from constructions.facts.answers import MISSING
from constructions.guards.errors import InputError
from constructions.guards.wording import shortened
from constructions.model.fact_model import FactModel
from constructions.model.parts import Attention
from constructions.writing.position_reading import GAIN

_Claim = dict[str, Any]
FORMAT = 2
"""Of certificates, and of the folders that hold them."""
MOST_DIGITS = 4000
"""Of an integer in a certificate: Python reads and writes up to 4,300."""


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
        self.per_token = model.hops_per_token

    def all(self) -> list[_Claim]:
        """All claims, in the order in which a proof needs them."""
        n, r, k = self.facts.n_entities, self.n_relations, self.k
        lengths = range(1, k + 1) if self.per_token else range(k, k + 1)
        task = {
            "claim": "task",
            "format": FORMAT,
            "entities": n,
            "relations": r,
            "hops": k,
            "facts": self.facts.n_facts,
        }
        queries = sum(n * r**length for length in lengths)
        task |= {"hops_per_token": self.per_token, "queries": queries}
        if queries >= 10**MOST_DIGITS:
            raise InputError(
                f"a certificate names the number of queries, {shortened(queries)}, and numbers of"
                f" up to {MOST_DIGITS:,} digits are written"
            )
        slots = [[name, slot.size] for name, slot in self.model.stream.slots.items() if slot.size]
        claims: list[_Claim] = [
            task,
            {"claim": "slots", "slots": slots},
            {"claim": "codes", "books": self.books()},
            {"claim": "subject", "blocks": self.subject()},
        ]
        for step, n_letters in self.runs():
            claims.append({"claim": "run", "step": step, "letters": n_letters})
            for number in range(1, self.model.shape.depth + 1):
                letters, after = self.passes(step, n_letters, number)
                claims.append(
                    {"claim": "pass", "number": number, "letters": letters, "after": after}
                )
                claims += self.heads(step, number)
            claims.append({"claim": "decoder", **self.decoder(n_letters)})
        return claims

    def books(self) -> list[_Claim]:
        """How many bits each code has, and the number of *unknown* where a fact is missing."""
        answers = (
            self.facts.answers if len(self.model.codebooks) > 1 else [self.facts.answers.ravel()]
        )
        token, books = np.array([self.model.vocabulary.unknown]), []
        for book, some in zip(self.model.codebooks, answers, strict=True):
            unknown = int(book.numbers(token)[0]) if (some == MISSING).any() else None
            books.append(
                {"bits": 0 if self.builder == "scalar_selector" else book.bits, "unknown": unknown}
            )
        return books

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
        return {"slot": slot, "words": words, "last": [first, last], "form": form, "book": book}

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

    def heads(self, step: int, number: int) -> list[_Claim]:
        """Where the heads of a pass look."""
        layer = self.model.layer_sequence()[number - 1]
        if layer.attention is None:
            return []
        recorded, claims, at = self.model.record.applied(number - 1), [], 0
        for h, (head, shape) in enumerate(zip(recorded.heads, layer.attention.heads, strict=True)):
            name = head.name
            channels = slice(at, at + shape.d_v)
            read = (layer.attention.value.weight[channels] != 0).any(0).cpu().numpy()
            written = (layer.attention.output.weight[:, channels] != 0).any(1).cpu().numpy()
            at += shape.d_v
            sides = {"from": read, "to": written}
            slots = {
                side: [s for s, slot in self.model.stream.slots.items() if on[slot.columns].any()]
                for side, on in sides.items()
            }
            reads, gap = (
                self.looks(name, h, step, number, layer.attention) if shape.d_qk else ("all", 0)
            )
            claims.append({"claim": "head", "number": h, "reads": reads, "gap": gap, **slots})
        return claims

    def looks(
        self, name: str, h: int, step: int, number: int, attention: Attention
    ) -> tuple[int | dict[str, int], int]:
        """The position that a head reads, and by which gap of scores."""
        if self.builder == "attention_selector":
            return {"letter": h, "then": 0, "else": 1}, int(attention.query.weight.abs().max())
        if self.builder == "chain_of_thought":
            place = (step - 1) * self.per_token + h
            return (int(step > 1) if h == 0 else place if place <= self.k else 0), 2 * GAIN
        # after the first pass the subject's head looks at an empty slot, and pointers have moved
        if self.shared:
            subject = 0 if number == 1 else self.k
            return (subject, 2 * GAIN) if h == 0 else (number, 2 * GAIN)
        return (0 if name == "read the subject" else int(name.split()[-1])), 2 * GAIN

    def decoder(self, n_letters: int) -> _Claim:
        """What the unembedding reads."""
        if self.builder == "meet_in_the_middle":
            return {"reads": "node", "then": "letters" if self.k > 1 else None}
        if self.per_token and not n_letters:
            return {"reads": "end", "then": None}
        one_hop = {"selector", "scalar_selector", "attention_selector", "superposition"}
        return {"reads": "letters" if self.builder in one_hop else "node", "then": None}
