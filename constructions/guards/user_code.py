"""What a user names in code of his own: `path/file.py:name`, or `package.module:name`.

    loaded("tables/mine.py:mine")        # runs the file, once in a process, and takes `mine` of it

Naming a file runs it, as `python file.py` would. So only a person names one, on the command line
or in Python; nothing here is ever called with a text that a model folder holds.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from constructions.guards.errors import InputError, UserCodeError
from constructions.guards.memory import is_out_of_memory
from constructions.guards.wording import brief, represented

MOST_FRAMES = 3
"""So many of the places in the user's code, the last ones, are shown of an error."""
MOST_NAMES = 12
"""So many names of a file are listed where the one asked for is not among them."""


def is_reference(text: str) -> bool:
    """Whether a text names something in code of a user's, and nothing of ours."""
    return ":" in text


def loaded(reference: str) -> Any:
    """The object of that name in the user's file or module, which is run if it has not been.

    Raises:
        InputError: there is no such file or module, or no such name in it.
        UserCodeError: it has raised an error itself.
    """
    where, _, name = reference.rpartition(":")
    if not where or not name.isidentifier():
        raise InputError(
            f"{reference!r} names nothing: give path/file.py:name or package.module:name"
        )
    by_path = where.endswith(".py") or "/" in where or "\\" in where
    module = _from_file(Path(where).absolute(), where) if by_path else _from_module(where)
    if not hasattr(module, name):
        public = [key for key in vars(module) if not key.startswith("_")]
        own = [key for key in public if not inspect.ismodule(getattr(module, key))][-MOST_NAMES:]
        raise InputError(
            f"{where} defines no {name!r}; "
            + (f"the last names in it are {', '.join(own)}" if own else "it has no names")
        )
    return getattr(module, name)


def kind_of(value: object) -> str:
    """What an object is, in words."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if callable(value):
        return f"the function {getattr(value, '__name__', represented(value))}"
    return f"a {type(value).__name__}, {brief(represented(value), 60)}"


def in_his_code(function: Callable[..., Any], what: str, error: BaseException) -> UserCodeError:
    """An error that a function of the user's has raised, as it is reported: what was done, and the
    last places in the file of that function.
    """
    code = getattr(inspect.unwrap(function), "__code__", None)
    return _reported(what, error, "" if code is None else code.co_filename)


def ours_to_report(error: BaseException) -> bool:
    """Whether an error that comes out of a user's code is none of his: it says itself what was
    given and what to do, or memory has run out.
    """
    return isinstance(error, InputError) or (
        isinstance(error, Exception) and is_out_of_memory(error)
    )


@cache
def _from_file(path: Path, shown: str) -> ModuleType:
    """The module that a file makes, under a name that no other has."""
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "there is no such file"
        raise InputError(f"{shown}: {kind}; give path/file.py:name")
    module = ModuleType(f"{path.stem}_{sha256(bytes(path)).hexdigest()[:8]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where classes and functions of it are looked for
    try:
        # compiled here: a compiled file of a moment ago may be that of an older text
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        raise _reported(f"{shown} cannot be run", error, str(path)) from error
    return module


@cache
def _from_module(name: str) -> ModuleType:
    """The module of that dotted name."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _reported(f"{name} cannot be imported", error, "") from error
        raise InputError(
            f"there is no module {name!r} here; give path/file.py:name, or install its package"
        ) from None
    except (Exception, SystemExit) as error:
        raise _reported(f"{name} cannot be imported", error, "") from error


def _reported(what: str, error: BaseException, file: str) -> UserCodeError:
    """An error in lines: what was done, the error, and where in the file of the user's."""
    said = str(error) or "without a message"
    lines = [f"{what}: {type(error).__name__}: {brief(said, 500)}"]
    if isinstance(error, SyntaxError):
        if error.filename is not None:
            line = (error.text or "").strip()
            lines.append(f"  {error.filename}, line {error.lineno}: {line}")
        return UserCodeError(lines)
    frames = traceback.extract_tb(error.__traceback__)
    if file:
        his = [frame for frame in frames if frame.filename == file]
    else:  # all that was run by the last import, whatever its file
        starts = [
            n for n, one in enumerate(frames) if one.filename.startswith("<frozen importlib")
        ]
        his = frames[max(starts, default=-1) + 1 :]
    lines += map(_place, his[-MOST_FRAMES:])
    if frames and frames[-1] not in his:
        lines.append(f"  raised in{_place(frames[-1])[1:]}")
    return UserCodeError(lines)


def _place(frame: traceback.FrameSummary) -> str:
    """A place in code, in a line."""
    return f"  {frame.filename}, line {frame.lineno}, in {frame.name}: {frame.line}"
