"""The proof that a saved model writes every set: all answers to every subject and relation, each
once, in the order of the ids, then END.

By induction over the written tokens. Let the tokens before the i-th be right; they are fed back.
After the subject s, the relation r and i - 1 entities, *whichever they are*, the i-th token is
that of the table `step_tables` at (r, s): the i-th answer, or END behind the last one. This is
what the kernel proves of a model that answers one hop from a table of functions, with more
entities behind the prompt, and it is asked as it is, once for each i: none of its rules is
changed. (A token that was written is one that the deciding position does not have at hand: the
model may not tell apart which it is.) Pairs (s, r) whose END has been written before are not
asked again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from verify.kernel.arithmetic import Noted
from verify.kernel.proof import Position
from verify.kernel.verdict import Undecided, Verdict, require
from verify.sets.folder import SetFolder, Step

MOST_WORK = 10**12
"""Multiplications that are made unasked: some minutes."""
TASK = {"claim": "task", "hops_per_token": 0, "queries": "sets"}


def is_one(manifest: Any) -> bool:
    """Whether a folder is that of a model that writes sets."""
    return bool(manifest["queries"] == "sets")


def prove(files: Mapping[str, Any], manifest: Any, unasked: bool = True) -> Verdict:
    """PASS, or an exception.

    Args:
        files: of a model folder, by name, as bytes-like objects.
        manifest: what manifest.json says.
        unasked: whether to stop where the work is much.

    Raises:
        Refuted: a claim is false, or the files are not those of the architecture.
        Undecided: the lemmas do not reach a verdict, or tables are larger than is held.
    """
    task, _, *claims = json.loads(bytes(files["certificate.json"]))
    require(task == TASK, f"the task is {task}, not {TASK}")
    folder, noted, margins = SetFolder(files, manifest), Noted(), []
    steps = len(folder.tables)
    if unasked and (needed := _work(folder, manifest)) > MOST_WORK:
        raise Undecided(f"{needed:.1e} multiplications, which are made for --by kernel alone")
    for step in range(1, steps + 1):
        left = iter(claims)  # the same claims, whichever token is written
        margins.append(Position(Step(folder, step), noted, 1, 1).margin(left))
        require(next(left, None) is None, "the certificate holds more claims than are needed")
    limit, real = (min(some) for some in zip(*margins, strict=True))
    rounds, queries = noted.doubt(Step(folder, 1)), folder.n * folder.r
    exact = None if rounds else folder.dtype
    return Verdict("PASS", "", queries, 0, limit, real, exact, 0, rounds, "kernel")


def _work(folder: SetFolder, manifest: Any) -> int:
    """Multiplications: tokens that are written, END included, times weights."""
    d, shape = manifest["sizes"]["d_model"], manifest["architecture"]
    weights = len(folder.unembedding) * d
    for layer in shape["layers"] * shape["repeats"]:
        widths = [d, *layer["d_mlp"], d] if layer["d_mlp"] else []
        weights += sum(wide * tall for wide, tall in pairwise(widths))
        weights += sum(2 * d * (d_qk + d_v) for d_qk, d_v in layer["heads"])
    tokens = int((folder.tables[:, :, : folder.n] <= folder.n).sum())
    return tokens * int(weights)
