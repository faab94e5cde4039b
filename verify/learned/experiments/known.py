"""All experiments by name."""

from __future__ import annotations

from verify.learned.experiments.experiment import Experiment
from verify.learned.experiments.frozen import FROZEN
from verify.learned.experiments.geometry import GEOMETRY
from verify.learned.experiments.multi_hop import MULTI_HOP
from verify.learned.experiments.single_world import SINGLE_WORLD
from verify.learned.experiments.softmax_attention import SOFTMAX_ATTENTION
from verify.learned.experiments.superposed import SUPERPOSITION
from verify.learned.experiments.threshold import THRESHOLD
from verify.learned.experiments.two_thresholds import TWO_THRESHOLDS
from verify.learned.experiments.weight_decay import WEIGHT_DECAY
from verify.learned.experiments.worlds import WORLDS

EXPERIMENTS: dict[str, Experiment] = {
    "threshold": THRESHOLD,
    "worlds": WORLDS,
    "superpositions": SUPERPOSITION,
    "frozen": FROZEN,
    "single-world": SINGLE_WORLD,
    "multi-hop": MULTI_HOP,
    "two-thresholds": TWO_THRESHOLDS,
    "weight-decay": WEIGHT_DECAY,
    "softmax-attention": SOFTMAX_ATTENTION,
    "geometry": GEOMETRY,
}
"""In the order of `verify.learned.experiments.names.NAMES`."""
