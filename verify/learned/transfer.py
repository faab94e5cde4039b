"""Transfer: does a decoder take new facts in the rows of its subjects alone, all else frozen?

Two measures, of increasing help from training:

* *zero-step*: rows are written as `b + sum_r M_r v[new answers]` by the fit of the OLD facts
  (`verify.learned.superposition`), and the new facts are asked for. No gradient is taken.
* *after some steps*: rows start at random, with the mean and the covariance of the present ones,
  and AdamW moves them alone, on the cross-entropy of the new facts.

Neither is evidence without a `control`. Steps and rate matter: trained to convergence, rows of any
decoder that is wide enough learn new facts, since gradients find some input for each output. In 25
steps an untrained decoder gets a third, a `key_value` construction almost nothing; but a *trained*
memory, with random rows and a wide MLP, learns them as well as a superposition does, and half of
them by rows that the fit writes: the mean row of an attribute is what its MLP has learned to
classify. What tells these two apart is R^2 and `verify.learned.intervention`.

New facts are by default the old ones, shuffled among the subjects relation by relation: the same
attributes as often each. Where that is not possible (paths of several hops, whose answers hang
together) give them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from constructions.facts.answers import MISSING
from constructions.guards.errors import InputError
from constructions.guards.integers import whole
from verify.learned.additive_fit import fitted, require_ridge
from verify.learned.claimed import require_answers, shuffled
from verify.learned.decoder import (
    Decoder,
    Differentiable,
    Floats,
    Ints,
    pieces,
    table_of_answers,
)
from verify.learned.measure import Measure
from verify.learned.random_rows import rows_alike, size_of
from verify.learned.recall import right
from verify.learned.superposition import FOLDS, parametrisation, with_facts

STEPS = 25
RATE = 0.1
"""Of AdamW, times the root mean square of the centred rows: what a step moves an entry by."""
_LOGITS_AT_ONCE = 2**22


def zero_step(
    decoder: Decoder,
    answers: NDArray[np.int64],
    new: NDArray[np.int64] | None = None,
    *,
    by: str | None = None,
    control: Decoder | None = None,
    folds: int = FOLDS,
    ridge: float = 0.0,
    seed: int = 0,
) -> Measure:
    """The recall of new facts, whose rows are written by the fit of the old ones.

    Null: rows are written by a fit of shuffled old facts. Control: the same measure of another
    decoder, which has learned the same old facts.

    Args:
        decoder: any.
        answers: int64 (R, N): the facts that it knows.
        new: the same of new facts; None to draw some.
        by, ridge: as of `superposition`; folds: what decides there whether a fit says anything.
            Here all subjects are fitted.
        control: with the same subjects, relations and answers.
        seed: of what is shuffled.

    Raises:
        InputError: as `superposition`.
    """
    name = "zero-step transfer"
    require_ridge(ridge)
    found = parametrisation(decoder, answers, by, folds)
    if found.refused:
        return Measure.without(name, found.refused)
    generator = np.random.default_rng(seed)
    new = shuffled(answers, generator) if new is None else new
    require_answers(decoder, new)
    asked, rows = with_facts(answers), decoder.rows()

    def counted(facts: Ints) -> tuple[int, int]:
        """The new facts that are right, by a fit of some facts."""
        fit = fitted(found.vectors, facts[:, asked], rows[asked], ridge)
        determined = np.where(fit.determines(new), new, MISSING)
        return right(table_of_answers(decoder.with_rows(fit.rows(new))), determined)

    measured = Measure.of_counts(name, counted(answers), counted(shuffled(answers, generator)))
    if control is None:
        return measured
    other = zero_step(control, answers, new, by=by, folds=folds, ridge=ridge, seed=seed)
    return replace(measured, control=other.value)


def after_steps(
    decoder: Differentiable,
    answers: NDArray[np.int64],
    new: NDArray[np.int64] | None = None,
    *,
    steps: int = STEPS,
    rate: float = RATE,
    control: Differentiable | None = None,
    seed: int = 0,
) -> Measure:
    """The recall of new facts after some steps of AdamW on rows of subjects, from random ones.

    Null: the random rows, before any step. Control: the same measure of another decoder.

    Args:
        decoder: any whose logits can be differentiated by its rows.
        answers: int64 (R, N): the facts that it knows; new: as of `zero_step`.
        steps: full batches.
        rate: of AdamW (no weight decay), times the root mean square of the centred rows.
        control: with the same subjects, relations and answers.
        seed: of the new facts and of the random rows.

    Raises:
        InputError: these are no answers to its queries, or an argument is out of range.
    """
    steps = whole("steps", steps, 0)
    if not 0 < rate < np.inf:
        raise InputError(f"rate must be positive and finite; got {rate}")
    require_answers(decoder, answers)
    generator = np.random.default_rng(seed)
    new = shuffled(answers, generator) if new is None else new
    require_answers(decoder, new)
    name = f"transfer after {steps} steps"
    own = decoder.rows()
    if not np.isfinite(own).all():
        return Measure.without(name, "rows of subjects hold numbers that are not finite")
    if not size_of(own):
        return Measure.without(name, "the rows of all subjects are equal")
    start = rows_alike(own, generator)
    moved = _moved(decoder, start, new, steps, rate * size_of(own))
    found, before = (table_of_answers(decoder.with_rows(rows)) for rows in (moved, start))
    measured = Measure.of_counts(name, right(found, new), right(before, new))
    if control is None:
        return measured
    other = after_steps(control, answers, new, steps=steps, rate=rate, seed=seed)
    return replace(measured, control=other.value)


@torch.enable_grad()
def _moved(decoder: Differentiable, start: Floats, facts: Ints, steps: int, rate: float) -> Floats:
    """Rows after so many steps of AdamW on the mean cross-entropy of all facts."""
    relations, subjects = np.nonzero(facts != MISSING)
    targets = torch.from_numpy(facts[relations, subjects])
    rows = torch.from_numpy(start.copy()).requires_grad_()
    optimizer = torch.optim.AdamW([rows], lr=rate, weight_decay=0.0)
    for _ in range(steps):
        optimizer.zero_grad()
        for part in pieces(len(subjects), _LOGITS_AT_ONCE // decoder.n_answers):
            logits = decoder.logits_of(rows, subjects[part], relations[part])
            wanted = targets[part].to(logits.device)
            loss = functional.cross_entropy(logits, wanted, reduction="sum")
            (loss / len(subjects)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return rows.detach().numpy()
