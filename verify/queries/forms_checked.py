"""Whether the form in a folder (`constructions.save_form`) answers every query right: from the
numbers in its files.

Two ways, the first that leads to a verdict:

* *By the construction.* The construction that lies beside the form is proven by the checkers, from
  its own files. Of the form's weights it is computed anew how far a logit may be from the
  construction's, rounding included (`constructions.load_form`). Twice that must be less than the
  proven margin. The bound is computed by the package's own code: the checkers that share nothing
  with it read integers in named columns, and most forms have none.
* *By queries.* Each query is run, and rounding followed through the weights as they are
  (`verify.queries.rounded`): right, whatever the order of sums, wrong, or undecided. Nothing is
  taken from the construction. Up to `MOST_RUN` queries.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from constructions.guards.errors import DoesNotFit, InputError
from constructions.guards.wording import shortened
from constructions.saved.builders import builder_named
from constructions.saved.form_folder import load_form, source_folder
from constructions.saved.form_manifest import Form
from constructions.saved.manifest import read_manifest
from verify.checking.check import check
from verify.kernel.verdict import Verdict
from verify.queries.form_answers import BY_BOUND
from verify.queries.form_proof import NO_BOUND, by_bound, error_of
from verify.queries.recall import check_recall

MOST_RUN = 2**17
"""So many queries are run one by one."""
BY_QUERIES = "queries"
"""Who says so, see `verify.cli.reports.checks`; beside those of `verify.queries.form_answers`."""


def check_form(folder: Path, by: str = "auto") -> Verdict:
    """What can be said of the form in a folder. What is no such folder is a FAIL.

    Args:
        folder: as `save_form` leaves it.
        by: which checker proves the construction, see `verify.checking.check`.
    """
    try:
        if (own := _own_builder(folder)) is not None:
            return Verdict("UNKNOWN", own, by=BY_BOUND)
        form = load_form(folder)
    except DoesNotFit as error:
        return Verdict("UNKNOWN", str(error), by=BY_BOUND)
    except InputError as error:
        return Verdict("FAIL", str(error), by=BY_BOUND)
    bound = error_of(form)
    why = NO_BOUND
    if bound is not None:
        with source_folder(folder) as place:
            found = by_bound(form, check(place, by), bound)
        if found.verdict == "PASS":
            return found
        why = found.reason
    planned = form.n_all_queries()
    if planned > MOST_RUN:
        reason = f"{why}, and of {shortened(planned)} queries at most {MOST_RUN:,} are run"
        return Verdict("UNKNOWN", reason, by=BY_QUERIES)
    return _by_queries(form)


def _own_builder(folder: Path) -> str | None:
    """Why a form of a user's own construction is not checked; None if it is none."""
    with source_folder(folder) as place:
        name = read_manifest(place)["builder"]
    try:
        builder_named(name)
    except InputError as error:
        return f"its construction has to be built to hold the form against it: {error}"
    return None


def _by_queries(form: Form) -> Verdict:
    """The verdict of a pass over all queries, with bounds on rounding."""
    recalls = [check_recall(form, form.facts, hops, "full") for hops in form.path_lengths]
    counted = sum(recall.queries for recall in recalls)
    verdicts = [recall.verdict for recall in recalls]
    for verdict in ("FAIL", "UNKNOWN"):
        if verdict in verdicts:
            found = recalls[verdicts.index(verdict)]
            reason = "; ".join([*found.faults(), *found.doubts()])
            return Verdict(verdict, reason, by=BY_QUERIES)
    every = sum(map(form.facts.n_queries, form.path_lengths))
    return Verdict(
        "PASS",
        queries=counted,
        not_claimed=every - counted,
        margin=Fraction(min(recall.margin for recall in recalls)),
        real_margin=Fraction(min(recall.margin for recall in recalls)),
        hops_per_token=form.hops_per_token,
        rounds="each query is right whatever the order of sums",
        by=BY_QUERIES,
    )
