"""Where files may be written: not into a saved model, which an extra file damages, nor over an
input or another output.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import TypeGuard

from constructions.guards.errors import InputError
from constructions.guards.wording import printable

_MANIFEST = "manifest.json"
_KEYS = {"format", "builder", "files"}, {"kind", "version", "files"}
"""Of the manifest of a construction, and of a rounded trained model."""


def require_outside_models(path: str | os.PathLike[str]) -> None:
    """Raise InputError if a file or a folder of this name would lie in the folder of a saved
    model. Links are followed.
    """
    try:
        parent = Path(os.path.realpath(path)).parent
        manifest = json.loads((parent / _MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return
    if isinstance(manifest, dict) and any(manifest.keys() >= keys for keys in _KEYS):
        raise InputError(
            f"{printable(path)}: lies in the folder of a saved model, which holds its own files"
            " and no others; give a name elsewhere"
        )


def require_apart(inputs: Mapping[str, Path | None], outputs: Mapping[str, Path | None]) -> None:
    """Every output has a place of its own: not in a saved model, nor in or over an input or
    another output.

    Args:
        inputs, outputs: files and folders, by what they are called on the command line; None where
            there is none.

    Raises:
        InputError: two are the same, or one lies in the other; the message names both.
    """
    read, written = (
        [(name, path) for name, path in some.items() if _is_name(path)]
        for some in (inputs, outputs)
    )
    for _, path in written:
        require_outside_models(path)
    pairs = [(out, other) for out in written for other in read] + list(combinations(written, 2))
    for (name, path), (other_name, other) in pairs:
        if _same(path, other):
            raise InputError(
                f"{name} and {other_name} are both {printable(path)}; each needs a name of its own"
            )
        for (inner_name, inner), (outer_name, outer) in (
            ((name, path), (other_name, other)),
            ((other_name, other), (name, path)),
        ):
            if any(_same(above, outer) for above in Path(os.path.realpath(inner)).parents):
                raise InputError(
                    f"{inner_name} {printable(inner)} lies in {outer_name} {printable(outer)};"
                    " give it a name elsewhere"
                )


def _is_name(path: Path | None) -> TypeGuard[Path]:
    """Whether there is a name, and one that a file can have; of others it is reported where they
    are used.
    """
    try:
        return path is not None and os.path.realpath(path) != ""
    except (OSError, ValueError):
        return False


def _same(one: Path, other: Path) -> bool:
    """Whether two names are of one file or folder, by links and hard links too; devices such as
    /dev/stdout are shared.
    """
    try:
        if os.path.samefile(one, other):
            return os.path.isfile(one) or os.path.isdir(one)
    except OSError:
        pass
    return os.path.realpath(one) == os.path.realpath(other) and not os.path.exists(one)
