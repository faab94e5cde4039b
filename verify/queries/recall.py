"""Every query through the real module, against the oracle.

The queries of k hops are the N R^k pairs of a subject and a path. They are streamed subject by
subject: a batch of subjects runs once, its cache then serves all R relations that can follow, and
so on for each hop; a prefix is run once. Where keys and values of prefixes provably depend on
their tokens and positions alone, only those are computed for them. The answer is decided in one of
two ways, or both:

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

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from constructions.decoders.plain import why_not_plain
from constructions.facts.limits import require_runnable
from constructions.facts.table import FactTable
from constructions.following.largest import prefix_is_static
from constructions.guards.errors import InputError, InternalError
from constructions.guards.wording import printable
from constructions.model.answering import Answering, Widths, Writing
from constructions.model.fact_model import FactModel
from constructions.model.transformer import Cache, KeysAndValues, Transformer
from verify.queries.exact import Exactness
from verify.queries.readout import MarginReader, check_readout
from verify.queries.rounded import Rounding

Verdict = Literal["PASS", "FAIL", "UNKNOWN"]
Logits = Literal["auto", "fast", "full", "both"]
LOGITS: tuple[Logits, ...] = ("auto", "fast", "full", "both")
MEMORY_CAP = 256 * 2**20
CACHE_FRIENDLY = 16 * 2**20
AFFORDABLE_FULL_WORK = 5 * 10**9
COUNTEREXAMPLES = 5
ALSO_CALLED = 16
"""So many queries of the first batch are also asked by `model(tokens)`, or fewer if their logits
are many.
"""
MOST_CALLED = 2**24
"""So many logits at once, but for one query."""


@dataclass
class Recall:
    """What the pass over all queries found.

    Attributes:
        queries: how many were run; equal to N R^k if nothing was left out.
        wrong: how many have no margin > 0, in whatever order sums are added (a NaN counts).
        unknown: how many have a margin that rounding may have made, or may take; none where the
            arithmetic is exact.
        margin: the smallest margin over all queries, as computed; with `fast`, a lower bound that
            is exact where states spell codes.
        logits: how the queries were decided: "fast", "full" or "both".
        counterexamples: the first few wrong queries in words.
        defect: why there is no verdict from the states, e.g. an unembedding that is not as
            declared; None if sound.
        reason: why queries are undecided: all of them, if the module is not plain; None if none
            is.
    """

    queries: int = 0
    wrong: int = 0
    unknown: int = 0
    margin: float = float("inf")
    logits: str = ""
    counterexamples: list[str] = field(default_factory=list)
    defect: str | None = None
    reason: str | None = None

    @property
    def verdict(self) -> Verdict:
        """FAIL if a query is wrong or something is not as declared, else UNKNOWN if one is
        undecided or none was run.
        """
        if self.wrong or self.defect is not None:
            return "FAIL"
        return (
            "PASS"
            if self.queries and not self.unknown and self.reason is None and self.margin > 0
            else "UNKNOWN"
        )


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
) -> Recall:
    """Run all N R^k queries through the module and compare every answer with `facts.answer`.

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
    asked = facts.n_entities if subjects is None else len(subjects)
    require_runnable(asked * (facts.n_queries(hops) // facts.n_entities))
    mode = _affordable(model, facts, hops) if logits == "auto" else logits
    rows = batch_rows or _rows_within(memory_cap, model, hops)
    result = Recall(logits=mode)
    if why := why_not_plain(model):
        result.reason = (
            "the module is not plain, so that its states and weights may not be what it answers"
            f" by: {why}"
        )
        return result
    decider = _Decider(model, mode, rows, result, hops)
    if decider.reader is None and mode == "fast":
        return result
    chosen = np.arange(facts.n_entities) if subjects is None else np.array(subjects)
    chain = isinstance(model, Writing)
    batches = (
        _chains(model, facts, hops, rows, chosen)
        if chain
        else _batches(model, facts, hops, rows, chosen)
    )
    called = False
    for batch in _watched(batches, decider.exactness):
        margins = decider.margins(batch)
        smallest = margins.min().item()
        if smallest < result.margin or smallest != smallest:  # a NaN stays
            result.margin = smallest
        if chain:
            batch.said = _said(model, batch, margins)
        wrong = decider.decide(batch, margins)
        if not called:
            called, result.defect = True, result.defect or decider.also_called(batch)
        if batch.last:
            result.queries += batch.failed.numel()
            result.wrong += int(batch.failed.sum())
            result.unknown += int((batch.undecided & ~batch.failed).sum())
        room = COUNTEREXAMPLES - len(result.counterexamples)
        places = wrong.nonzero().ravel()[:room].tolist()
        result.counterexamples += [_in_words(model, facts, batch, place) for place in places]
        if result.reason is None and bool(batch.undecided.any()):
            result.reason = decider.why_undecided(facts, batch, margins)
        progress(result.queries)
    return result


_Item = TypeVar("_Item")


def _watched(items: Iterator[_Item], exactness: Exactness) -> Iterator[_Item]:
    """The same, each computed under the eyes of `exactness`."""
    while True:
        with exactness:
            item = next(items, None)
        if item is None:
            return
        yield item


@dataclass
class _Batch:
    """Some queries at the moment when a token is decided.

    Attributes:
        states: final states (Q, d_model) of the deciding position.
        answers: the tokens (Q,) that the oracle wants.
        subjects, paths: the queries, (Q,) and (Q, k).
        failed: bool (Q,): which of them have failed so far.
        undecided: bool (Q,): which of them were, at some step, within what rounding may change.
        last: whether this is the last token of these queries.
        step: which written token this is, from 1; 0 where a single token is the answer.
        said: what the model says (Q,); filled in by the one who decides, read by the one who feeds
            it back.
    """

    states: Tensor
    answers: Tensor
    subjects: np.ndarray
    paths: np.ndarray
    failed: Tensor
    undecided: Tensor
    last: bool = True
    step: int = 0
    said: Tensor | None = None


class _Decider:
    """Decides batches in one mode; notes in the result what makes decisions unsound."""

    def __init__(self, model: Answering, mode: Logits, rows: int, result: Recall, hops: int):
        self.model, self.mode, self.rows, self.result = model, mode, rows, result
        self.exactness, self.rounding = (
            Exactness(model.embedding.weight.dtype),
            Rounding(model, hops),
        )
        self.reader: MarginReader | None = None
        self.differ: Tensor | None = None
        if mode != "full":
            if not isinstance(model, FactModel):
                raise InputError(
                    f"a {type(model).__name__} declares no readout; ask for full logits"
                )
            result.defect = check_readout(model)
            if result.defect is None:
                self.reader = MarginReader(model)

    def margins(self, batch: _Batch) -> Tensor:
        """The margins of a batch, float64 (Q,)."""
        full = (
            _full_margins(self.model, batch.states, batch.answers, self.rows)
            if self.mode != "fast"
            else None
        )
        self.differ = None
        if self.reader is None:
            if full is None:
                raise InternalError(
                    "a query was to be decided from its state alone, without a reader of states"
                )
            return full
        fast = self.reader.margins(batch.states, batch.answers)
        open_ = (~(fast > 0)).nonzero().ravel()
        if open_.numel():
            fast[open_] = _full_margins(
                self.model, batch.states[open_], batch.answers[open_], 1024
            )
        if full is None:
            return fast
        self.differ = (fast > 0) != (full > 0)
        return full

    def decide(self, batch: _Batch, margins: Tensor) -> Tensor:
        """Note which queries have failed and which are undecided; return those that have failed
        now, bool (Q,).
        """
        if self.is_exact(batch):
            wrong, undecided = ~(margins > 0), torch.zeros_like(batch.failed)
        else:
            open_ = ~(batch.failed | batch.undecided)
            wrong, undecided = self.rounding.decide(
                margins, self.tokens(batch), batch.answers, open_
            )
        batch.failed |= wrong
        batch.undecided |= undecided
        if self.differ is not None and bool((self.differ & ~batch.undecided).any()):
            self.result.defect = (
                self.result.defect or "fast and full decisions differ on some query"
            )
        return wrong

    def is_exact(self, batch: _Batch) -> bool:
        """Whether the logits of this batch are proven to be the same in whatever order they are
        computed.
        """
        return self.exactness.exact_product(batch.states, self.model.unembedding.weight)

    def tokens(self, batch: _Batch) -> Tensor:
        """The sequences (Q, L) that were run, of queries that have neither failed nor were
        undecided before.
        """
        sequences, _ = self.model.training_examples(batch.subjects, batch.paths)
        return sequences[:, : self.rounding.prompt + batch.step - 1] if batch.step else sequences

    def also_called(self, batch: _Batch) -> str | None:
        """Why `model(tokens)` is not what the states and the unembedding say, for some queries of
        a first batch.
        """
        length, count = self.rounding.prompt, len(batch.answers)
        most = max(1, min(ALSO_CALLED, MOST_CALLED // (length * self.model.shape.d_vocab)))
        some = torch.arange(0, count, -(-count // most), device=batch.answers.device)
        places = some.cpu().numpy()
        part = _Batch(
            batch.states[some],
            batch.answers[some],
            batch.subjects[places],
            batch.paths[places],
            batch.failed[some],
            batch.undecided[some],
            step=batch.step,
        )
        called = self.model(self.tokens(part))[:, -1]
        own = called.gather(-1, part.answers[:, None])[:, 0]
        right = own > called.scatter(-1, part.answers[:, None], -torch.inf).amax(-1)
        same = ~((right == part.failed) & ~part.undecided).any()
        if self.is_exact(batch):
            same = same & (called == self.model.unembedding(part.states)).all()
        return (
            None
            if bool(same)
            else "model(tokens) has other logits than the states and the unembedding"
        )

    def why_undecided(self, facts: FactTable, batch: _Batch, margins: Tensor) -> str:
        """Of the first undecided query of a batch."""
        place = int(batch.undecided.nonzero()[0])
        query, error = _query(facts, batch, place), self.rounding.error
        known = (
            f"rounding is bounded by {error:.3g} for each logit"
            if error != float("inf")
            else "no bound by norms"
        )
        reported = (
            f"{query}: a margin of {margins[place].item():.3g}, but in another order of summation"
            " it may be lost or won"
        )
        return f"{reported} ({self.rounding.why or known})"


def _batches(
    model: Answering, facts: FactTable, hops: int, rows: int, chosen: NDArray[np.int64]
) -> Iterator[_Batch]:
    """All queries about the chosen subjects, at most `rows` at once where one subject and one last
    relation allow it.
    """
    n_relations, device = facts.n_relations, model.embedding.weight.device
    words_at_once = n_relations**hops
    # the first hops are run relation by relation where all words of one subject would be too many
    free = 0
    while words_at_once > rows and free < hops:
        words_at_once //= n_relations
        free += 1
    subjects_at_once = max(1, rows // words_at_once)
    read = _prefix_reader(model)
    relations = torch.from_numpy(model.vocabulary.relations).to(device)[:, None]
    for start in range(0, len(chosen), subjects_at_once):
        subjects = chosen[start : start + subjects_at_once]
        cache = read(torch.from_numpy(subjects).to(device)[:, None])
        for prefix in itertools.product(range(n_relations), repeat=free):
            branch = cache
            for relation in prefix[:-1] if free == hops else prefix:
                branch = read(relations[relation, None], branch)
            for _ in range(hops - free - 1):
                branch = read(relations, _with_axis(branch))
            if free == hops:
                states, _ = model.states(relations[prefix[-1], None], branch)
            else:
                states, _ = model.states(relations, _with_axis(branch))
            yield _labelled(model, facts, states, subjects, prefix, hops)


def _prefix_reader(model: Answering) -> Callable[..., Cache]:
    """(tokens, cache) to the cache that includes them; from embeddings alone where
    that is right.
    """
    if isinstance(model, Transformer) and prefix_is_static(model):
        return model.remember
    return lambda tokens, cache=None: model.states(tokens, cache)[1]


def _with_axis(cache: Cache) -> Cache:
    """All queries so far in one axis, and a new one before the positions, for the relations that
    follow.
    """
    return [
        KeysAndValues(
            *(part.reshape(part.shape[:-2].numel(), 1, *part.shape[-2:]) for part in memory)
        )
        for memory in cache
    ]


def _labelled(
    model: Answering,
    facts: FactTable,
    states: Tensor,
    subjects: np.ndarray,
    prefix: tuple[int, ...],
    hops: int,
) -> _Batch:
    """States (..., 1, d) of all queries about the subjects whose paths begin with the prefix, with
    their answers.
    """
    rest = hops - len(prefix)
    places, tails = facts.queries(np.arange(len(subjects) * facts.n_relations**rest), rest)
    paths = np.concatenate(
        [np.broadcast_to(np.array(prefix, np.int64), (len(tails), len(prefix))), tails], axis=1
    )
    asked = subjects[places]
    answers = model.vocabulary.answer_tokens(facts.answer(asked, paths))
    flat = states[..., -1, :].reshape(-1, states.shape[-1])
    failed, undecided = (
        torch.zeros(len(paths), dtype=torch.bool, device=states.device) for _ in range(2)
    )
    return _Batch(
        flat, torch.from_numpy(answers).to(states.device), asked, paths, failed, undecided
    )


def _chains(
    model: Answering, facts: FactTable, hops: int, rows: int, chosen: NDArray[np.int64]
) -> Iterator[_Batch]:
    """All queries about the chosen subjects, step by step: the prompt once, then what the model
    itself has said.

    The oracle only names what each step should say (the intermediate entities, then END); it is
    never fed.
    """
    if not isinstance(model, Writing):
        raise InternalError(
            f"a {type(model).__name__} writes no tokens; its queries are run by _batches"
        )
    device, per_token = model.embedding.weight.device, model.hops_per_token
    at_once = max(1, rows // model.shape.n_positions)
    steps = -(-hops // per_token)
    total = len(chosen) * facts.n_relations**hops
    read = _prefix_reader(model)
    for start in range(0, total, at_once):
        index = np.arange(start, min(start + at_once, total))
        places, paths = facts.queries(index, hops)
        subjects = chosen[places]
        failed = torch.zeros(len(index), dtype=torch.bool, device=device)
        undecided = torch.zeros_like(failed)
        prompt = model.prompt(subjects, paths)
        states, cache = model.states(prompt[:, -1:], read(prompt[:, :-1]))
        for step in range(1, steps + 2):
            wanted = np.full(len(index), model.vocabulary.special("end"))
            if step <= steps:
                wanted = model.vocabulary.answer_tokens(
                    facts.answer(subjects, paths[:, : step * per_token])
                )
            answers = torch.from_numpy(wanted).to(device)
            last = step > steps
            batch = _Batch(states[:, -1], answers, subjects, paths, failed, undecided, last, step)
            yield batch
            if not last:
                if batch.said is None:
                    raise InternalError(
                        "the token that the model says was not noted, so that it cannot be fed"
                        " back"
                    )
                states, cache = model.states(batch.said[:, None], cache)


def _said(model: Answering, batch: _Batch, margins: Tensor) -> Tensor:
    """The model's own choice: where the margin is positive the answer is the argmax, elsewhere it
    is looked up.
    """
    said = batch.answers.clone()
    others = (~(margins > 0)).nonzero().ravel()
    if others.numel():
        said[others] = model.unembedding(batch.states[others]).argmax(-1)
    return said


def _full_margins(model: Answering, states: Tensor, answers: Tensor, rows: int) -> Tensor:
    """The module's own logits: the answer's minus the largest other one, float64 (Q,)."""
    pieces = []
    at_once = max(1, rows * model.shape.d_model // model.shape.d_vocab)
    for some, wanted in zip(
        torch.split(states, at_once), torch.split(answers, at_once), strict=True
    ):
        logits = model.unembedding(some)
        own = logits.gather(-1, wanted[:, None])[:, 0].double()
        # scatter hides the answer itself; amax passes a NaN anywhere else on to the margin
        others = logits.scatter_(-1, wanted[:, None], -torch.inf).amax(-1).double()
        pieces.append(own - others)
    return torch.cat(pieces)


def _affordable(model: Answering, facts: FactTable, hops: int) -> Logits:
    work = facts.n_queries(hops) * model.shape.d_vocab * model.shape.d_model
    if not isinstance(model, FactModel):
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


def _in_words(model: Answering, facts: FactTable, batch: _Batch, i: int) -> str:
    """One wrong query, by name: what was expected and what the model says."""
    logits = model.unembedding(batch.states[i])
    expected, said = int(batch.answers[i]), int(logits.argmax())
    found = (
        "NaN among the logits" if bool(logits.isnan().any()) else _token_name(model, facts, said)
    )
    if found == _token_name(model, facts, expected):
        found += ", but another token has the same logit"
    return printable(
        f"{_query(facts, batch, i)}: expected {_token_name(model, facts, expected)}, the model"
        f" says {found}"
    )


def _query(facts: FactTable, batch: _Batch, i: int) -> str:
    """The query by its names, and which token of a chain it is about."""
    text = facts.query_text(int(batch.subjects[i]), [int(r) for r in batch.paths[i]])
    return printable(text) + (f", written token {batch.step}" if batch.step else "")


def _token_name(model: Answering, facts: FactTable, token: int) -> str:
    if token < facts.n_entities:
        return facts.entity_name(token)
    relation = token - facts.n_entities
    if relation < facts.n_relations:
        return f"the relation {facts.relation_name(relation)}"
    special = relation - facts.n_relations
    return (
        model.vocabulary.specials[special]
        if token < len(model.vocabulary)
        else f"the further token {token}"
    )
