"""What every check leaves behind: something that knows what is wrong and what is undecided."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Literal

Verdict = Literal["PASS", "FAIL", "UNKNOWN"]
VERDICTS: tuple[Verdict, ...] = ("PASS", "FAIL", "UNKNOWN")


class Evidence(ABC):
    """What was found by a check. It holds numbers and words, no model and no tensor, so that it
    may be sent from one process to another.
    """

    @abstractmethod
    def faults(self) -> Iterator[str]:
        """Everything that is not as claimed, in words. A comparison with NaN is false, so each
        condition is written as it should hold, then negated.
        """

    @abstractmethod
    def doubts(self) -> Iterator[str]:
        """Everything that is undecided, in words."""

    @property
    def verdict(self) -> Verdict:
        """FAIL if there is a fault, else UNKNOWN if there is a doubt, else PASS."""
        if any(True for _ in self.faults()):
            return "FAIL"
        return "UNKNOWN" if any(True for _ in self.doubts()) else "PASS"


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """FAIL if there is one, else UNKNOWN if there is one or nothing at all, else PASS."""
    found = set(verdicts)
    return "FAIL" if "FAIL" in found else "PASS" if found == {"PASS"} else "UNKNOWN"
