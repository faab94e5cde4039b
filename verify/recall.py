"""Every query through the real module, against the oracle.

The queries of k hops are the N R^k pairs of a subject and a path. They are streamed subject by subject: a batch of
subjects runs once, its cache then serves all R relations that can follow, and so on for each hop; a state is computed
once for each prefix. The answer is decided in one of two ways, or both:

* `full`: all logits of the module, the answer's minus the largest other one;
* `fast`: the final state alone, by `verify.decode`, after its check of the unembedding. A query that its bound leaves
  open is decided by full logits.

A query is right iff its margin is > 0; NaN is not.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from constructions.errors import InputError
from constructions.facts import FactTable
from constructions.model import FactModel
from constructions.transformer import KeysAndValues
from verify.decode import MarginReader, check_decoder

Logits = Literal["auto", "fast", "full", "both"]
LOGITS: tuple[Logits, ...] = ("auto", "fast", "full", "both")
MEMORY_CAP = 256 * 2**20
CACHE_FRIENDLY_ROWS = 8192
AFFORDABLE_FULL_WORK = 2 * 10**10
COUNTEREXAMPLES = 5


@dataclass
class Recall:
    """What the pass over all queries found.

    Attributes:
        queries: how many were decided; equal to N R^k if nothing was left out.
        wrong: how many have no margin > 0 (a NaN counts).
        margin: the smallest margin over all queries; with `fast`, a lower bound that is exact where states spell codes.
        logits: how the queries were decided: "fast", "full" or "both".
        counterexamples: the first few wrong queries in words.
        defect: why there is no verdict from the states, e.g. an unembedding that is not as declared; None if sound.
    """

    queries: int = 0
    wrong: int = 0
    margin: float = float("inf")
    logits: str = ""
    counterexamples: list[str] = field(default_factory=list)
    defect: str | None = None

    def take(self, margins: Tensor) -> Tensor:
        """Count one batch; returns the places of the wrong queries."""
        self.queries += margins.numel()
        wrong = (~(margins > 0)).nonzero().ravel()
        self.wrong += wrong.numel()
        smallest = margins.min().item()
        if not self.margin <= smallest:
            self.margin = smallest
        return wrong


@torch.inference_mode()
def check_recall(
    model: FactModel,
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
        model: any FactModel over the entities and relations of `facts`.
        facts: the oracle.
        hops: k, at least 1.
        logits: `fast`, `full`, `both` (which must agree), or `auto`: both where full logits are affordable, else fast.
        batch_rows: at most this many states at once; by default as many as the memory cap and the caches allow.
        memory_cap: bytes for activations and logits, beside the model; at least one subject is run at once.
        subjects: a sample of subjects; by default all. `Recall.queries` tells how many queries were run.
        progress: called with the number of queries done so far.

    Raises:
        InputError: the sizes of model and facts differ.
    """
    size = (model.vocabulary.n_entities, model.vocabulary.n_relations)
    if size != (facts.n_entities, facts.n_relations):
        raise InputError(f"the model has {size} entities and relations, the facts {facts.answers.shape[::-1]}")
    mode = _affordable(model, facts, hops) if logits == "auto" else logits
    result = Recall(logits=mode)
    reader: MarginReader | None = None
    if mode != "full":
        result.defect = check_decoder(model)
        if result.defect is None:
            reader = MarginReader(model)
        elif mode == "fast":
            return result
    rows = batch_rows or _rows_within(memory_cap, model)
    chosen = np.arange(facts.n_entities) if subjects is None else np.asarray(subjects)
    for batch in _batches(model, facts, hops, rows, chosen):
        full = _full_margins(model, batch, rows) if mode != "fast" else None
        fast = _fast_margins(model, batch, reader) if reader is not None else None
        margins = fast if full is None else full
        assert margins is not None
        if fast is not None and full is not None and bool(((fast > 0) != (full > 0)).any()):
            result.defect = result.defect or "fast and full decisions differ on some query"
        wrong = result.take(margins)
        room = COUNTEREXAMPLES - len(result.counterexamples)
        result.counterexamples += [_in_words(model, facts, batch, int(i)) for i in wrong[:room]]
        progress(result.queries)
    return result


@dataclass
class _Batch:
    """Final states (Q, d_model) of some queries, their answer tokens (Q,), subjects (Q,) and paths (Q, k)."""

    states: Tensor
    answers: Tensor
    subjects: np.ndarray
    paths: np.ndarray


def _batches(model: FactModel, facts: FactTable, hops: int, rows: int, chosen: NDArray[np.int64]) -> Iterator[_Batch]:
    """All queries about the chosen subjects, at most `rows` at once where one subject and one last relation allow it."""
    n_relations, device = facts.n_relations, model.embedding.weight.device
    words_at_once = n_relations**hops
    free = 0  # the first hops are run relation by relation where all words of one subject would be too many
    while words_at_once > rows and free < hops:
        words_at_once //= n_relations
        free += 1
    subjects_at_once = max(1, rows // words_at_once)
    for start in range(0, len(chosen), subjects_at_once):
        subjects = chosen[start : start + subjects_at_once]
        states, cache = model.states(torch.from_numpy(subjects).to(device)[:, None])
        for prefix in itertools.product(range(n_relations), repeat=free):
            branch = cache
            for relation in prefix:
                token = torch.tensor([[model.vocabulary.n_entities + relation]], device=device)
                states, branch = model.states(token, branch)
            for _ in range(hops - free):
                branch = [KeysAndValues(*(part.unsqueeze(-3) for part in memory)) for memory in branch]
                tokens = torch.from_numpy(model.vocabulary.relations).to(device)[:, None]
                states, branch = model.states(tokens, branch)
            yield _labelled(model, facts, states, subjects, prefix, hops)


def _labelled(
    model: FactModel, facts: FactTable, states: Tensor, subjects: np.ndarray, prefix: tuple[int, ...], hops: int
) -> _Batch:
    axes = [subjects, *(np.array([r]) for r in prefix), *([np.arange(facts.n_relations)] * (hops - len(prefix)))]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 1 + hops)
    answers = model.vocabulary.answer_tokens(facts.answer(grid[:, 0], grid[:, 1:]))
    flat = states[..., -1, :].reshape(-1, states.shape[-1])
    return _Batch(flat, torch.from_numpy(answers).to(states.device), grid[:, 0], grid[:, 1:])


def _full_margins(model: FactModel, batch: _Batch, rows: int) -> Tensor:
    """The module's own logits: the answer's minus the largest other one, float64 (Q,)."""
    pieces = []
    at_once = max(1, rows * model.shape.d_model // model.shape.d_vocab)
    for states, answers in zip(torch.split(batch.states, at_once), torch.split(batch.answers, at_once), strict=True):
        logits = model.unembedding(states)
        own = logits.gather(-1, answers[:, None])[:, 0].double()
        # scatter hides the answer itself; amax passes a NaN anywhere else on to the margin
        others = logits.scatter_(-1, answers[:, None], -torch.inf).amax(-1).double()
        pieces.append(own - others)
    return torch.cat(pieces)


def _fast_margins(model: FactModel, batch: _Batch, reader: MarginReader) -> Tensor:
    margins = reader.margins(batch.states, batch.answers)
    open_ = (~(margins > 0)).nonzero().ravel()
    if open_.numel():
        part = _Batch(batch.states[open_], batch.answers[open_], batch.subjects, batch.paths)
        margins[open_] = _full_margins(model, part, 1024)
    return margins


def _affordable(model: FactModel, facts: FactTable, hops: int) -> Logits:
    work = facts.n_entities * facts.n_relations**hops * model.shape.d_vocab * model.shape.d_model
    return "both" if work <= AFFORDABLE_FULL_WORK else "fast"


def _rows_within(memory_cap: int, model: FactModel) -> int:
    """How many states fit: the stream, attention's cache, the widest hidden layer, a copy in float64."""
    widths = [model.shape.d_model]
    for layer in model.shape.layers:
        widths.append(2 * sum(head.d_v + head.d_qk for head in layer.heads) + sum(layer.d_mlp))
    row = 4 * (model.shape.d_model + max(widths)) * 8
    return max(1, min(CACHE_FRIENDLY_ROWS, memory_cap // row))


def _in_words(model: FactModel, facts: FactTable, batch: _Batch, i: int) -> str:
    """One wrong query, by name: what was expected and what the model says."""
    logits = model.unembedding(batch.states[i])
    expected, said = int(batch.answers[i]), int(logits.argmax())
    query = facts.query_text(int(batch.subjects[i]), [int(r) for r in batch.paths[i]])
    found = "NaN among the logits" if bool(logits.isnan().any()) else _token_name(facts, said)
    if found == _token_name(facts, expected):
        found += ", but another token has the same logit"
    return f"{query}: expected {_token_name(facts, expected)}, the model says {found}"


def _token_name(facts: FactTable, token: int) -> str:
    if token < facts.n_entities:
        return facts.entity_name(token)
    relation = token - facts.n_entities
    return f"the relation {facts.relation_name(relation)}" if relation < facts.n_relations else "unknown"
