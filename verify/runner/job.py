"""Jobs: what is to be computed, each independent of all others and named by all that decides its
result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from verify.runner.outcome import Lost

Argument = TypeVar("Argument")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Cost:
    """What a job is estimated to take.

    Attributes:
        seconds: of one core.
        memory: bytes at most, beside those of a worker that has nothing to do.
    """

    seconds: float
    memory: int


@dataclass(frozen=True)
class Kind(Generic[Argument, Result]):
    """A kind of job.

    Attributes:
        name: in one word.
        result: a dataclass of numbers and words, see `verify.runner.stored`.
        run: computes the result; a function at the top of a module, so that it can be sent to
            another process. The same argument gives the same result, but for the seconds that it
            took. What it raises makes a lost job.
        describe: all that decides the result, but for the code, as JSON data.
        cost: an estimate, made beforehand.
        lost: what stands in a table in place of the result of a job that was lost.
        group: in words; the costs of those of one group are estimated wrong alike.
    """

    name: str
    result: type[Result]
    run: Callable[[Argument], Result]
    describe: Callable[[Argument], dict[str, Any]]
    cost: Callable[[Argument], Cost]
    lost: Callable[[Argument, Lost], Result]
    group: Callable[[Argument], str] = lambda argument: ""


@dataclass(frozen=True)
class Job(Generic[Argument, Result]):
    """One job.

    Attributes:
        kind: how it is done.
        argument: what it is done with; it is sent to the process that does it.
        code: the version of the code, see `verify.runner.code_version`.
    """

    kind: Kind[Argument, Result]
    argument: Argument
    code: str

    @cached_property
    def what(self) -> dict[str, Any]:
        """All that decides the result, but for kind and code."""
        return self.kind.describe(self.argument)

    @cached_property
    def key(self) -> str:
        """The name of the job: 16 hexadecimal digits, of all that decides the result."""
        whole = {"kind": self.kind.name, "what": self.what, "code": self.code}
        text = json.dumps(whole, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def cost(self) -> Cost:
        """What it is estimated to take."""
        return self.kind.cost(self.argument)
