"""Files and folders that commands write: where they may lie, and how they are written."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from constructions.files.outputs import require_apart
from constructions.files.whole_file import write_atomically
from constructions.guards.errors import InputError


def require_places(options: argparse.Namespace) -> None:
    """Refuse, before any work, an output in a saved model, or in or over an input or another
    output.

    Raises:
        InputError: see `constructions.files.outputs.require_apart`.
    """
    given = vars(options)
    made = options.command == "example"
    read = {"FOLDER": given.get("folder"), "FILE": None if made else given.get("file")}
    read |= {f"--{option}": given.get(option) for option in ("templates", "questions", "style")}
    read |= {"CHANGES": given.get("changes"), "--remove": given.get("remove")}
    read |= {"OLD": given.get("old"), "NEW": given.get("new")}
    read |= {f"FILE {i}": path for i, path in enumerate(given.get("journals") or (), 1)}
    named = ("--save", "--json", "--csv", "--plot", "--journal")
    written = {option: given.get(option.strip("-")) for option in named}
    read |= {f"--{name}": given.get(name) for name in ("learned", "compared")}
    read |= {"--from": given.get("results")}
    written |= {"OUT": given.get("out"), "FILE": given.get("file") if made else None}
    written |= {"-o": given.get("merged") or given.get("written")}
    inputs, outputs = (
        {name: path and Path(path) for name, path in some.items()} for some in (read, written)
    )
    require_apart(inputs, outputs)


def check_writable(path: Path | None) -> None:
    """Refuse a file that cannot be written before the long work starts."""
    try:
        writable = path is None or (not path.is_dir() and _takes_files(path.resolve().parent))
    # links that lead nowhere, and what is no name of a file
    except (OSError, RuntimeError, ValueError):
        writable = False
    if not writable:
        raise InputError(f"{path}: cannot be written: give a file name in an existing folder")


def check_folder(path: Path | None) -> None:
    """Refuse a model folder that cannot be made before the long work starts."""
    try:
        writable = path is None or (not path.is_file() and _takes_files(path.absolute().parent))
    except (OSError, ValueError):
        writable = False
    if not writable:
        raise InputError(
            f"{path}: cannot be written: give the name of a model folder in an existing folder"
        )
    if path is not None and path.is_dir() and _holds_no_model(path):
        raise InputError(
            f"{path}: is not empty and not the folder of a model, so it stays as it is; give"
            " another name"
        )


def check_folder_is_new(path: Path) -> None:
    """Refuse, before the long work starts, a folder that cannot be made or that holds something.

    Raises:
        InputError: so it is.
    """
    try:
        writable = not os.path.lexists(path) or path.is_dir()
        writable = writable and _takes_files(path.resolve().parent)
        filled = path.is_dir() and any(path.iterdir())
    except (OSError, RuntimeError, ValueError):
        writable = filled = False
    if filled:
        raise InputError(
            f"{path}: is not empty, so it stays as it is; give another name, or remove it"
        )
    if not writable:
        raise InputError(
            f"{path}: cannot be written: give the name of a new folder in an existing one"
        )


def _holds_no_model(folder: Path) -> bool:
    """Whether there is something in a folder, but no manifest, without which it is no model's."""
    return any(folder.iterdir()) and not (folder / "manifest.json").exists()


def _takes_files(folder: Path) -> bool:
    """Whether files can be made in a folder."""
    return folder.is_dir() and os.access(folder, os.W_OK)


def write_text(path: Path | None, text: Callable[[], str]) -> None:
    """Write a file in one step, if one is asked for."""
    if path is not None:
        write_atomically(path, iter([text()]))
