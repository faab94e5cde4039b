"""The folder of a saved model that is named, before anything in it is read."""

from __future__ import annotations

import os
from pathlib import Path

from constructions.guards.errors import InputError


def require_folder(path: str | os.PathLike[str], more: str = "") -> None:
    """Refuse a path that leads to no folder.

    Args:
        path: of a saved model.
        more: what else could be given in its place.

    Raises:
        InputError: so it is.
    """
    if not Path(path).is_dir():
        what = "is no folder" if Path(path).exists() else "no such folder"
        raise InputError(f"{os.fspath(path)}: {what}; give the folder of a saved model{more}")
