"""The ways to begin and to train that benchmarks/seeding.py compares."""

from collections.abc import Callable
from dataclasses import dataclass, field

import seeding_beginnings as beginnings
from seeding_training import Training

MARGIN_16 = {"unembedding_scale": 8}
MARGIN_128 = {"unembedding_scale": 8, "stream_scale": 8}
QUIET = {"rest_size": 0.4}
QUIET_CLOSED = MARGIN_128 | QUIET | {"closed": True}


@dataclass(frozen=True)
class Way:
    """A row of the table.

    Attributes:
        begin: models from seeds and the taught ones.
        training: how they are trained.
    """

    begin: Callable
    training: Training = field(default_factory=Training)


def seeded(**options):
    """Seeded in this way."""
    return lambda seeds, _: [beginnings.seeded(seed, **options) for seed in seeds]


def drawn(seeds, _):
    """Random decoders."""
    return [beginnings.random(seed) for seed in seeds]


def taught(seeds, models):
    """Those that were taught the facts."""
    return models


def turned(seeds, _):
    """Seeded, in a random basis."""
    return [beginnings.turned(seed, **MARGIN_16) for seed in seeds]


def turned_and_resized(seeds, models):
    """Seeded, in a random basis, with the sizes of the taught weights."""
    return [
        beginnings.turned(seed, like, **MARGIN_16)
        for seed, like in zip(seeds, models, strict=True)
    ]


def copied(seeds, _):
    """Seeded twice; the margins are added."""
    return [beginnings.copied(seed, unembedding_scale=4) for seed in seeds]


PLAIN = seeded(**MARGIN_16)
WAYS = {
    "random": Way(drawn),
    "taught": Way(taught),
    "taught, replay 5 %": Way(taught, Training(replay=0.05)),
    "taught, all weights drawn 0.1": Way(taught, Training(pull=0.1, pull_all=True)),
    "seeded, margin 16": Way(PLAIN),
    "margin 2": Way(seeded()),
    "margin 128": Way(seeded(**MARGIN_128)),
    "random basis": Way(turned),
    "random basis, sizes as taught": Way(turned_and_resized),
    "two copies": Way(copied),
    "replay 1 %": Way(PLAIN, Training(replay=0.01)),
    "replay 5 %": Way(PLAIN, Training(replay=0.05)),
    "replay 25 %": Way(PLAIN, Training(replay=0.25)),
    "replay 25 %, the other half": Way(PLAIN, Training(replay=0.25, half=True)),
    "all weights drawn 0.01": Way(PLAIN, Training(pull=0.01, pull_all=True)),
    "all weights drawn 0.1": Way(PLAIN, Training(pull=0.1, pull_all=True)),
    "drawn 0.01": Way(PLAIN, Training(pull=0.01)),
    "drawn 0.1": Way(PLAIN, Training(pull=0.1)),
    "adapters of rank 4": Way(PLAIN, Training(rank=4)),
    "adapters of rank 16": Way(PLAIN, Training(rank=16)),
    "slowed 0.1": Way(PLAIN, Training(share=0.1)),
    "slowed 0.01": Way(PLAIN, Training(share=0.01)),
    "held": Way(PLAIN, Training(share=0.0)),
    "closed": Way(seeded(**MARGIN_16, closed=True)),
    "rest 0.4": Way(seeded(**MARGIN_16, **QUIET)),
    "rest 0.4, slowed 0.1": Way(seeded(**MARGIN_16, **QUIET), Training(share=0.1)),
    "rest 0.4, slowed 0.1, replay 5 %": Way(
        seeded(**MARGIN_16, **QUIET), Training(share=0.1, replay=0.05)
    ),
    "rest 0.4, drawn 0.1": Way(seeded(**MARGIN_16, **QUIET), Training(pull=0.1)),
    "rest 0.4, replay 25 %": Way(seeded(**MARGIN_16, **QUIET), Training(replay=0.25)),
    "rest 0.4, held": Way(seeded(**MARGIN_16, **QUIET), Training(share=0.0)),
    "rest 0.4, closed, 128": Way(seeded(**QUIET_CLOSED)),
    "rest 0.4, closed, 128, slowed 0.1": Way(seeded(**QUIET_CLOSED), Training(share=0.1)),
    "rest 0.4, closed, 128, drawn 0.01": Way(seeded(**QUIET_CLOSED), Training(pull=0.01)),
    "rest 0.4, closed, 128, replay 5 %": Way(seeded(**QUIET_CLOSED), Training(replay=0.05)),
    "rest 0.4, closed, 128, held": Way(seeded(**QUIET_CLOSED), Training(share=0.0)),
}
SHORT = (
    "random",
    "taught",
    "taught, replay 5 %",
    "seeded, margin 16",
    "two copies",
    "replay 25 %",
    "replay 25 %, the other half",
    "drawn 0.1",
    "adapters of rank 16",
    "slowed 0.1",
    "held",
    "rest 0.4",
    "rest 0.4, slowed 0.1",
    "rest 0.4, drawn 0.1",
    "rest 0.4, held",
    "rest 0.4, closed, 128",
    "rest 0.4, closed, 128, slowed 0.1",
    "rest 0.4, closed, 128, drawn 0.01",
)
"""The rows of all second tasks but the first."""
RELATED = (
    "random",
    "taught",
    "seeded, margin 16",
    "held",
    "rest 0.4",
    "rest 0.4, slowed 0.1",
    "rest 0.4, held",
    "rest 0.4, drawn 0.1",
    "rest 0.4, closed, 128, slowed 0.1",
    "rest 0.4, slowed 0.1, replay 5 %",
    "rest 0.4, replay 25 %",
    "taught, replay 5 %",
)
DRAWN = ("seeded, margin 16", "rest 0.4, slowed 0.1", "rest 0.4, held", "taught", "random")
