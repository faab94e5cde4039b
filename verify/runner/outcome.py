"""What becomes of a job: a result, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Lost(Exception):
    """A job of which there is no result; the message says why.

    Attributes:
        crashed: whether the job itself did it: not if its process was killed from outside, memory
            ran out, or it was never run.
    """

    def __init__(self, why: str, crashed: bool):
        super().__init__(why, crashed)
        self.crashed = crashed

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Done(Generic[Result]):
    """A job that is done.

    Attributes:
        result: of it.
        seconds: that it took.
        memory: the most bytes that its process held meanwhile; None where the system does not
            tell.
        where: the name of the machine.
    """

    result: Result
    seconds: float
    memory: int | None
    where: str
