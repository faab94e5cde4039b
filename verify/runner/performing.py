"""A job is performed, in whatever process."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from typing import TypeVar

from constructions.guards.errors import InputError, UserCodeError
from constructions.guards.memory import is_out_of_memory
from verify.runner.outcome import Done, Lost
from verify.runner.same_code import Meant, difference

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def perform(
    run: Callable[[Argument], Result], argument: Argument, code: Meant
) -> Done[Result] | Lost:
    """Compute a result, and measure time and memory; never raises for what `run` does.

    Args:
        run: computes it.
        argument: of `run`.
        code: that is meant; where this process has other code, the job is lost.
    """
    if why := difference(code):
        return Lost(why, crashed=False)
    _forget_peak()
    started = time.perf_counter()
    try:
        result = run(argument)
    except Exception as error:
        if is_out_of_memory(error):
            return Lost(f"out of memory: {error}", crashed=False)
        # a model that is another one meanwhile, or a file that is missing here
        if isinstance(error, InputError) and not isinstance(error, UserCodeError):
            return Lost(str(error), crashed=False)
        return Lost(f"it raised {type(error).__name__}: {error}", crashed=True)
    return Done(result, time.perf_counter() - started, _peak(), platform.node())


def _forget_peak() -> None:
    """Begin a new measurement of the most memory that this process holds, on Linux."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return


def _peak() -> int | None:
    """The most bytes that this process has held since `_forget_peak`; where that is not possible,
    since it began; None where the system does not tell.
    """
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            (held,) = [line.split()[1] for line in file if line.startswith("VmHWM:")]
    except (OSError, ValueError):
        return None
    return 1024 * int(held)
