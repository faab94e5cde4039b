"""What a construction claims of its weights, pass by pass: the certificate that is saved beside
them. It is the builder's record (`constructions.model.record`), printed.

A certificate is a list of claims, one a line, in the order in which a proof needs them:

    task        of a chain of thought, how many hops each written token makes; else 0; and which
                queries are answered: `all`, or the `stored` ones, which meet no missing fact; or
                `sets`: for a subject and a relation all answers are written, then END
    subject     blocks of columns that an entity's embedding writes; for each codebook the number
                of *unknown* in it, or null
    pass        one layer in one run: the letters (places in the path) that it takes, and the
                blocks that it keeps; null if it leaves nothing but what the unembedding reads

There is a run for each written token of a chain of thought and number of letters that are left for
it; else one, with all letters: of sets it holds for every token that is written. A block
`{columns: [start, stop], words: n, last: [a, b], form, book}` says: these columns hold, for every
word of n letters whose last letter is in a..b-1, the code of the node it leads to (n = 0: of the
node itself), as bits, signs or a number, words in lexicographic order (of sets the words are the
places of the relations, relation by relation). A block of columns alone says that they are a
function of the node, in a code that is not spelled out.

Nothing here is trusted: a checker proves every claim from the weights, and docs/certificates.md
says why they imply every answer. The length of a certificate does not grow with the number of
entities or facts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from constructions.guards.errors import InputError
from constructions.model.fact_model import FactModel
from constructions.model.record import Block

_Claim = dict[str, Any]
FORMAT = 4
"""Of certificates, and of the folders that hold them."""
QUERIES = ("all", "stored", "sets")
"""Which queries a model claims to answer, as certificate and manifest have it: all paths, those
that meet no missing fact, or the whole set of every (subject, relation).
"""


def certificate(model: FactModel) -> str:
    """The certificate of a model as canonical text: a JSON list with one claim a line, keys
    sorted.

    Raises:
        InputError: the builder claims nothing of its layers.
    """
    return text_of(list(_claims(model)))


def text_of(claims: list[_Claim]) -> str:
    """The canonical text of a list of claims."""
    return "[\n" + ",\n".join(json.dumps(claim, sort_keys=True) for claim in claims) + "\n]\n"


def _claims(model: FactModel) -> Iterator[_Claim]:
    """All claims, in the order in which a proof needs them."""
    record = model.record
    if not record.passes:
        raise InputError(
            f"{model.construction} states no claims: its layers do not say which letters they take"
            " (see LayerDraft.takes), so that no certificate can be written"
        )
    yield {
        "claim": "task",
        "hops_per_token": model.hops_per_token,
        "queries": model.claimed,
    }
    blocks = [_block(block) for block in record.subject]
    yield {"claim": "subject", "blocks": blocks, "unknown": _unknown(model)}
    for step, left in _runs(model):
        before = (step - 1) * model.hops_per_token
        for number, one in enumerate(record.passes, start=1):
            letters = [before + letter for letter in one.letters if letter <= left]
            keeps = None if one.keeps is None or not left else list(map(_block, one.keeps))
            run = {"step": step, "left": left, "layer": number}
            yield {"claim": "pass", **run, "letters": letters, "keeps": keeps}


def _runs(model: FactModel) -> Iterator[tuple[int, int]]:
    """The written tokens (step, letters that are left for it)."""
    step = model.hops_per_token
    if not step:
        yield 1, model.hops
        return
    for number in range(1, -(-model.hops // step) + 2):
        most = max(0, min(step, model.hops - (number - 1) * step))
        for left in range(int(number == 1), most + 1):
            yield number, left


def _unknown(model: FactModel) -> list[int | None]:
    """The number of *unknown* in each codebook, where a fact is missing and it has one."""
    token = np.array([model.vocabulary.unknown])
    return [
        int(book.numbers(token)[0]) if not model.facts.is_total and token in book.tokens else None
        for book in model.codebooks
    ]


def _block(block: Block) -> _Claim:
    """A block as the certificate has it."""
    columns = list(block.columns)
    if block.form is None:
        return {"columns": columns}
    return {
        "columns": columns,
        "words": block.words,
        "last": list(block.last),
        "form": block.form,
        "book": block.book,
    }
