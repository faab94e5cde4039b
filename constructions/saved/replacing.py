"""What a save may replace or remove: a model, byte for byte as it was saved, and what a save has
left that was killed.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from constructions.guards.errors import InputError
from constructions.saved import manifest as manifests
from constructions.saved.agreement import require_contents, require_files

UNFINISHED = f".{manifests.NAME}.part"
"""The name under which a manifest is written: so that it is whole, or not there."""
UNFINISHED_TENSORS = re.compile(r"\.tmp[0-9A-Za-z]{6}")
"""The names under which safetensors writes a file, from its version 0.8 on."""


def write_manifest(
    part: Path, description: manifests.Manifest, digests: Mapping[str, str] | None = None
) -> None:
    """Write the manifest of a folder that holds all its other files: what the description says of
    it, and the size and SHA-256 of every file.

    Args:
        part: the folder.
        description: the rest of the manifest.
        digests: those of files that were hashed while they were written.
    """
    known = digests or {}
    files = {
        path.name: {
            "bytes": path.stat().st_size,
            "sha256": known.get(path.name) or manifests.digest(path),
        }
        for path in part.iterdir()
    }
    (part / UNFINISHED).write_bytes(manifests.canonical({**description, "files": files}))
    (part / UNFINISHED).rename(part / manifests.NAME)


def require_model_folder(folder: Path) -> None:
    """Raise InputError unless the folder holds a model, byte for byte as it was saved, and nothing
    else.
    """
    require_unchanged(folder, "model", manifests.read_manifest, require_files)


def require_unchanged(
    folder: Path,
    kind: str,
    read_manifest: Callable[[Path], manifests.Manifest],
    require_files: Callable[[Path, manifests.Manifest], None],
) -> None:
    """Raise InputError unless the folder holds what was saved of this kind, byte for byte, and
    nothing else.

    Args:
        folder: that may be replaced.
        kind: what is in it, in a word.
        read_manifest, require_files: of this kind; they raise InputError.
    """
    stays = "so it stays as it is; give another name, or move it away"
    try:
        manifest = read_manifest(folder)
    except InputError as error:
        raise InputError(
            f"{folder}: is not empty and not the folder of a {kind}, {stays} ({error})"
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
            f"{folder}: is not just the {kind} that was saved, {stays} ({error})"
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
    require_left(folder, require_model_folder)


def require_left(
    folder: Path, require_whole: Callable[[Path], None], known: Collection[str] = ()
) -> None:
    """The same for any kind of folder: `require_whole` is asked where there is a manifest; else it
    may hold files of a model, and of the known names.
    """
    names = {path.name for path in folder.iterdir()}
    if manifests.NAME in names:
        require_whole(folder)
        return
    for name in sorted(names):
        ours = name in {*known, UNFINISHED} or manifests.is_file_of_model(name)
        ours = ours or UNFINISHED_TENSORS.fullmatch(name) is not None
        if not ours or not stat.S_ISREG((folder / name).lstat().st_mode):
            raise InputError(f"{folder}: holds {name}, which no save has left")
