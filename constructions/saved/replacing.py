"""What a save may replace or remove: a model, byte for byte as it was saved, and what a save has
left that was killed.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from constructions.guards.errors import InputError
from constructions.saved import manifest as manifests
from constructions.saved.agreement import require_contents, require_files

UNFINISHED = f".{manifests.NAME}.part"
"""The name under which a manifest is written: so that it is whole, or not there."""
UNFINISHED_TENSORS = re.compile(r"\.tmp[0-9A-Za-z]{6}")
"""The names under which safetensors writes a file, from its version 0.8 on."""


def require_model_folder(folder: Path) -> None:
    """Raise InputError unless the folder holds a model, byte for byte as it was saved, and nothing
    else.
    """
    stays = "so it stays as it is; give another name, or move it away"
    try:
        manifest = manifests.read_manifest(folder)
    except InputError as error:
        raise InputError(
            f"{folder}: is not empty and not the folder of a model, {stays} ({error})"
        ) from None
    try:
        require_files(folder, manifest["files"])
        require_contents(folder, manifest)
        for path in (*folder.iterdir(), folder):
            if path.is_symlink():
                raise InputError(f"{path}: has been made a link")
            if _has_attributes(path):
                raise InputError(f"{path}: has got extended attributes")
    except InputError as error:
        raise InputError(
            f"{folder}: is not just the model that was saved, {stays} ({error})"
        ) from None


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
        ours = name in {*manifests.FILES, UNFINISHED} or UNFINISHED_TENSORS.fullmatch(name)
        if not ours or not stat.S_ISREG((folder / name).lstat().st_mode):
            raise InputError(f"{folder}: holds {name}, which no save has left")
