"""Training several decoders at once on another task, in all the ways of benchmarks/seeding.py."""

from dataclasses import dataclass, field

import numpy as np
import torch
from seeding_tasks import N_OWN

from constructions.decoders.keeping import draw_entries, slow_entries
from constructions.learning.stacking import Stack


@dataclass(frozen=True)
class Training:
    """How decoders are trained, beside AdamW without decay on all weights.

    Attributes:
        share: each step moves the construction's entries by this share of what it would.
        pull: after each step the way from the beginning is multiplied by 1 - pull, of the
            construction's entries, or of all if `pull_all`.
        replay: the share of each batch that is facts.
        half: only one half of the facts is replayed, and the other half is watched.
        rank: what is trained are adapters of this rank beside each matrix, and nothing else.
        only: what is trained is this parameter alone, its first rows.
    """

    share: float | None = None
    pull: float | None = None
    pull_all: bool = False
    replay: float = 0.0
    half: bool = False
    rank: int = 0
    only: tuple[str, int] | None = None


@dataclass
class Curves:
    """Shares of right answers (times, models), and what is left at the end.

    Attributes:
        at: steps.
        facts, own: all logits, and those of the construction's own tokens alone.
        task, held_out: the second task, and what was held out of it (empty if nothing).
        models: at the end.
    """

    at: list = field(default_factory=list)
    facts: list = field(default_factory=list)
    own: list = field(default_factory=list)
    task: list = field(default_factory=list)
    held_out: list = field(default_factory=list)
    models: list = field(default_factory=list)

    def after(self, steps, name):
        """The shares (models,) after so many steps."""
        return np.array(getattr(self, name)[self.at.index(steps)])


class Trained:
    """Decoders that are trained together, each on a task of its own."""

    def __init__(self, models, seeds, training, rate):
        self.stack, self.training = Stack(models), training
        self.stack.parameters = {k: v.clone() for k, v in self.stack.parameters.items()}
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.adapters = {}
        if training.rank:
            self.base = dict(self.stack.parameters)
            self.adapters = {
                name: self._adapter(weight)
                for name, weight in self.base.items()
                if weight.dim() == 3
            }
        trained = (
            [part for pair in self.adapters.values() for part in pair]
            if training.rank
            else [self.stack.parameters[training.only[0]]]
            if training.only
            else list(self.stack.parameters.values())
        )
        for one in trained:
            one.requires_grad_()
        self.optimizer = torch.optim.AdamW(trained, rate, weight_decay=0)
        self._keep(models)

    def _adapter(self, weight):
        """Two factors (M, rows, rank), (M, rank, columns), of which the second is 0."""
        draws = [
            torch.randn(weight.shape[1], self.training.rank, generator=one)
            for one in self.generators
        ]
        first = torch.stack(draws) / self.training.rank**0.5
        return first, torch.zeros(len(weight), self.training.rank, weight.shape[2])

    def _keep(self, models):
        """Hooks on the optimizer that keep entries near."""
        share, pull, only = self.training.share, self.training.pull, self.training.only
        weights = self.stack.parameters
        if only:
            name, rows = only
            others = torch.zeros(weights[name].shape, dtype=torch.bool)
            others[:, rows:] = True
            slow_entries(self.optimizer, [(weights[name], others)], 0)
        if share is None and pull is None:
            return
        if self.training.pull_all:
            masks = {name: torch.ones_like(one, dtype=torch.bool) for name, one in weights.items()}
        else:
            each = [model.construction_entries() for model in models]
            masks = {name: torch.stack([one[name] for one in each]) for name in weights}
        entries = [(weights[name], mask) for name, mask in masks.items()]
        if share is not None:
            slow_entries(self.optimizer, entries, share)
        if pull is not None:
            draw_entries(self.optimizer, entries, pull)

    def logits(self, tokens):
        """After the last token: tokens (M, Q, L) to (M, Q, d_vocab)."""
        if self.adapters:
            self.stack.parameters = self.base | {
                name: self.base[name] + first @ second
                for name, (first, second) in self.adapters.items()
            }
        return self.stack.logits(tokens)[:, :, -1]

    @torch.no_grad()
    def right(self, task):
        """The shares of right answers of each: of all logits, of those of own tokens."""
        logits = self.logits(task[0])
        return [
            (among.argmax(-1) == task[1]).double().mean(1).tolist()
            for among in (logits, logits[..., :N_OWN])
        ]

    def step(self, parts):
        """One step on (task, weights (M, Q)) pairs."""
        self.optimizer.zero_grad()
        total = 0
        for (tokens, answers), weights in parts:
            losses = torch.nn.functional.cross_entropy(
                self.logits(tokens).flatten(0, 1), answers.flatten(), reduction="none"
            )
            total = total + (losses * weights.flatten()).sum()
        total.backward()
        self.optimizer.step()

    def draw(self, n, batch):
        """Random numbers below n for each model, (M, batch)."""
        draws = [torch.randint(n, (batch,), generator=one) for one in self.generators]
        return torch.stack(draws)


def stacked_tasks(tasks):
    """(M, Q, L) and (M, Q)."""
    return tuple(torch.stack(part) for part in zip(*tasks, strict=True))


def chosen(task, index):
    """The queries (M, Q) of each model's task."""
    models = torch.arange(len(index))[:, None]
    return task[0][models, index], task[1][models, index]


def halves(facts, seeds):
    """The facts in two random halves."""
    n = facts[1].shape[1]
    order = torch.stack(
        [torch.randperm(n, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    )
    return chosen(facts, order[:, : n // 2]), chosen(facts, order[:, n // 2 :])


def train(models, seeds, tasks, facts, training, *, rate, steps, batch, at, held_out=None):
    """Curves of what is watched, at the beginning and after these steps.

    Args:
        tasks, facts, held_out: a task for each model.
    """
    trained, curves = Trained(models, seeds, training, rate), Curves()
    task, facts = stacked_tasks(tasks), stacked_tasks(facts)
    replayed = watched = facts
    if training.half:
        replayed, watched = halves(facts, seeds)
    held_out = held_out and stacked_tasks(held_out)

    def watch(step):
        curves.at.append(step)
        facts_right, own_right = trained.right(watched)
        curves.facts.append(facts_right)
        curves.own.append(own_right)
        curves.task.append(trained.right(task)[0])
        if held_out:
            curves.held_out.append(trained.right(held_out)[0])

    watch(0)
    for step in range(1, steps + 1):
        examples = chosen(task, trained.draw(task[1].shape[1], batch))
        weights = torch.full(examples[1].shape, 1 / batch)
        parts = [(examples, weights)]
        if training.replay:
            coins = torch.stack([torch.rand(batch, generator=one) for one in trained.generators])
            replaces = coins < training.replay
            weights[replaces] = 0
            n = replaces.sum(1, keepdim=True)
            if most := int(n.max()):
                again = chosen(replayed, trained.draw(replayed[1].shape[1], most))
                parts.append((again, (torch.arange(most) < n) / batch))
        trained.step(parts)
        if step in at:
            watch(step)
    parameters = {k: v.detach() for k, v in trained.stack.parameters.items()}
    curves.models = [
        trained.stack.module(i, {k: v[i] for k, v in parameters.items()})
        for i in range(len(models))
    ]
    return curves
