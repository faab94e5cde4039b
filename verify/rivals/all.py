"""All memories that are compared, in the order of the table.

Each file in `verify/rivals/memories/` has a list `MEMORIES`, which stands here once it is there.
"""

from __future__ import annotations

from constructions.guards.errors import InternalError
from verify.rivals import constructed, trained
from verify.rivals.memory import Memory


def by_name(memories: list[Memory]) -> dict[str, Memory]:
    """The memories by their names.

    Raises:
        InternalError: two have the same.
    """
    found = {memory.name: memory for memory in memories}
    if len(found) < len(memories):
        raise InternalError("two memories have the same name")
    return found


ALL = by_name([*constructed.MEMORIES, *trained.MEMORIES])
