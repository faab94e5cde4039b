"""Every query through the real module, against the oracle.

The queries of k hops are the N R^k pairs of a subject and a path, or those of them that a model
claims to answer, which meet no missing fact. They are streamed subject by subject: a batch of
subjects runs once, its cache then serves all R relations that can follow, and so on for each hop;
a prefix is run once. Where keys and values of prefixes provably depend on their tokens and
positions alone, only those are computed for them. The answer is decided in one of two ways, or
both:

* `full`: all logits of the module, the answer's minus the largest other one;
* `fast`: the final state alone, by `verify.queries.readout`, after its check of the unembedding. A
  query that its bound leaves open is decided by full logits.

A query is right iff its margin is > 0, and would be so in whatever order the sums of the forward
pass are added; NaN is not. Where rounding may decide, the query is neither right nor wrong but
undecided (`verify.queries.rounded`). A chain of thought is right iff every token that it writes
is: the intermediate entities, then END; it is continued with what the model itself has said.

The pass runs `states`, mostly with a cache, and the unembedding. That this is what `model(tokens)`
computes is no matter of course: modules that are not plain
(`constructions.decoders.plain.why_not_plain`) are not judged, and some queries of each batch that
comes first are also asked by `model(tokens)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from constructions.decoders.plain import why_not_plain
from constructions.facts.limits import require_runnable
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError
from constructions.model.answering import Answering, Widths
from constructions.model.fact_model import FactModel
from verify.queries.answers import Logits, Recall
from verify.queries.batches import (
    Batch,
    batches_of_chains,
    batches_of_paths,
    batches_of_stored_paths,
)
from verify.queries.deciding import Decider
from verify.queries.exact import Exactness
from verify.queries.query_words import in_words

MEMORY_CAP = 256 * 2**20
CACHE_FRIENDLY = 16 * 2**20
AFFORDABLE_FULL_WORK = 5 * 10**9
COUNTEREXAMPLES = 5


@torch.inference_mode()
def check_recall(
    model: Answering,
    facts: FactTable,
    hops: int = 1,
    logits: Logits = "auto",
    batch_rows: int | None = None,
    memory_cap: int = MEMORY_CAP,
    subjects: NDArray[np.int64] | None = None,
    progress: Callable[[int], None] = lambda queries: None,
    beside: Callable[[Tensor, Tensor], None] | None = None,
) -> Recall:
    """Run all queries that the module claims to answer, N R^k or the stored ones, and compare
    every answer with `facts.answer`.

    Args:
        model: any that answers about the entities and relations of `facts`; only a `FactModel` can
            be decided `fast`.
        facts: the oracle.
        hops: k, at least 1.
        logits: `fast`, `full`, `both` (which must agree), or `auto`: both where full logits are
            affordable, else fast.
        batch_rows: at most this many states at once; by default as many as the memory cap and the
            caches allow.
        memory_cap: bytes for activations and logits, beside the model; at least one subject is run
            at once.
        subjects: a sample of subjects; by default all. `Recall.queries` tells how many queries
            were run.
        progress: called with the number of queries done so far.
        beside: called for each batch with the sequences (Q, L) that were run, of queries that have
            not failed before, and the final states (Q, d_model) of their last positions.

    Raises:
        InputError: the sizes of model and facts differ, or there are more queries than are run.
    """
    size = (model.vocabulary.n_entities, model.vocabulary.n_relations)
    if size != (facts.n_entities, facts.n_relations):
        raise InputError(
            f"the model has {size} entities and relations, the facts {facts.answers.shape[::-1]}"
        )
    if subjects is not None and len(subjects) == 0:
        raise InputError("no subjects were given: a recall of no query says nothing")
    chosen = np.arange(facts.n_entities) if subjects is None else np.array(subjects)
    planned = len(chosen) * (facts.n_queries(hops) // facts.n_entities)
    if model.stored_only:
        planned = int(facts.stored_paths.counts(hops)[chosen].sum())
    require_runnable(planned)
    mode = _affordable(model, facts, hops) if logits == "auto" else logits
    rows = batch_rows or _rows_within(memory_cap, model, hops)
    result = Recall(planned, logits=mode)
    if why := why_not_plain(model):
        result.reason = (
            "the module is not plain, so that its states and weights may not be what it answers"
            f" by: {why}"
        )
        return result
    decider = Decider(model, mode, rows, result, hops)
    if decider.reader is None and mode == "fast":
        return result
    batches = batches_of_chains if model.hops_per_token else batches_of_paths
    if model.stored_only and not model.hops_per_token:
        batches = batches_of_stored_paths
    watched = _watched(batches(model, facts, hops, rows, chosen), decider.exactness)
    for number, batch in enumerate(watched):
        going = ~batch.failed
        if beside is not None and bool(going.any()):
            beside(decider.tokens(batch)[going.cpu()], batch.states[going])
        _judge(decider, facts, batch, first=number == 0)
        progress(result.queries)
    return result


def _judge(decider: Decider, facts: FactTable, batch: Batch, first: bool) -> None:
    """Decide the queries of a batch, and note in the result what was found; some of the first one
    are also asked by `model(tokens)`.
    """
    model, result = decider.model, decider.result
    margins = decider.margins(batch)
    smallest = margins.min().item()
    if smallest < result.margin or smallest != smallest:  # a NaN stays
        result.margin = smallest
    if model.hops_per_token:
        batch.said = _said(model, batch, margins)
    wrong = decider.decide(batch, margins)
    if first:
        result.defect = result.defect or decider.also_called(batch)
    if batch.last:
        result.queries += batch.failed.numel()
        result.wrong += int(batch.failed.sum())
        result.unknown += int((batch.undecided & ~batch.failed).sum())
    room = COUNTEREXAMPLES - len(result.counterexamples)
    places = wrong.nonzero().ravel()[:room].tolist()
    result.counterexamples += [in_words(model, facts, batch, place) for place in places]
    if result.reason is None and bool(batch.undecided.any()):
        result.reason = decider.why_undecided(facts, batch, margins)


_Item = TypeVar("_Item")


def _watched(items: Iterator[_Item], exactness: Exactness) -> Iterator[_Item]:
    """The same, each computed under the eyes of `exactness`."""
    while True:
        with exactness:
            item = next(items, None)
        if item is None:
            return
        yield item


def _said(model: Answering, batch: Batch, margins: Tensor) -> Tensor:
    """The model's own choice: where the margin is positive the answer is the argmax, elsewhere it
    is looked up.
    """
    said = batch.answers.clone()
    others = (~(margins > 0)).nonzero().ravel()
    if others.numel():
        said[others] = model.unembedding(batch.states[others]).argmax(-1)
    return said


def _affordable(model: Answering, facts: FactTable, hops: int) -> Logits:
    """How queries are decided where nothing is asked for: by both ways if full logits take little
    work.
    """
    queries = facts.n_claimed_queries(hops, model.stored_only)
    work = queries * model.shape.d_vocab * model.shape.d_model
    if not isinstance(model, FactModel) or not model.readout.tells_codes_apart:
        return "full"
    return "both" if work <= AFFORDABLE_FULL_WORK else "fast"


def _rows_within(memory_cap: int, model: Answering, hops: int) -> int:
    """How many states fit: the stream, the widest hidden layer, a copy in float64; attention's
    cache of all layers.
    """
    shape: Widths = model.shape
    row = 4 * (shape.d_model + max(shape.d_model, shape.widest_layer)) * 8
    broad = 4 * max(shape.d_model, shape.d_mlp)
    cached = 8 * shape.cached_widths * (1 + hops)
    return max(1, min(CACHE_FRIENDLY // broad, 8192, memory_cap // (row + cached)))
