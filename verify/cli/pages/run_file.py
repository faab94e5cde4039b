"""The JSON of a run, read strictly: what no run writes is refused in a sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

from constructions.guards.errors import InputError
from constructions.guards.wording import brief
from verify.cells.against_bounds import BoundCheck
from verify.cli.output import VERDICTS
from verify.cli.pages.report import ReportedCell, Run
from verify.runner.stored import decode

_RUN = "the JSON of a run, or its journal,"
COUNTS = ("verdict", "planned", "passed", "failed", "unknown")


def read_json(path: Path, what: str) -> Any:
    """What a JSON file holds; `what` it is to be, in words.

    Raises:
        InputError: it cannot be read, or is no JSON of numbers that are finite.
    """
    return _parsed(_decoded(_bytes_of(path, what), path, what), path, what)


def json_of_a_run(path: Path) -> str | None:
    """The text of the JSON of a run; None of a file that begins with a plan, as a journal does.

    Raises:
        InputError: it cannot be read.
    """
    raw = _bytes_of(path, _RUN)
    return None if raw.startswith(b'{"plan":') else _decoded(raw, path, _RUN)


def run_of(text: str, source: Path | str) -> Run:
    """The run of which `--json` of a command that runs cells has made this text.

    Args:
        text: of the file.
        source: the file, or in words where the cells come from.

    Raises:
        InputError: it is no such thing; it counts other cells than it holds; or a cell that passed
            has wrong or open answers.
    """
    data = _parsed(text, source, _RUN)
    if not (isinstance(data, dict) and isinstance(data.get("cells"), list)):
        raise InputError(
            f"{source}: has no cells; give what --json of `all` or of a construction has written,"
            " or a journal"
        )
    cells = tuple(_cell(one, f"{source}: cell {i}") for i, one in enumerate(data["cells"], 1))
    planned = data.get("planned")
    if not (isinstance(planned, int) and _is_int(planned) and planned >= len(cells)):
        raise InputError(
            f"{source}: `planned` must be the number of cells, at least the {len(cells):,} that"
            f" are there; it is {_shown(planned)}"
        )
    run = Run(cells, planned, source.name if isinstance(source, Path) else source)
    for name in COUNTS:
        if data.get(name) != run.counts[name]:
            raise InputError(
                f"{source}: says {name} {_shown(data.get(name))}, and its cells say"
                f" {run.counts[name]}; it has been changed: write it anew"
            )
    return run


def _bytes_of(path: Path, what: str) -> bytes:
    """What a file holds."""
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {_why(error)}; {what} is needed") from None


def _decoded(raw: bytes, path: Path, what: str) -> str:
    """The text of a file."""
    try:
        return raw.decode("utf-8")
    except ValueError as error:
        raise InputError(f"{path}: is no text: {_why(error)}; {what} is needed") from None


def _parsed(text: str, source: object, what: str) -> Any:
    """What a JSON text holds."""
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source}: is no JSON: {brief(str(error))}; {what} is needed") from None


def _cell(data: Any, where: str) -> ReportedCell:
    """One cell."""
    if not isinstance(data, dict):
        raise InputError(f"{where} is no object but {_shown(data)}")
    hints = get_type_hints(ReportedCell)
    values = {}
    for name in (one.name for one in fields(ReportedCell)):
        if name not in data:
            raise InputError(f"{where} has no {name!r}, which every run writes")
        if not _fits(data[name], hints[name]):
            raise InputError(f"{where}: {name} cannot be {_shown(data[name])}")
        values[name] = data[name]
    try:
        values["bounds"] = [decode(BoundCheck, one) for one in data["bounds"]]
    except InputError as error:
        raise InputError(f"{where}: bounds: {error}") from None
    cell = ReportedCell(**values)
    if cell.verdict not in VERDICTS:
        raise InputError(
            f"{where}: verdict {_shown(cell.verdict)} is none of {', '.join(VERDICTS)}"
        )
    if cell.verdict == "PASS" and (cell.wrong or cell.unknown or cell.proof == "FAIL"):
        raise InputError(
            f"{where}: says PASS with {cell.wrong or 0} wrong and {cell.unknown or 0} open answers"
            f" and the proof {cell.proof}; no run writes this: write it anew"
        )
    return cell


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value of JSON is of a type that a field of `ReportedCell` declares. Bounds are
    decoded later.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return any(_fits(value, one) for one in inner)
    if origin is list:
        return isinstance(value, list) and (
            inner[0] is BoundCheck or all(_fits(one, inner[0]) for one in value)
        )
    if origin is dict:
        return isinstance(value, dict) and all(_fits(one, inner[1]) for one in value.values())
    checks: dict[Any, Callable[[Any], bool]] = {
        int: _is_int,
        float: lambda one: isinstance(one, float) or (_is_int(one) and abs(one) < 10**300),
        str: lambda one: isinstance(one, str),
        type(None): lambda one: one is None,
    }
    return checks[kind](value)


def _is_int(value: Any) -> bool:
    """Whether a value is an integer, which a truth value is not."""
    return isinstance(value, int) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    """A value of a file, briefly."""
    return brief(json.dumps(value), 60)


def _why(error: Exception) -> str:
    """Why a file cannot be read."""
    return getattr(error, "strerror", None) or brief(str(error))


def _finite(text: str) -> float:
    """A number with a point; what is larger than all of them is refused."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{brief(text, 40)} is too large")
    return value


def _refuse_constant(name: str) -> NoReturn:
    """NaN and infinities are no JSON."""
    raise ValueError(f"{name} is no number of JSON")
