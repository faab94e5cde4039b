"""All memories that are compared, in the order of the table: the constructions, trained models,
and the `MEMORIES` of each file in `verify/rivals/memories/`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from importlib import import_module

from constructions.guards.errors import InternalError
from verify.rivals import constructed, memories, trained
from verify.rivals.memory import Memory


def by_name(given: Iterable[Memory]) -> dict[str, Memory]:
    """Memories by their names.

    Raises:
        InternalError: two have the same.
    """
    found: dict[str, Memory] = {}
    for memory in given:
        if memory.name in found:
            raise InternalError(f"two memories have the name {memory.name}")
        found[memory.name] = memory
    return found


def of_others() -> list[Memory]:
    """Those of the files; a file without such a list is a part of others."""
    found: list[Memory] = []
    for file in pkgutil.iter_modules(memories.__path__):
        module = import_module(f"{memories.__name__}.{file.name}")
        found += getattr(module, "MEMORIES", ())
    return found


ALL = by_name([*constructed.MEMORIES, *trained.MEMORIES, *of_others()])
