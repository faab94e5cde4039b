"""Training memories of a graph, all seeds at once, looked at along the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from constructions.learning.fit import optimizer_of, share_of_rate
from constructions.learning.stacking import Stack
from verify.learned.geometry.memories import TABLES, memory, tables_of
from verify.learned.geometry.node2vec import step as node2vec_step
from verify.learned.geometry.node2vec import walk_of
from verify.learned.geometry.on_graph import OnGraph
from verify.learned.geometry.questions import Questions


@dataclass(frozen=True)
class Seen:
    """Memories after a step.

    Attributes:
        step: which; 0 before the first.
        tables: float32 (M, n, d), the embeddings of the nodes.
        logits: float32 (M, Q, V), of all questions.
        whole: of linear memories, their parameters by name, (M, ...).
    """

    step: int
    tables: NDArray[np.float32]
    logits: NDArray[np.float32]
    whole: dict[str, NDArray[np.float32]]

    def edges(self, m: int, n_nodes: int) -> NDArray[np.float32]:
        """The logits of memory m that answer what is next, a row for each node."""
        return self.logits[m, :n_nodes]


def trained(point: OnGraph, questions: Questions, looks: set[int]) -> Iterator[Seen]:
    """The memories of a point at the steps of `looks`, while they are trained."""
    if point.memory == "node2vec":
        yield from _node2vec(point, questions, looks)
        return
    stack = Stack([memory(point, seed) for seed in point.seeds])
    optimizer = optimizer_of(stack, tables_of(point) if point.frozen else (), point.weight_decay)
    for step in range(point.steps + 1):
        logits = stack.logits(questions.tokens)
        if logits.dim() == 4:  # at every position; the last one answers
            logits = logits[:, :, -1]
        if step in looks:
            yield _seen(point, step, stack, logits)
        if step == point.steps:
            return
        share = share_of_rate(step, point.warm_up, point.steps)
        for group in optimizer.param_groups:
            group["lr"] = point.rate * (point.floor + (1 - point.floor) * share)
        optimizer.zero_grad()
        questions.losses(logits).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def _seen(point: OnGraph, step: int, stack: Stack, logits: torch.Tensor) -> Seen:
    """What is there to be measured now."""
    parameters = {name: one.detach().numpy().copy() for name, one in stack.parameters.items()}
    tables = parameters[TABLES[point.memory]][:, : point.n_nodes]
    whole = parameters if point.memory == "linear" else {}
    return Seen(step, tables, logits.detach().numpy(), whole)


@torch.no_grad()
def _node2vec(point: OnGraph, questions: Questions, looks: set[int]) -> Iterator[Seen]:
    """By plain gradient descent at one rate."""
    walk = walk_of(torch.from_numpy(np.stack([one.adjacency for one in questions.graphs])))
    drawn = [
        torch.randn(point.n_nodes, point.d_model, generator=torch.Generator().manual_seed(seed))
        for seed in point.seeds
    ]
    table = point.initial_scale * torch.stack(drawn)
    for step in range(point.steps + 1):
        if step in looks:
            yield Seen(step, table.numpy().copy(), (table @ table.mT).numpy(), {})
        if step < point.steps:
            table = node2vec_step(table, walk, point.rate)
