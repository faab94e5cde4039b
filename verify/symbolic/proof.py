"""The symbolic proof that a saved model answers every query right, from its files alone.

It shares no code with the builders: the standard library, numpy, no floating-point arithmetic, no
tolerance. Every check names the lemma of docs/certificates.md that it serves. In short, for the
position that answers:

* the embedding of every entity spells, in claimed columns, codes of nodes of the fact graph (one
  pass over the table): `subject`;
* every head puts nearly all its weight on one known position, by an integer gap of scores, or
  weighs all alike: `heads`;
* between two claims a column holds `c0 + sum c_v v + sum_e h_e [node = e]`: integers times unknown
  bits v of those codes, and amounts that depend on the node alone. All cases of the letters at
  hand are run side by side. A unit that depends on one bit is known from its two values, one that
  fires for one code only from its two largest values, and so on: `units`;
* after each MLP the columns that the next step reads spell the codes of the next node:
  `next_node`;
* the unembedding, read with a symbolic code, puts the right token strictly above all others:
  `unembedding`, `logits`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from verify.kernel.verdict import Undecided, Verdict, require, whole
from verify.reading.wording import shown
from verify.symbolic.claims import Claims
from verify.symbolic.layouts import Books, Words
from verify.symbolic.passes import prove_run
from verify.symbolic.reading import Model, read_model
from verify.symbolic.rounding import Rounding
from verify.symbolic.run import Setting
from verify.symbolic.subject import Subject, prove_subject


@dataclass(frozen=True)
class Task:
    """What is to be proven.

    Attributes:
        per_token: of a chain of thought: so many hops for each written token; else 0.
        queries: how many there are.
        runs: the deciding positions, as (step, letters that are left for it).
    """

    per_token: int
    queries: int
    runs: list[tuple[int, int]]


def prove(files: Mapping[str, Any], manifest: Any) -> Verdict:
    """Prove the model of a folder right; or raise Refuted, or Undecided."""
    claims, shape = Claims(files["certificate.json"]), manifest["architecture"]
    applied = whole(shape["repeats"], 1, "repeats") * len(shape["layers"])
    few = f"certificate.json: {len(claims.all)} claims are too few for {applied} layers"
    require(applied <= len(claims.all), few)
    model = read_model(files, manifest)
    task, words = _task(claims, model), Words(model)
    claim = claims.take("subject", "blocks", "unknown")
    books = Books(claim["unknown"], model.n)
    subject = prove_subject(claim["blocks"], model, books, words)
    setting = Setting(model, books, words, subject, task.per_token, Rounding())
    margins = [margin for run in task.runs for margin in prove_run(setting, claims, *run)]
    rounds = setting.rounding.reason(model, token_sizes(model, subject))
    claims.end()
    return Verdict(
        "PASS",
        queries=task.queries,
        margin=min(limit for limit, _ in margins),
        real_margin=min(real for _, real in margins),
        exact=None if rounds else model.dtype,
        hops_per_token=task.per_token,
        rounds=rounds,
    )


def _task(claims: Claims, model: Model) -> Task:
    """What is to be proven: all of it but `hops_per_token` follows from the folder."""
    n, r, k = model.n, model.n_relations, model.hops
    what = "hops_per_token"
    task = claims.take("task", what, "queries")
    claimed = task["queries"]
    require(claimed in ("all", "stored"), f"task: queries is {shown(claimed)}")
    if claimed == "stored":
        raise Undecided("stored queries alone are claimed, and this checker proves all or none")
    per_token = whole(task[what], int(model.chain), what)
    require(per_token <= (k if model.chain else 0), "task: hops_per_token")
    steps = -(-k // per_token) if model.chain else 0
    rows = len(model.positions)
    require(rows == k + 1 + steps, f"positions.weight: {rows} rows")
    queries = sum(n * r**length for length in range(1 if model.chain else k, k + 1))
    return Task(per_token, queries, list(_runs(k, per_token)) if model.chain else [(1, k)])


def _runs(k: int, per_token: int) -> Iterator[tuple[int, int]]:
    """The deciding positions of a chain of thought, in the order of the certificate."""
    for step in range(1, -(-k // per_token) + 2):
        left = max(0, min(per_token, k - (step - 1) * per_token))
        yield from ((step, letters) for letters in range(int(step == 1), left + 1))


def token_sizes(model: Model, subject: Subject) -> np.ndarray:
    """The largest absolute value of each column of the embedding, int64 (d,)."""
    others = np.abs(np.concatenate([model.letters, model.specials])).max(axis=0)
    sizes: np.ndarray = np.maximum(others, subject.sizes)
    return sizes
