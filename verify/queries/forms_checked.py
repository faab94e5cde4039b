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

from constructions.decoders.standard_model import StandardModel
from constructions.guards.errors import DoesNotFit, InputError
from constructions.guards.wording import shortened
from constructions.saved.builders import builder_named
from constructions.saved.form_folder import load_form, source_folder
from constructions.saved.form_manifest import Form
from constructions.saved.manifest import read_manifest
from verify.checking.check import check
from verify.kernel.verdict import Verdict
from verify.queries.recall import check_recall

MOST_RUN = 2**17
"""So many queries are run one by one."""
BY_BOUND, IN_DTYPE, BY_QUERIES = "form", "form in its dtype", "queries"
"""Who says so: see `verify.cli.reports.checks`."""


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
    why = "nothing bounds how far this form's logits are from its construction's"
    if bound is not None:
        with source_folder(folder) as place:
            source = check(place, by)
        found = _by_bound(form, source, bound)
        if found is not None:
            return found
        said = f"{source.verdict}: {source.reason}".removesuffix(": ")
        why = (
            f"its logits are within {float(bound):.3g} of its construction's, of which the"
            f" checkers say {said}"
        )
    planned = form.n_all_queries()
    if planned > MOST_RUN:
        reason = f"{why}, and of {shortened(planned)} queries at most {MOST_RUN:,} are run"
        return Verdict("UNKNOWN", reason, by=BY_QUERIES)
    return _by_queries(form)


def error_of(form: Form) -> Fraction | None:
    """How far a logit of the form may be from its construction's, times `logit_scale` in a
    decoder: 0 where it is the same bit for bit. None where nothing is proven.
    """
    try:
        if form.margin is None:
            return None
        error = form.logit_error
    except InputError:
        return None
    return Fraction(0 if error is None else error)


def _by_bound(form: Form, source: Verdict, error: Fraction) -> Verdict | None:
    """The verdict on a form whose logits are so far from those of its construction; None if that
    is not proven, or by too small a margin.
    """
    scale = form.logit_scale if isinstance(form, StandardModel) else 1
    margin = scale * source.real_margin - 2 * error
    if source.verdict != "PASS" or not margin > 0:
        return None
    covered = f"no logit is off by more than {float(error):.3g}, rounding included"
    return Verdict(
        "PASS",
        queries=source.queries,
        not_claimed=source.not_claimed,
        margin=margin,
        real_margin=margin,
        exact=None if error else source.exact,
        hops_per_token=source.hops_per_token,
        rounds=covered if error else source.rounds,
        by=IN_DTYPE if error else BY_BOUND,
    )


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
