"""What workers do in the tests of them: light to import, since each process that is started
imports it.
"""

import os
import signal
import time
from pathlib import Path


def done_or_lost(item):
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
    if item == "unsendable":
        return lambda: item
    if item == "sleep":
        time.sleep(60)
    return f"{item} is done"


def reported(item, why):
    """The result of an item that is lost."""
    return f"{item}: {why}{' (crashed)' * why.crashed}"


def write_pid(file):
    """Write down which process does it."""
    Path(file).write_text(str(os.getpid()))
