"""What `learned --json` and `compare --json` have written, read again for a report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from constructions.guards.errors import InputError
from constructions.guards.wording import brief
from verify.cli.pages.figures import svg_of
from verify.cli.pages.report import Expected, Figure, Memories, TrainedModels
from verify.cli.pages.run_file import read_json
from verify.runner.stored import decode

OUTCOMES = ("met", "refuted", "not known", "of the default size")
Read = TypeVar("Read")


def learned(path: Path) -> tuple[list[TrainedModels], Figure]:
    """The experiments of a file, and their picture.

    Raises:
        InputError: it is no JSON of `learned`.
    """
    data = read_json(path, "what learned --json has written")
    return _understood(path, "learned", lambda: _learned(data))


def memories(path: Path) -> tuple[list[Memories], Figure]:
    """The comparisons of a file, and their picture.

    Raises:
        InputError: it is no JSON of `compare`.
    """
    data = read_json(path, "what compare --json has written")
    return _understood(path, "compare", lambda: _memories(data))


def _understood(path: Path, command: str, read: Callable[[], Read]) -> Read:
    """What a file says; InputError if it is no such file."""
    try:
        return read()
    except InputError as error:
        raise InputError(f"{path}: {error}; give what {command} --json has written") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        said = brief(f"{type(error).__name__}: {error}")
        raise InputError(
            f"{path}: is not what {command} --json writes ({said}); write it anew"
        ) from None


def _learned(data: Any) -> tuple[list[TrainedModels], Figure]:
    """The experiments of the data of a file."""
    from verify.cli.reports.learned_picture import write
    from verify.learned.experiments.found import Found
    from verify.learned.experiments.known import EXPERIMENTS

    shown, drawn = [], []
    for name, one in data["experiments"].items():
        if name not in EXPERIMENTS:
            raise InputError(f"no experiment is called {brief(repr(name))}")
        experiment, found = EXPERIMENTS[name], [decode(Found, each) for each in one["found"]]
        expectations = [
            Expected(str(each["expected"]), str(each["refuted by"]), _outcome(each["outcome"]))
            for each in one["expectations"]
        ]
        table = experiment.table(found) if found else ["no point was run"]
        shown.append(
            TrainedModels(
                name,
                experiment.title,
                experiment.question,
                expectations,
                table,
                _at_least_0(one["left"]),
            )
        )
        if found and not one["left"]:
            drawn.append((experiment, found))
    if not drawn:
        raise InputError("no experiment in it has been run whole")
    return shown, Figure(
        "learned",
        "What training finds",
        "The outcome of each experiment, a panel for each; the lines below have the numbers.",
        f"python -m verify learned {' '.join(data['experiments'])} --plot learned.svg",
        svg_of(lambda path: write(drawn, path)),
    )


def _outcome(word: Any) -> str:
    """What has become of an expectation: one of the known words."""
    if word not in OUTCOMES:
        raise InputError(f"an outcome is one of {', '.join(OUTCOMES)}; got {brief(repr(word))}")
    return str(word)


def _at_least_0(count: Any) -> int:
    """A number of things."""
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise InputError(f"`left` is a number of points; got {brief(repr(count))}")
    return count


def _memories(data: Any) -> tuple[list[Memories], Figure]:
    """The comparisons of the data of a file."""
    from verify.cli.reports import compared as lines
    from verify.cli.reports.compared_picture import write
    from verify.rivals.all import ALL
    from verify.rivals.compared import compared
    from verify.rivals.scored import Scored
    from verify.rivals.work import Work

    works = []
    for one in data["works"]:
        names = [each["name"] for each in one["memories"]]
        for name in names:
            if name not in ALL:
                raise InputError(f"no memory is called {brief(repr(name))}")
        found = [decode(Scored, each) for memory in one["memories"] for each in memory["found"]]
        seeds = [int(seed) for seed in one["seeds"]]
        works.append(compared(decode(Work, one["work"]), seeds, [ALL[x] for x in names], found))
    if not works:
        raise InputError("it holds no comparison")
    shown = [
        Memories(
            lines.title(one),
            lines.limits(one),
            lines.table(one),
            list(lines.notes(one)),
            len(list(one.below())),
            one.left(),
        )
        for one in works
    ]
    return shown, Figure(
        "memories",
        "Every memory on the same facts",
        "Left, facts recalled against stored numbers, a mark for each memory; right, bits for each"
        " fact of each memory beside the information limit. The tables below have the numbers.",
        "python -m verify compare ... --plot memories.svg",
        svg_of(lambda path: write(works, path)),
    )
