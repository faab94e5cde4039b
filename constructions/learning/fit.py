"""Training many models at once on facts.

    facts = FactTable.random_bijections(entities=64, relations=4, seed=0)
    found = fit(OneLayerShape.of(facts, d_model=8, d_mlp=32), facts, steps=1000, seeds=range(5))
    print(found.lacking() or "all five recall every fact")

AdamW of torch with a rate that rises over `warm_up` steps and then falls as a cosine to 0, on the
mean cross-entropy over the targets of a batch, by default of all. The losses of the models are
added, so that each model's gradient, and AdamW's step, is what it would be alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from constructions.guards.errors import InputError
from constructions.guards.integers import whole
from constructions.learning.beginnings import Shape, stacked
from constructions.learning.examples import Data, Examples
from constructions.learning.one_layer import OneLayerShape
from constructions.learning.recalled import Fitted, Recalled, at_answers
from constructions.learning.stacking import Stack
from constructions.model.ordinary_tensors import of_ordinary_tensors


@of_ordinary_tensors
@torch.enable_grad()
def fit(
    model: Shape | nn.Module | Sequence[OneLayerShape],
    facts: Data | Sequence[Data],
    steps: int,
    seeds: int | Iterable[int],
    *,
    rate: float = 1e-2,
    warm_up: int = 50,
    weight_decay: float = 0.0,
    batch: int | None = None,
    frozen: Iterable[str] = (),
    held: Mapping[str, Tensor] | None = None,
    until: float | None = 1.0,
    every: int = 10,
    initial_scale: float | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
    progress: Callable[[int, NDArray[np.float64]], None] | None = None,
) -> Fitted:
    """Train a model for each seed, all at once.

    A seed decides the initial weights of its model and the order of its batches. What becomes of
    it does not depend on the other seeds, but for how a machine may round sums in batches of other
    sizes (docs/learned.md). It trains within `torch.no_grad` and `torch.inference_mode` too.

    Args:
        model: a shape, of which every seed draws a model; a module, whose weights are where every
            seed begins; or shapes of one-layer models that differ in d_model and d_mlp alone, one
            for each seed, with uniform attention and no norm.
        facts: a table, whose stored facts are learned; tokens and targets as of
            `FactTable.dataset`; or such a thing for each seed.
        steps: of the optimizer, at most.
        seeds: one or several, from 0 to 2^63 - 1.
        rate: the highest learning rate; warm_up: steps in which it rises from 0.
        weight_decay: of AdamW, on matrices and tables; biases and gains have none.
        batch: how many queries a step reads, in a new order each time that all have been read;
            None for all of them.
        frozen: parameters that stay as they are, by their names or by the name of what they are
            in, such as "entities" or "weights".
        held: entries that stay as they are, as bool tensors by the names of parameters.
        until: a model stops when it recalls this share of the queries; None to train on.
        every: after how many steps recall is measured.
        initial_scale: of a standard decoder, the standard deviation of its weights.
        dtype: of the weights.
        device: by default a GPU that is there, else the CPU.
        progress: is called with the step and the recall (M,) whenever it is measured.

    Raises:
        InputError: an argument is out of range, or a name is no parameter's.

    Example:
        >>> shape = OneLayerShape.of(facts, d_model=8, d_mlp=32)
        >>> fit(shape, facts, steps=20, seeds=[0, 1]).reached.shape
        (2,)
    """
    numbers = tuple(whole("seed", seed, 0, 2**63 - 1) for seed in _listed(seeds))
    if not numbers:
        raise InputError("no seed is given")
    steps, warm_up = whole("steps", steps, 0), whole("warm_up", warm_up, 0)
    every = whole("every", every, 1)
    for name, value in (("rate", rate), ("weight_decay", weight_decay)):
        if not (math.isfinite(value) and value >= 0):
            raise InputError(f"{name} must be a number of at least 0; got {value!r}")
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    examples = Examples.of(facts, len(numbers), where)
    stack = stacked(model, numbers, initial_scale, dtype, where)
    recalled = Recalled(stack, examples, until)
    parts = _parts(examples, None if batch is None else whole("batch", batch, 1), numbers)
    optimizer = optimizer_of(stack, tuple(frozen), weight_decay)
    hold = _held(stack, held or {})
    began = time.monotonic()
    for step in range(steps + 1):
        if step % every == 0 or step == steps:
            recalled.check(step)
            if progress is not None:
                progress(step, recalled.curve[-1])
            if recalled.all_reached:
                break
        if step == steps:
            break
        for group in optimizer.param_groups:
            group["lr"] = rate * share_of_rate(step, warm_up, steps)
        part = next(parts)
        optimizer.zero_grad()
        logits = at_answers(stack.logits(part.tokens), part.targets)
        losses = functional.cross_entropy(
            logits.flatten(0, -2), part.targets.flatten(), ignore_index=-1, reduction="none"
        )
        means = losses.reshape(len(stack), -1).sum(1) / part.n_targets
        means.sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        hold()
    return recalled.fitted(numbers, time.monotonic() - began)


def _listed(seeds: int | Iterable[int]) -> list[int]:
    """One seed, be it an integer of any type, or several."""
    try:
        return list(seeds)  # type: ignore[arg-type]
    except TypeError:  # it cannot be iterated over
        return [seeds]  # type: ignore[list-item]


def share_of_rate(step: int, warm_up: int, steps: int) -> float:
    """The share of the highest rate with which a step is made, counted from 0: it rises evenly
    over the first ones and then falls as a cosine to 0.
    """
    if step < warm_up:
        return (step + 1) / (warm_up + 1)
    return (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up))) / 2


def _parts(examples: Examples, batch: int | None, seeds: Sequence[int]) -> Iterator[Examples]:
    """What each step reads: all, or for each model the next queries of an order of its own, which
    is drawn anew when fewer than a batch are left.
    """
    if batch is None or batch >= examples.n_queries:
        while True:
            yield examples
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    while True:
        orders = torch.stack(
            [torch.randperm(examples.n_queries, generator=one) for one in generators]
        ).to(examples.targets.device)
        for start in range(0, examples.n_queries - batch + 1, batch):
            yield examples.chosen(orders[:, start : start + batch])


def optimizer_of(stack: Stack, frozen: Sequence[str], weight_decay: float) -> torch.optim.AdamW:
    """The optimizer of all parameters that are not frozen, which get gradients.

    Raises:
        InputError: a name is none of a parameter or of what holds some, or all are frozen.
    """
    names = list(stack.parameters)
    for one in frozen:
        if not any(_is_in(name, one) for name in names):
            raise InputError(f"frozen: there is no {one!r}; the parameters are {', '.join(names)}")
    trained = [name for name in names if not any(_is_in(name, one) for one in frozen)]
    if not trained:
        raise InputError("all parameters are frozen: nothing is left to train")
    for name in trained:
        stack.parameters[name].requires_grad_(True)
    # with the axis of models
    tables = [stack.parameters[name] for name in trained if stack.parameters[name].dim() > 2]
    others = [stack.parameters[name] for name in trained if stack.parameters[name].dim() <= 2]
    return torch.optim.AdamW(
        [{"params": tables, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    )


def _is_in(name: str, whole_: str) -> bool:
    """Whether a parameter's name is this one, or begins with it as the name of what it is in."""
    return name == whole_ or name.startswith(f"{whole_}.")


def _held(stack: Stack, held: Mapping[str, Tensor]) -> Callable[[], None]:
    """What puts the entries that are held back to what they are now.

    Raises:
        InputError: a name is no parameter's, or a mask is none of its shape.
    """
    kept = []
    for name, mask in held.items():
        parameter = stack.parameters.get(name)
        if parameter is None:
            known = ", ".join(stack.parameters)
            raise InputError(f"held: there is no {name!r}; the parameters are {known}")
        if mask.dtype != torch.bool or mask.shape != parameter.shape[1:]:
            raise InputError(
                f"held[{name!r}] must be a bool tensor {tuple(parameter.shape[1:])}; got"
                f" {mask.dtype} {tuple(mask.shape)}"
            )
        kept.append((parameter, mask.to(parameter.device), parameter.detach().clone()))

    @torch.no_grad()
    def put_back() -> None:
        """Put them back."""
        for parameter, mask, before in kept:
            parameter.copy_(torch.where(mask, before, parameter))

    return put_back
