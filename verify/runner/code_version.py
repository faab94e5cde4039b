"""Which code computes results: a digest of all of it that may decide one.

It changes with any byte of the source files of `constructions`, `bounds` and `verify`, but for
those that only take words, show results, hand out jobs (`verify.cli`, `verify.runner`,
`verify.__main__`, `verify.interrupts`) and estimate what these take; with the versions of Python,
torch and numpy; and with a user's own files. Results of another version are not taken for results
of this one.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import platform
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from constructions.guards.user_code import is_reference

PACKAGES = ("constructions", "bounds", "verify")
NOT_DECIDING = (
    "verify/cli",
    "verify/runner",
    "verify/__main__.py",
    "verify/interrupts.py",
    "verify/attacking/cost.py",
    "verify/cells/cost.py",
    "verify/cells/dimensions.py",
)
"""Files and folders that decide no result."""
LIBRARIES = ("torch", "numpy")
INSTALLED = ("site-packages", "dist-packages")
"""Folders of what is installed."""


def code_version(own: Iterable[Path] = ()) -> str:
    """The digest, 16 hexadecimal digits.

    Args:
        own: further files of which a result may depend, see `own_files`; in any order.
    """
    whole = hashlib.sha256(f"{versions()}\n".encode())
    for name, path in sorted(_source_files()):
        whole.update(f"{_digest(path)} {name}\n".encode())
    # by what they hold: the same files in another folder, or on another machine, are the same
    for digest in sorted(map(_digest, own)):
        whole.update(f"{digest}\n".encode())
    return whole.hexdigest()[:16]


def versions() -> str:
    """The versions that count, in words; asked of the installed packages without importing
    them.
    """
    python = ".".join(platform.python_version_tuple()[:2])
    return ", ".join([f"Python {python}", *(f"{name} {_version(name)}" for name in LIBRARIES)])


def own_files(references: Iterable[str]) -> list[Path]:
    """The files of a user's own on which the constructions of these names may depend, once they
    have been loaded (`constructions.guards.user_code`): theirs, and all that were imported from
    outside of the installation, or are named in an import of one of these.

    What such a file reads that is no Python module, tables for instance, is not seen.

    Args:
        references: `path/file.py:name` or `package.module:name`; names of the catalogue have no
            files of their own.
    """
    named = [path for one in filter(is_reference, references) for path in _files_of(one)]
    if not named:
        return []
    # the program, such as the script geometric-recall; multiprocessing has another name for it
    program = ("__main__", "__mp_main__")
    modules = [module for name, module in sys.modules.items() if name not in program]
    loaded = [getattr(module, "__file__", None) for module in modules]
    ahead = named + [path for file in loaded if file and _is_own(path := Path(file))]
    found: set[Path] = set()
    while ahead:
        path = ahead.pop().resolve()
        if path not in found and path.is_file():
            found.add(path)
            ahead += _imported_by(path)
    return sorted(found)


def _files_of(reference: str) -> list[Path]:
    """The file that a reference names; of a module in a package all files of the package, which
    is his also where it is installed.
    """
    where = reference.rpartition(":")[0]
    module = sys.modules.get(where)
    file = getattr(module, "__file__", None)
    if file is None:
        return [Path(where).absolute()]
    above = where.count(".") + (Path(file).name == "__init__.py")
    return [Path(file), *(Path(file).parents[above - 1].rglob("*.py") if above else ())]


def _imported_by(path: Path) -> Iterator[Path]:
    """The files of his own that a file names in its imports, wherever they stand in it; of a
    package all of its files.
    """
    for level, name in _imports(path.read_bytes()):
        yield from path.parents[level - 1].glob("*.py") if level else _found(name)


@cache
def _imports(source: bytes) -> frozenset[tuple[int, str]]:
    """What a file imports: how many folders up, 0 for a name from outside, and the first part of
    its name.
    """
    try:
        statements = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError):
        return frozenset()
    names: set[tuple[int, str]] = set()
    for node in statements:
        if isinstance(node, ast.ImportFrom):
            names.add((node.level, "" if node.level else str(node.module).partition(".")[0]))
        elif isinstance(node, ast.Import):
            names.update((0, alias.name.partition(".")[0]) for alias in node.names)
    return frozenset(names)


@cache
def _found(name: str) -> list[Path]:
    """The files of a module or a package of this name, without a dot, if they are his own."""
    if name in PACKAGES or name in sys.stdlib_module_names:
        return []
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):  # it is loaded, and says nothing of itself
        return []
    folders = [Path(folder) for folder in (spec and spec.submodule_search_locations) or ()]
    files = [path for folder in folders if _is_own(folder) for path in folder.rglob("*.py")]
    return files or [path for path in [Path((spec and spec.origin) or "")] if _is_own(path)]


def _is_own(path: Path) -> bool:
    """Whether a file or folder lies outside of the installation."""
    whole = path.resolve()
    installed = any(part in INSTALLED for part in whole.parts)
    return not installed and not any(whole.is_relative_to(folder) for folder in _places())


@cache
def _places() -> list[Path]:
    """The folders of the standard library, and of our packages."""
    library = {sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib")}
    return [Path(folder).resolve() for folder in library] + list(_folders().values())


@cache
def _folders() -> dict[str, Path]:
    """Where our packages lie."""
    found = {}
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        for folder in (spec and spec.submodule_search_locations) or ():
            found[name] = Path(folder).resolve()
    return found


def _source_files() -> Iterator[tuple[str, Path]]:
    """The files that decide results, by their names from the folder of all packages on."""
    for package, folder in _folders().items():
        for path in folder.rglob("*.py"):
            name = f"{package}/{path.relative_to(folder).as_posix()}"
            if not any(name == one or name.startswith(f"{one}/") for one in NOT_DECIDING):
                yield name, path


def _digest(path: Path) -> str:
    """Of what a file holds."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _version(library: str) -> str:
    """The version of a library that is installed."""
    from importlib.metadata import PackageNotFoundError, version  # slow to import

    try:
        return version(library)
    except PackageNotFoundError:
        return "of an unknown version"
