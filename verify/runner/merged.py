"""One journal or several, taken together: what was planned, what of it is done, and whether two
results contradict each other.

What comes out depends on the lines alone, not on the order of the files, nor on how often one is
given; it may be written as one journal, which says the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from verify.runner.contents import Contents, Line
from verify.runner.lines import Entry, Plan, line_of, plan_content, seconds_between


@dataclass(frozen=True)
class Found:
    """A line about a job, and the journal that it stands in."""

    journal: Contents
    line: Line

    @property
    def entry(self) -> Entry:
        """What it says."""
        return self.line.entry

    @property
    def plan(self) -> Plan | None:
        """Of the run that has written it; None if that line is lost."""
        return self.journal.plans[self.line.run] if self.line.run >= 0 else None

    def said(self) -> dict[str, Any]:
        """All that it says, the result included."""
        return next(self.journal.said([self.line]))

    def in_words(self) -> str:
        """Where it stands, and who has written it."""
        return (
            f"{self.journal.path}, line {self.line.number} ({self.entry.where}, {self.entry.when})"
        )


class Merged:
    """Journals, taken together.

    Attributes:
        journals: what was found in each.
        plans: one for each run, in the order of time.
        code: the version of the code of the last run; what is of another one does not count.
        planned: the kind of each job that was planned in this version, by its key, in the order
            of the table.
        done: the result of each job that has one, of every version; of several that are equal the
            first one.
        lost: where there is none, the last line that says so.
        conflicts: results of one job that are not equal, in pairs.
    """

    def __init__(self, journals: Sequence[Contents]):
        self.journals = journals
        plans = {plan for journal in journals for plan in journal.plans}
        self.plans = sorted(plans, key=lambda plan: (plan.when, plan.host, plan.keys, repr(plan)))
        self.done: dict[str, Found] = {}
        self.lost: dict[str, Found] = {}
        self.conflicts: list[tuple[Found, Found]] = []
        for found in self._in_order():
            key = found.entry.key
            if found.entry.lost is not None:
                self.lost[key] = found
            elif key not in self.done:
                self.done[key] = found
            elif self.done[key].entry.result != found.entry.result:
                self.conflicts.append((self.done[key], found))
        self.lost = {key: found for key, found in self.lost.items() if key not in self.done}
        self.code = self.plans[-1].code if self.plans else self._last_code()
        plans_of_code = [plan for plan in self.plans if plan.code == self.code]
        self.planned = {key: plan.kind for plan in plans_of_code for key in plan.keys}
        if not self.planned:
            entries = [found.entry for found in self.done.values()]
            self.planned = {one.key: one.kind for one in entries if one.code == self.code}

    def _in_order(self) -> list[Found]:
        """All lines about jobs, in the order of time."""
        every = [Found(journal, line) for journal in self.journals for line in journal.lines]
        return sorted(
            every,
            key=lambda found: (
                found.entry.when,
                found.entry.where,
                found.entry.key,
                found.entry.result,
                found.entry.seconds,
            ),
        )

    def _last_code(self) -> str:
        """Where no plan is left, the version of the last result."""
        return next(reversed(self.done.values())).entry.code if self.done else ""

    @property
    def keys(self) -> list[str]:
        """Of all jobs that were planned, in the order of the table."""
        return list(self.planned)

    @cached_property
    def results(self) -> list[Found]:
        """Those of the plan, in its order."""
        return [self.done[key] for key in self.planned if key in self.done]

    @cached_property
    def lost_of_plan(self) -> list[Found]:
        """The jobs of the plan that were lost, in its order."""
        return [self.lost[key] for key in self.planned if key in self.lost]

    @property
    def n_others(self) -> int:
        """How many results are no part of the plan: those of other versions of the code."""
        return len(self.done) - len(self.results)

    @cached_property
    def digest(self) -> str:
        """Of all results of the plan, but for the seconds in them: the same in whatever order, how
        often interrupted, and on which machines they were computed.
        """
        whole = hashlib.sha256()
        for found in sorted(self.results, key=lambda found: found.entry.key):
            whole.update(f"{found.entry.key} {found.entry.result}\n".encode())
        return whole.hexdigest()

    @cached_property
    def seconds(self) -> float:
        """For how long at least one run of this version was going on."""
        total, until = 0.0, ""
        for start, end in sorted(self._runs()):
            start = max(start, until)
            if end > start:
                total += seconds_between(start, end)
                until = end
        return total

    def _runs(self) -> Iterator[tuple[str, str]]:
        """When each run of this version began, and when its last line was written."""
        for journal in self.journals:
            ends = {number: plan.when for number, plan in enumerate(journal.plans)}
            for line in journal.lines:
                if line.run >= 0:
                    ends[line.run] = max(ends[line.run], line.entry.when)
            for number, plan in enumerate(journal.plans):
                if plan.code == self.code:
                    yield plan.when, ends[number]

    def as_lines(self) -> Iterator[bytes]:
        """One journal that says the same: after each plan what was found in its run. Lines that do
        not count are left out.
        """
        of_run: dict[Plan | None, list[Found]] = {}
        for found in (*self.done.values(), *self.lost.values()):
            of_run.setdefault(found.plan, []).append(found)
        for plan in (None, *self.plans):
            if plan is not None:
                yield line_of(plan_content(plan))
            lines = sorted(of_run.get(plan, []), key=lambda one: (one.entry.when, one.entry.key))
            for found in lines:
                yield from found.journal.raw([found.line])
