"""An interrupt ends the command of a process with one line, however many come."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn


class Listener:
    """What hears an interrupt.

    Attributes:
        leave: ends the process at once, with the line.
    """

    def __init__(self, leave: Callable[[], NoReturn]):
        self.leave = leave

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """An interrupt is an exception, except while a module is imported: then nothing is there
        to be tidied up, and the process ends.

        An exception in the middle of an import does not always arrive: extension modules turn it
        into others, or print it.
        """
        while frame is not None:
            if frame.f_code.co_filename.startswith("<frozen importlib."):
                self.leave()
            frame = frame.f_back
        raise KeyboardInterrupt

    def unraisable(self, found: Any) -> None:
        """An interrupt that came where an exception goes nowhere, such as in a destructor."""
        if isinstance(found.exc_value, KeyboardInterrupt):
            self.leave()
        sys.__unraisablehook__(found)


def listen(leave: Callable[[], NoReturn]) -> None:
    """Hear interrupts, unless this process is meant to ignore them."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        listener = Listener(leave)
        sys.unraisablehook = listener.unraisable
        signal.signal(signal.SIGINT, listener)


def ignore_further() -> None:
    """Hear no more of them, as the run is about to say that it was interrupted, and to end. Where
    `listen` has not been called, as in another's process, nothing is changed.
    """
    if isinstance(signal.getsignal(signal.SIGINT), Listener):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
