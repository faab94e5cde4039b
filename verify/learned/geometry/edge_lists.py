"""A graph of the user's own: UTF-8 text, one edge a line, the names of its two nodes.

Names are separated by a tab, or, where a line has no tab, by spaces; empty lines, and lines that
begin with `#`, are left out. An edge may be repeated, in either direction; a line that names one
node twice, or not two nodes, is refused with its number.
"""

from __future__ import annotations

import os
from pathlib import Path

from constructions.guards.errors import InputError
from verify.learned.geometry.graphs import Graph

LEAST_NODES, MOST_NODES = 3, 2048
"""There are two eigenvectors beside the constant one; each measure holds a matrix of all pairs of
nodes.
"""


def read_edges(path: str | os.PathLike[str]) -> Graph:
    """The graph of a file, its nodes numbered in the order in which their names occur.

    Raises:
        InputError: the file cannot be read, or a line is no edge; the message names the line.
    """
    file = Path(path)
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:  # no file, no text, or no name of a file
        raise InputError(f"{file}: cannot be read: {error}") from None
    numbers: dict[str, int] = {}
    edges = []
    for place, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        names = [name.strip() for name in (line.split("\t") if "\t" in line else line.split())]
        if len(names) != 2 or not all(names):
            raise InputError(f"{file}:{place}: the names of two nodes are expected")
        if names[0] == names[1]:
            raise InputError(f"{file}:{place}: an edge leads from a node to itself")
        edges.append(tuple(numbers.setdefault(name, len(numbers)) for name in names))
    if not edges:
        raise InputError(f"{file}: holds no edge; give the names of two nodes in each line")
    if len(numbers) < LEAST_NODES:
        raise InputError(
            f"{file}: has {len(numbers)} nodes; two eigenvectors beside the constant one need"
            f" {LEAST_NODES}"
        )
    if len(numbers) > MOST_NODES:
        raise InputError(
            f"{file}: has {len(numbers):,} nodes; at most {MOST_NODES:,} are measured"
        )
    return Graph.of(len(numbers), [(a, b) for a, b in edges])
