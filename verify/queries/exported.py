"""An export, asked in the other tool: every answer against the table of facts, every logit against
the module's own times a power of two.

The queries are all paths of the model's length that it claims to answer; of a chain of thought all
lengths up to it, and it is continued with what the other tool says. About `MOST_ASKED` are asked,
shared among the lengths: where there are more of a length, as many are drawn, and it is said of
how many.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from constructions.export import export
from constructions.export.names import as_standard
from constructions.export.runner import Runner
from constructions.export.scale import sampling_margin
from constructions.model.answering import Answering
from verify.queries.asked import Asked, larger, smaller
from verify.queries.original import Original, difference

MOST_ASKED = 4096
MOST_NUMBERS = 2**21
"""So many numbers at once of the module's widest vectors, logits included: what the other tool and
the module compute of them stays in caches.
"""


def export_and_ask(
    model: Answering,
    to: str,
    folder: str | os.PathLike[str],
    progress: Callable[[int], None] = lambda queries: None,
    margin: float | None = None,
    proof: str | None = None,
) -> Asked:
    """Export into a folder, if the other tool, which reads the finished files, answers right; else
    nothing is left behind.

    Args:
        model: a construction, or a standard decoder in which one stands.
        to, folder, margin, proof: see `constructions.export.export`.
        progress: called with the number of queries done so far.

    Raises:
        InputError: see `constructions.export.export`.
    """
    decoder = as_standard(model)
    least = sampling_margin(decoder.shape.d_vocab) if margin is None else margin
    found: list[Asked] = []

    def check(run: Runner, scale: float) -> str:
        """Ask the finished files, and raise if they do not answer right; else say what was
        asked.
        """
        found.append(
            ask(run, model, 2 * scale * decoder.logit_error, _share(model), progress, scale, least)
        )
        if not found[0].right:
            raise _NotRight
        lines = "".join(f"    {line}\n" for line in found[0].lines(to))
        return f"\nThe finished files were asked before the folder got its name:\n\n{lines}"

    with suppress(_NotRight):
        export(decoder, to, folder, check, margin, proof)
    return found[0]


def n_asked(model: Answering) -> int:
    """How many queries of a model another tool is asked."""
    return sum(min(model.n_queries(hops), _share(model)) for hops in model.path_lengths)


def _share(model: Answering) -> int:
    """How many queries of each length are asked at most."""
    return -(-MOST_ASKED // len(model.path_lengths))


class _NotRight(Exception):
    """The other tool has not answered right, so that nothing is to be written."""


@torch.no_grad()
def ask(
    run: Runner,
    model: Answering,
    allowed: float = 0.0,
    most: int = MOST_ASKED,
    progress: Callable[[int], None] = lambda queries: None,
    scale: float = 1.0,
    least_margin: float = 0.0,
) -> Asked:
    """Ask the other tool at most `most` queries of each length.

    Args:
        run: the other tool: tokens (batch, length) to logits, of the model's tokens and perhaps of
            more behind them, at all positions or at the last one.
        model: what was exported, with the facts that it should answer.
        allowed: how far a logit may differ.
        most: if there are more queries of a length, as many different ones are drawn at random,
            always the same.
        progress: called with the number of queries done so far.
        scale: the other tool's logits are to be the module's times this power of two.
        least_margin: what the smallest margin in the other tool is to be.
    """
    dtype = str(model.embedding.weight.dtype).removeprefix("torch.")
    asked, draw = Asked(allowed, dtype, scale, least_margin), np.random.default_rng(0)
    original = Original(model)
    widest = max(model.shape.d_vocab, model.shape.d_model, model.shape.widest_layer)
    at_once = max(1, MOST_NUMBERS // (widest * (2 * model.hops + 1)))
    for hops in model.path_lengths:
        total, drawn = model.n_queries(hops), None
        if total > most:
            drawn = model.facts.drawn_queries(most, hops, draw, model.stored_only)
        asked.all_queries += total
        asked.not_claimed += model.facts.n_queries(hops) - total
        for start in range(0, min(total, most), at_once):
            index = np.arange(start, min(start + at_once, total, most))
            subjects, paths = (
                model.queries(index, hops) if drawn is None else [part[index] for part in drawn]
            )
            _ask_some(run, original, subjects, paths, asked)
            progress(asked.queries)
    return asked


def _ask_some(
    run: Runner,
    original: Original,
    subjects: NDArray[np.int64],
    paths: NDArray[np.int64],
    asked: Asked,
) -> None:
    """Ask some queries of one length, and note what was answered."""
    failed, near = (torch.zeros(len(subjects), dtype=torch.bool) for _ in range(2))
    for tokens, wanted, logits in _steps(run, original.model, subjects, paths):
        last = logits[:, -1]
        own, others = last.gather(-1, wanted)[:, 0], last.scatter(-1, wanted, -torch.inf)
        failed |= ~(own > others.amax(-1))
        margins = own.double() - others.amax(-1).double()
        near |= margins.abs() <= 2 * asked.allowed
        asked.margin = smaller(margins.min().item(), asked.margin)
        probability = (others.double().logsumexp(-1) - own.double()).sigmoid().max().item()
        asked.wrong_probability = larger(probability, asked.wrong_probability)
        expected = original.logits(tokens)
        asked.difference = larger(
            difference(last, asked.scale * expected.double()), asked.difference
        )
        if last.dtype != expected.dtype:
            asked.other_dtype = str(last.dtype).removeprefix("torch.")
    asked.queries += len(subjects)
    asked.wrong += int(failed.sum())
    asked.unknown += int((near & ~failed).sum()) if asked.allowed else 0


def _steps(
    run: Runner, model: Answering, subjects: NDArray[np.int64], paths: NDArray[np.int64]
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Tokens (Q, L), what should follow (Q, 1), the other tool's logits (Q, ..., d_vocab): once,
    or for each written token.
    """
    facts, vocabulary = model.facts, model.vocabulary
    if not model.hops_per_token:
        tokens, said = (part.cpu() for part in model.training_examples(subjects, paths))
        yield tokens, said, run(tokens)
        return
    tokens, hops = model.prompt(subjects, paths).cpu(), paths.shape[-1]
    for read in (*range(model.hops_per_token, hops, model.hops_per_token), hops):
        logits = run(tokens)
        yield (
            tokens,
            _column(vocabulary.answer_tokens(facts.answer(subjects, paths[:, :read]))),
            logits,
        )
        tokens = torch.cat([tokens, logits[:, -1:].argmax(-1)], 1)
    yield tokens, torch.full((len(tokens), 1), vocabulary.special("end")), run(tokens)


def _column(tokens: NDArray[np.int64]) -> Tensor:
    """Tokens (Q,) as a column (Q, 1)."""
    return torch.from_numpy(tokens)[:, None]
