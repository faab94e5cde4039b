"""The lines of a journal: what is in one, and how it is known that it is whole.

A line is a JSON object and a newline. Its last key, `sum`, holds the first 16 hexadecimal digits
of the SHA-256 of all bytes before it: a line of which any byte is lost or changed does not count.
docs/journals.md has the format, key by key.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from constructions.guards.errors import InputError
from verify.runner.stored import decode, encode

FORMAT = 1
MOST_BYTES = 2**26
"""No line is longer; what is, is no line of a journal."""
VERDICTS = ("PASS", "FAIL", "UNKNOWN")
ABOUT = ("kind", "code", "when", "where")
"""What every line about a job says in a word."""
_SUM = b',"sum":"'
_SHORTEST = len(b'{"a":1') + len(_SUM) + len(b'0123456789abcdef"}')


class Damaged(Exception):
    """A line that does not count; the message says why."""


class OtherFormat(Exception):
    """A whole line, of a format that this version of the program does not know."""


@dataclass(frozen=True)
class Plan:
    """What a run is to do: the line at its beginning.

    Attributes:
        command: the words of the command.
        kind: of its jobs.
        code: the version of the code, see `verify.runner.code_version`.
        versions: of Python and libraries, in words.
        own: the constructions of a user's own that take part, `path/file.py:name`.
        part: which of the jobs this run does, in words; empty for all of them.
        host: the name of the machine.
        when: it began, as `now` writes it.
        jobs: how many this run is to do.
        keys: of all jobs, those of other parts included, in the order of the table.
    """

    command: tuple[str, ...]
    kind: str
    code: str
    versions: str
    own: tuple[str, ...]
    part: str
    host: str
    when: str
    jobs: int
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line about a job, without what it says of the result itself.

    Attributes:
        key: names the job.
        kind, code: of the job.
        when: it was written.
        lost: why there is no result; None if there is one.
        crashed: of a lost one: whether the job itself did it.
        verdict: of the result, None if results of this kind have none.
        seconds, memory, where: see `verify.runner.outcome.Done`.
        result: a digest of the result, but for the seconds in it.
    """

    key: str
    kind: str
    code: str
    when: str
    lost: str | None = None
    crashed: bool = False
    verdict: str | None = None
    seconds: float = 0.0
    memory: int | None = None
    where: str = ""
    result: str = ""


def now() -> str:
    """The present moment, in UTC: texts of it are ordered as the moments are."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds_between(one: str, other: str) -> float:
    """From one moment to another."""
    return (datetime.fromisoformat(other) - datetime.fromisoformat(one)).total_seconds()


# -------------------------------------------------------------------- whole lines


def line_of(content: Mapping[str, Any]) -> bytes:
    """A line that says this, with its sum."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False).encode()[:-1]
    return text + _SUM + _sum(text) + b'"}\n'


def content_of(line: bytes) -> dict[str, Any]:
    """What a line says, with its sum checked.

    Raises:
        Damaged: it is not whole, or not as it was written.
    """
    if not line.endswith(b"\n"):
        raise Damaged("it has no end")
    text, end = line[: -len(_SUM) - 19], line[-len(_SUM) - 19 :]
    if len(line) <= _SHORTEST or end != _SUM + _sum(text) + b'"}\n':
        raise Damaged("its sum is not that of what it says")
    try:
        content = json.loads(text + b"}", parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Damaged("it is no JSON") from None
    if not isinstance(content, dict):
        raise Damaged("it is no JSON object")
    return content


def _sum(text: bytes) -> bytes:
    """The sum of all that stands before it."""
    return hashlib.sha256(text).hexdigest()[:16].encode()


def _refuse(word: str) -> Any:
    """NaN and infinities are no strict JSON."""
    raise ValueError(word)


# -------------------------------------------------------------------- what they say


def plan_content(plan: Plan) -> dict[str, Any]:
    """What a line says that begins a run."""
    return {"plan": {"format": FORMAT, **encode(plan)}}


def plan_of(content: Mapping[str, Any]) -> Plan:
    """The plan that a line says.

    Raises:
        Damaged: it says none.
        OtherFormat: it says one of another format.
    """
    said = content["plan"]
    if not isinstance(said, dict) or type(said.get("format")) is not int:
        raise Damaged("its plan has no format")
    if said["format"] != FORMAT:
        raise OtherFormat(
            f"is of format {said['format']}, and this version of the program reads format {FORMAT}"
        )
    try:
        plan = decode(Plan, {name: value for name, value in said.items() if name != "format"})
    except InputError as error:
        raise Damaged(str(error)) from None
    _require_moment(plan.when)
    return plan


def entry_of(content: Mapping[str, Any]) -> Entry:
    """What a line says about a job that is done or lost.

    Raises:
        Damaged: it says no such thing.
    """
    is_lost = "lost" in content
    key = content["lost" if is_lost else "done"]
    about: dict[str, Any] = {name: content.get(name) for name in ABOUT}
    for name, value in {"key": key, **about}.items():
        _require(isinstance(value, str), name)
    _require_moment(content["when"])
    if is_lost:
        _require(isinstance(content.get("why"), str), "why")
        _require(isinstance(content.get("crashed"), bool), "crashed")
        return Entry(key, **about, lost=content["why"], crashed=content["crashed"])
    verdict, memory = content.get("verdict"), content.get("memory")
    seconds: Any = content.get("seconds")
    _require(verdict is None or verdict in VERDICTS, "verdict")
    _require(isinstance(seconds, float) and math.isfinite(seconds), "seconds")
    _require(memory is None or type(memory) is int, "memory")
    _require(isinstance(content.get("result"), dict), "result")
    return Entry(
        key,
        **about,
        verdict=verdict,
        seconds=seconds,
        memory=memory,
        result=digest_of_result(content["result"]),
    )


def digest_of_result(result: Mapping[str, Any]) -> str:
    """Of a stored result, but for the seconds that it took, which no two runs share."""
    lasting = {name: value for name, value in result.items() if name != "seconds"}
    text = json.dumps(lasting, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _require(holds: bool, name: str) -> None:
    """Raise Damaged if a key does not have a value as it must be."""
    if not holds:
        raise Damaged(f"its {name!r} is not as it must be")


def _require_moment(when: str) -> None:
    """Raise Damaged if this is no moment."""
    try:
        aware = datetime.fromisoformat(when).tzinfo is not None
    except ValueError:
        aware = False
    _require(aware and when.endswith("Z"), "when")
