"""Attacks as jobs of the runner: a series of one kind is a job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from constructions.catalogue import construction
from constructions.guards.errors import InputError
from constructions.guards.wording import brief
from verify.attacking.attack import Tally, series, some_attacks, target_of
from verify.attacking.cost import cost
from verify.attacking.target import MANIFEST, Target
from verify.runner.job import Kind
from verify.runner.outcome import Lost


@dataclass(frozen=True)
class Attacks:
    """Some attacks of one kind on a model folder.

    Attributes:
        folder: where it lies, for each process that runs such a job.
        model: the SHA-256 of its manifest, which lists all its files.
        kind: a name of `KINDS`.
        seed: of the random choices.
        number: of the series.
        each: how many attacks.
        own: the construction of the user's that has made it, `path/file.py:name`; "" for one of
            the catalogue.
    """

    folder: str
    model: str
    kind: str
    seed: int
    number: int
    each: int
    own: str = ""


def all_attacks(
    folder: Path, each: int, seed: int, kinds: Sequence[str], own: str = ""
) -> list[Attacks]:
    """The jobs that attack a model folder `each` times in each of the ways.

    Raises:
        InputError: see `target_of`.
    """
    target_of(folder, construction(own) if own else None)
    model = _digest(folder)
    return [
        Attacks(str(folder.absolute()), model, kind, seed, number, some, own)
        for kind in kinds
        for number, some in series(each)
    ]


def run(attacks: Attacks) -> Tally:
    """Attack.

    Raises:
        InputError: the model is another one than was meant.
    """
    if _digest(Path(attacks.folder)) != attacks.model:
        raise InputError(f"{attacks.folder} is not the model that it was when this began")
    target = _target(attacks.folder, attacks.model, attacks.own)
    return some_attacks(target, attacks.kind, attacks.seed, attacks.number, attacks.each)


def describe(attacks: Attacks) -> dict[str, Any]:
    """All that decides what becomes of the attacks; not where the folder lies."""
    said = asdict(attacks)
    del said["folder"]
    return said


def described(what: dict[str, Any]) -> Attacks:
    """The attacks of which `describe` says this, on a folder that lies wherever.

    Raises:
        InputError: it says no such thing of any attacks.
    """
    try:
        return Attacks(folder="", **what)
    except TypeError:
        raise InputError(f"no attacks are described by {brief(what)}") from None


def lost(attacks: Attacks, why: Lost) -> Tally:
    """No attack was made, and it says why."""
    said = [f"series {attacks.number}: {why}"]
    if why.crashed:
        return Tally(attacks.kind, crashed=said)
    return Tally(attacks.kind, lost=said)


def _digest(folder: Path) -> str:
    """The SHA-256 of a folder's manifest."""
    try:
        return sha256((folder / MANIFEST).read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}: not a saved model") from None


@lru_cache(maxsize=1)
def _target(folder: str, model: str, own: str) -> Target:
    """The model in memory."""
    return target_of(folder, construction(own) if own else None)


def group(attacks: Attacks) -> str:
    """Attacks of one kind."""
    return attacks.kind


SERIES_OF_ATTACKS = Kind("attack", Tally, run, describe, cost, lost, group)
"""A series of attacks of one kind."""


def by_kind(tallies: Sequence[Tally]) -> list[Tally]:
    """All series of each kind together, in the order in which kinds come first."""
    kinds = dict.fromkeys(tally.kind for tally in tallies)
    return [
        sum((tally for tally in tallies if tally.kind == kind), start=Tally(kind))
        for kind in kinds
    ]
