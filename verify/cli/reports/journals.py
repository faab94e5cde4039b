"""What there is in journals: in lines for a person, and the evidence itself for tables."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from constructions.guards.wording import joined
from verify.runner.durations import measured
from verify.runner.merged import Found, Merged

WIDTH, LABEL = 99, 10
SLOWEST, MOST_NAMED = 3, 5
MOST_SHOWN = 48
"""Characters of a value, such as a digest, of which else the beginning alone is shown."""


@dataclass(frozen=True)
class Counted:
    """How many jobs were planned, and what has become of them.

    Attributes:
        planned: in the version of the last run.
        passed, failed, unknown: of those that are done, by their verdicts.
        lost: that are not done, and were lost when they were last tried.
        crashed: of these: whose own fault it was.
        conflicts: jobs with results that are not equal.
    """

    planned: int
    passed: int
    failed: int
    unknown: int
    lost: int
    crashed: int
    conflicts: int

    @property
    def left(self) -> int:
        """How many have not been tried."""
        return self.planned - self.passed - self.failed - self.unknown - self.lost

    @property
    def verdict(self) -> str:
        """FAIL if anything failed, crashed or contradicts; PASS if all that was planned passed."""
        if self.failed or self.crashed or self.conflicts:
            return "FAIL"
        return "PASS" if self.passed == self.planned > 0 else "UNKNOWN"


def counted(merged: Merged) -> Counted:
    """What has become of the jobs of the plan."""
    verdicts = [found.entry.verdict for found in merged.results]
    passed, failed = verdicts.count("PASS"), verdicts.count("FAIL")
    lost = [found.entry for found in merged.lost_of_plan]
    return Counted(
        planned=len(merged.keys),
        passed=passed,
        failed=failed,
        unknown=len(verdicts) - passed - failed,
        lost=len(lost),
        crashed=sum(entry.crashed for entry in lost),
        conflicts=len({one.entry.key for one, _ in merged.conflicts}),
    )


def journal_lines(merged: Merged, present: str) -> str:
    """What was planned and done, when and where; `present` is the version of this program's code.

    Less than 100 characters in each line, but for words that are longer than that.
    """
    lines = []
    for label, texts in _parts(merged, present):
        for number, text in enumerate(texts):
            said = wrap(text, WIDTH - LABEL, break_long_words=False, break_on_hyphens=False)
            for at, line in enumerate(said):
                shown = label if not number and not at else ""
                lines.append(f"{shown:<{LABEL}}{'  ' * (at > 0)}{line}")
    return joined(lines)


def verdict_line(count: Counted) -> str:
    """The last line."""
    jobs = "job" if count.planned == 1 else "jobs"
    crashed = f" ({count.crashed:,} crashed)" if count.crashed else ""
    conflicts = f", {count.conflicts:,} with results that are not equal" * bool(count.conflicts)
    return (
        f"{count.verdict}: {count.planned:,} {jobs} planned, {count.passed:,} passed,"
        f" {count.failed:,} failed, {count.unknown:,} unknown, {count.lost:,} lost{crashed},"
        f" {count.left:,} left{conflicts}"
    )


def conflict_lines(merged: Merged) -> str:
    """Both sides of results that are not equal, and where they differ."""
    lines = []
    for one, other in merged.conflicts[:MOST_NAMED]:
        sides = [found.said() for found in (one, other)]
        lines.append(f"not equal: {_job(one, sides[0])}")
        differing = list(_differing(sides[0]["result"], sides[1]["result"]))[:MOST_NAMED]
        for found, side in ((one, 0), (other, 1)):
            values = ", ".join(f"{path} = {pair[side]}" for path, *pair in differing)
            lines.append(f"    {found.in_words()}: {values}")
    if (more := len(merged.conflicts) - MOST_NAMED) > 0:
        lines.append(f"... and {more:,} more")
    return joined(lines)


def _parts(merged: Merged, present: str) -> Iterator[tuple[str, list[str]]]:
    """What is said, by its label."""
    plans = [plan for plan in merged.plans if plan.code == merged.code]
    yield ("journal", [str(journal.path) for journal in merged.journals])
    yield ("command", _few(list(dict.fromkeys(shlex.join(plan.command) for plan in plans))))
    yield ("code", [_code(merged, present)])
    yield ("runs", [_runs(merged)])
    yield ("machines", _machines(merged.results))
    yield ("jobs", [_jobs(merged)])
    if merged.n_others:
        others = f"{merged.n_others:,} results of another version of the code do not count"
        yield ("others", [others])
    yield ("time", [_time(merged)])
    slowest = sorted(merged.results, key=lambda found: -found.entry.seconds)[:SLOWEST]
    yield ("slowest", [f"{measured(one.entry.seconds)}: {_job(one)}" for one in slowest])
    yield ("failed", _named([one for one in merged.results if one.entry.verdict == "FAIL"]))
    yield ("lost", _named(merged.lost_of_plan))
    yield ("digest", [merged.digest])


def _code(merged: Merged, present: str) -> str:
    """Which version, and whether this program has it."""
    versions = [plan.versions for plan in merged.plans if plan.code == merged.code]
    own = {name for plan in merged.plans if plan.code == merged.code for name in plan.own}
    same = "the present one" if merged.code == present else f"not the present one, {present}"
    if own and merged.code != present:
        same += f"; compare with{''.join(f' --with {name}' for name in sorted(own))}"
    return ", ".join([f"{merged.code or 'unknown'} ({same})", *versions[-1:]])


def _jobs(merged: Merged) -> str:
    """What has become of them."""
    count, kinds = counted(merged), ", ".join(dict.fromkeys(merged.planned.values()))
    return (
        f"{count.planned:,} planned{f' ({kinds})' * bool(kinds)}: {len(merged.results):,} done,"
        f" {count.lost:,} lost, {count.left:,} left; {count.passed:,} passed, {count.failed:,}"
        f" failed, {count.unknown:,} unknown"
    )


def _runs(merged: Merged) -> str:
    """How many there were, of which parts, and when."""
    plans = [plan for plan in merged.plans if plan.code == merged.code]
    parts = ", ".join(dict.fromkeys(f"part {plan.part}" for plan in plans if plan.part))
    lines = [*merged.results, *merged.lost_of_plan]
    moments = sorted([plan.when for plan in plans] + [found.entry.when for found in lines])
    ends = [when[:16].replace("T", " ") for when in moments[:1] + moments[-1:]]
    when = f", {' to '.join(ends)} UTC" if moments else ""
    return f"{len(plans):,}{f' ({parts})' * bool(parts)}{when}"


def _machines(results: Sequence[Found]) -> list[str]:
    """How many results each machine has made."""
    where: dict[str, int] = {}
    for found in results:
        where[found.entry.where] = where.get(found.entry.where, 0) + 1
    said = [f"{name or 'unknown'}: {n:,} result{'s' * (n != 1)}" for name, n in where.items()]
    return ["; ".join(said)] if said else []


def _time(merged: Merged) -> str:
    """What all took, and the most memory that a process held."""
    core = sum(found.entry.seconds for found in merged.results)
    held = [one.entry.memory for one in merged.results if one.entry.memory is not None]
    memory = f"; a process held {max(held) / 2**20:,.0f} MiB at most" if held else ""
    return f"{measured(core)} of one core, {measured(merged.seconds)} on the clock{memory}"


def _named(some: Sequence[Found]) -> list[str]:
    """The first few of some jobs, and why they were lost."""
    said = []
    for found in some[:MOST_NAMED]:
        why = "" if found.entry.lost is None else f": {found.entry.lost}"
        said.append(f"{_job(found)}{why}")
    return _few(said, len(some))


def _few(some: list[str], of: int | None = None) -> list[str]:
    """The first few of some things, and how many more there are."""
    more = (len(some) if of is None else of) - MOST_NAMED
    return some[:MOST_NAMED] + [f"... and {more:,} more"] * (more > 0)


def _job(found: Found, said: Mapping[str, Any] | None = None) -> str:
    """A job in words: all that decides it, but for what is empty."""
    what = (found.said() if said is None else said)["what"]
    return f"{found.entry.kind} {' '.join(_words(what))}"


def _words(what: Any) -> Iterator[str]:
    """What decides a job, word by word."""
    for name, value in what.items() if isinstance(what, dict) else ():
        if isinstance(value, dict):
            yield from _words(value)
        elif value not in ("", None, []):
            text = str(value)
            yield f"{name}={text if len(text) <= MOST_SHOWN else f'{text[:12]}...'}"


def _differing(one: Any, other: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two results differ but for their seconds, and what each says there."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for name in one:
            if path or name != "seconds":
                yield from _differing(one[name], other[name], f"{path}.{name}".lstrip("."))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for at, (first, second) in enumerate(zip(one, other, strict=True)):
            yield from _differing(first, second, f"{path}[{at}]")
    elif one != other or type(one) is not type(other):
        yield path, one, other
