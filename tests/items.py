"""What workers do in the tests of them: light to import, since each process that is started
imports it.
"""

import os
import signal
import time
from pathlib import Path

from constructions.guards.user_code import loaded


def done_or_raise(item):
    """Do an item, or be killed, crash, leave, raise, return what cannot be sent, or sleep, as it
    says.
    """
    if item == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if item == "crash":
        os.kill(os.getpid(), signal.SIGABRT)
    if item == "leave":
        os._exit(3)
    if item == "raise":
        raise ValueError("no such thing")
    if item == "out of memory":
        raise MemoryError("so much")
    if item == "unsendable":
        return lambda: item
    if item == "sleep":
        time.sleep(60)
    return f"{item} is done"


def squared(number):
    """Its square."""
    return number * number


def made_of(size):
    """How many bytes were held for a moment."""
    return len(bytearray(b"1") * size)


def killed_first(file):
    """Write a letter, and be killed from outside unless another was there before."""
    with open(file, "a+") as opened:
        opened.write("x")
        opened.seek(0)
        if len(opened.read()) == 1:
            opened.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def process():
    """Which process does it."""
    return os.getpid()


def numbers_of_threads(names):
    """What the environment says of these variables."""
    return [os.environ.get(name) for name in names]


def write_pid(file):
    """Write down which process does it."""
    Path(file).write_text(str(os.getpid()))


def value_in(reference):
    """What a file of a user's defines by that name."""
    return loaded(reference)
