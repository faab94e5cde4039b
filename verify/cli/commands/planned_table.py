"""`verify plan FILE`: what a table would take."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from constructions.guards.errors import InputError
from verify.cli.commands.importing import read
from verify.cli.output import say
from verify.cli.status import FAILED, PASSED
from verify.cli.written_files import check_writable, write_text

if TYPE_CHECKING:
    from bounds.plans import Budget

WITHOUT_A_TABLE = ("N", "R", "all", "only", "plot", "style", "size", "trained", "csv")
"""Options of a plan of sizes."""


def run_plan_of_a_table(options: argparse.Namespace, budget: Budget) -> int:
    """What a table takes: of the file what it holds, of each construction what it would be.

    Raises:
        InputError: an option is given that is of a plan of sizes; or see `read`.
    """
    from time import perf_counter

    from verify.cells.expected import expected
    from verify.cli.reports import table_plan

    given = {name: getattr(options, name) for name in WITHOUT_A_TABLE} | {"with": options.own}
    for name, value in given.items():
        if value:
            flag = f"-{name}" if len(name) == 1 else f"--{name}"
            raise InputError(f"{flag} is of a plan without a table; leave out {flag}, or the file")
    if len(options.k) > 1:
        raise InputError(f"a table is planned for one length of paths; -k has {len(options.k)}")
    if options.many == "set":
        raise InputError(
            f"sets of answers have one construction, of another command: sets {options.file}"
        )
    check_writable(options.json)
    (hops,) = options.k
    there = read(options)
    facts = there.table()
    for line in table_plan.table_lines(facts, there.conflicts, options.many):
        say(line)
    started = perf_counter()
    found = list(expected(facts, hops, budget))
    for line in table_plan.plan_lines(found, perf_counter() - started):
        say(line)
    write_text(
        options.json,
        lambda: table_plan.as_json(options.file, facts, there.conflicts, hops, found),
    )
    return PASSED if table_plan.fitting(found) else FAILED
