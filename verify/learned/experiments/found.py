"""What was found at a point of an experiment."""

from __future__ import annotations

from dataclasses import dataclass, field

from constructions.guards.errors import InternalError
from verify.learned.experiments.points import ManyHops, OneHop
from verify.learned.geometry.along import Along
from verify.learned.geometry.on_graph import OnGraph
from verify.learned.measure import Measure, over_seeds


@dataclass(frozen=True)
class Found:
    """What was found at a point.

    Attributes:
        point: which.
        right: how many of its queries each seed's model answered right where it was best; after
            the last step or where it had reached what was wanted.
        asked: of so many.
        steps: after how many steps each model ended.
        held_out: how many of the paths that were held out each answers right; of how many,
            `held_out_of`.
        measures: of each seed, in order, by name.
        seconds: of one thread.
        lost: why there is nothing; "" if there is something.
        along: of memories of a graph, the measures along training.
    """

    point: OneHop | ManyHops | OnGraph
    right: tuple[int, ...] = ()
    asked: int = 0
    steps: tuple[int, ...] = ()
    held_out: tuple[int, ...] = ()
    held_out_of: int = 0
    measures: dict[str, tuple[Measure, ...]] = field(default_factory=dict)
    seconds: float = 0.0
    lost: str = ""
    along: Along | None = None

    @property
    def one_hop(self) -> OneHop:
        """The point, of an experiment with one hop."""
        if not isinstance(self.point, OneHop):
            raise InternalError(f"a point of one hop is expected; got {self.point}")
        return self.point

    @property
    def many_hops(self) -> ManyHops:
        """The point, of an experiment with many hops."""
        if not isinstance(self.point, ManyHops):
            raise InternalError(f"a point of many hops is expected; got {self.point}")
        return self.point

    @property
    def on_graph(self) -> OnGraph:
        """The point, of an experiment with graphs."""
        if not isinstance(self.point, OnGraph):
            raise InternalError(f"a point of a graph is expected; got {self.point}")
        return self.point

    @property
    def mean_recall(self) -> float:
        """The mean of all seeds."""
        return sum(self.recall) / len(self.recall)

    @property
    def recall(self) -> list[float]:
        """The best share of right answers of each seed."""
        return [right / self.asked for right in self.right]

    def reaches(self, share: float) -> bool | None:
        """Whether the models of all seeds recall this share; None if that is not known."""
        return None if self.lost else all(recall >= share for recall in self.recall)

    def measure(self, name: str) -> Measure:
        """A measure over the seeds."""
        if name not in self.measures:
            return Measure.without(name, self.lost or "it was not measured")
        return over_seeds(self.measures[name])

    @property
    def held_out_share(self) -> list[float]:
        """The share of held-out paths of each seed."""
        return [right / self.held_out_of for right in self.held_out]
