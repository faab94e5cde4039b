"""How much the kernel would have to do, by the sizes and the claims alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from verify.reading.stored import read_tensors

MOST_WORK = 10**10
"""Multiplications that the kernel does unasked: some seconds. Asked for, it does any number, as
long as its tables fit (`verify.kernel.folder.MOST_NUMBERS`).
"""
MOST_WORK_ALONE = 10**12
"""The same where the symbolic checker does not decide: some minutes."""
MOST_LETTERS = 64
"""Of a case that are counted: of two relations or more these are too many already."""
LISTED = 200
"""What a letter of a case costs that is listed, in multiplications."""


def work(files: Mapping[str, Any], manifest: Any) -> int:
    """Multiplications, at most: nodes x cases x weights of every pass; and of the unembedding for
    what is left in the end. Beyond `MOST_WORK_ALONE` only that it is more.

    Where stored queries alone are claimed, a node and its first letter are a fact.

    Args:
        files, manifest: of a model folder that is what its manifest says.
    """
    task, _, *claims = json.loads(bytes(files["certificate.json"]))
    sizes, shape = manifest["sizes"], manifest["architecture"]
    n, r, d = sizes["entities"] + 1, sizes["relations"], sizes["d_model"]
    weights = []
    for layer in shape["layers"]:
        pairs = pairwise([d, *layer["d_mlp"], d]) if layer["d_mlp"] else ()
        heads = sum(2 * d * (d_qk + d_v) for d_qk, d_v in layer["heads"])
        weights.append(heads + sum(wide * tall for wide, tall in pairs))
    pairs_at_most = n * r if task["queries"] == "all" else n_facts(files)
    depth, held, total = len(weights) * shape["repeats"], 0, 0
    for number, claim in enumerate(claims):
        held += len(claim["letters"])
        cases = pairs_at_most * r ** (min(held, MOST_LETTERS) - 1) if held else n
        total += cases * (weights[number % len(weights)] + LISTED * held)
        if claim["keeps"] is not None:
            held, cases = 0, n
        if number % depth == depth - 1:
            total, held = total + cases * sizes["d_vocab"] * d, 0
        if total > MOST_WORK_ALONE:
            break
    return total


def n_facts(files: Mapping[str, Any]) -> int:
    """How many facts a model folder holds, by the lines of their file or the entries of their
    table.
    """
    if "facts.tsv" in files:
        return int((np.frombuffer(files["facts.tsv"], np.uint8) == ord("\n")).sum())
    _, facts = read_tensors(files["facts.safetensors"], "facts.safetensors")["facts"]
    return int((facts >= 0).sum())
