"""What a save may replace or remove: a model, byte for byte as it was saved, and what a save has
left that was killed.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from constructions.guards.errors import InputError
from constructions.saved import manifest as manifests
from constructions.saved.manifest import Manifest

UNFINISHED = f".{manifests.NAME}.part"
"""The name under which a manifest is written: so that it is whole, or not there."""


def require_model_folder(folder: Path) -> None:
    """Raise InputError unless the folder holds a model, byte for byte as it was saved, and nothing
    else.
    """
    try:
        listed = manifests.read_manifest(folder)["files"]
        manifests.require_model_files(folder, listed)
    except InputError as error:
        raise InputError(
            f"{folder}: is not empty and not the folder of a model, so it stays as it is; give"
            f" another name, or remove it ({error})"
        ) from None
    others = sorted({path.name for path in folder.iterdir()} - listed.keys() - {manifests.NAME})
    if others:
        raise InputError(
            f"{folder}: holds more than a model, so it stays as it is; move {', '.join(others)}"
            " away first"
        )
    for name in (manifests.NAME, *sorted(listed), ""):
        if different := _different(folder / name, listed.get(name)):
            raise InputError(
                f"{folder / name}: {different} since the model was saved, so the folder stays as"
                " it is; give another name, or move it away"
            )


def _different(path: Path, listed: Manifest | None) -> str:
    """In what a file is not as it was saved; nothing if it is. Of the folder and its manifest the
    bytes are not listed.
    """
    if path.is_symlink():
        return "has been made a link"
    if listed is not None and (not path.is_file() or path.stat().st_size != listed["bytes"]):
        return "has been changed"
    if listed is not None and manifests.digest(path) != listed["sha256"]:
        return "has been changed"
    return "has got extended attributes" if _has_attributes(path) else ""


def _has_attributes(path: Path) -> bool:
    """Whether a user has put attributes beside the data, where the system can tell."""
    try:
        return hasattr(os, "listxattr") and any(
            name.startswith("user.") for name in os.listxattr(path)
        )
    except OSError:  # this file system has none
        return False


def require_left_over(folder: Path) -> None:
    """Raise InputError unless the folder is what a save leaves that is killed: a whole model, or
    some files of one.
    """
    names = {path.name for path in folder.iterdir()}
    if manifests.NAME in names:
        require_model_folder(folder)
        return
    for name in sorted(names):
        if name not in {*manifests.FILES, UNFINISHED} or not stat.S_ISREG(
            (folder / name).lstat().st_mode
        ):
            raise InputError(f"{folder}: holds {name}, which no save has left")
