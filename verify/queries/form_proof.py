"""Whether a form answers every query right, from what is proven of its construction: no query is
run.

The checkers have proven by how much every answer of the construction wins, in real arithmetic.
What is known of a form beside it is how far one of its logits, as it is computed, may be from the
construction's in real arithmetic; where twice that is less than the margin, its answers are right.
Of noise it is the other way round: the radius is made so that every answer bears it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from constructions.decoders.model_form import ModelForm, margin_if_proven
from constructions.decoders.standard_model import StandardModel
from constructions.forms.source import is_of_catalogue, margin_as_built
from constructions.guards.errors import InputError
from constructions.guards.wording import shortened
from constructions.model.answering import Answering
from constructions.model.fact_model import FactModel
from constructions.saved.form_manifest import Form
from verify.kernel.verdict import Verdict
from verify.queries.form_answers import BY_BOUND, IN_DTYPE

NO_BOUND = "nothing bounds how far this form's logits are from its construction's"


class Noise(NamedTuple):
    """Noise that a form has been given.

    Attributes:
        bare: the form without it.
        radius: that `bare` is certified to bear, from the margin that the construction claims.
    """

    bare: ModelForm
    radius: float


class Made(NamedTuple):
    """A form, and what is known of it.

    Attributes:
        form: the module.
        allowed: how far a logit may be from the construction's, both as computed; infinite where
            only answers are claimed.
        noise: on its weights, of a radius for all queries at once; None where it has none, or
            where its radius was found by following each query.
    """

    form: Answering
    allowed: float
    noise: Noise | None = None


def proven_form(model: FactModel, made: Made, source: Verdict) -> Verdict:
    """What is known of a form whose construction the checkers judge so: FAIL where they refute
    that.

    Args:
        model: the construction.
        made: its form.
        source: what the checkers say.
    """
    if source.verdict == "FAIL":
        return replace(source, reason=_said(source))
    if not is_of_catalogue(model):
        return _unknown("no theorem of the catalogue is about its construction, which is your own")
    claim = margin_if_proven(model)
    if claim is not None and not claim.rounds and source.verdict == "PASS" and not source.exact:
        return _unknown(
            f"its construction claims not to round, which is not proven: {source.rounds}"
        )
    if made.noise is not None:
        return _by_radius(made.form, made.noise, source)
    bound = error_of(made.form) if isinstance(made.form, Form) else None
    if bound is None:
        return _unknown(NO_BOUND)
    return by_bound(made.form, source, bound)


def error_of(form: Form) -> Fraction | None:
    """How far a logit of the form may be from its construction's, times `logit_scale` in a
    decoder: 0 where it is the same bit for bit. None where nothing is proven.
    """
    try:
        error, same = form.logit_error, form.margin is not None
    except InputError:
        return None
    if error is None:
        return Fraction(0) if same else None
    return Fraction(error) if math.isfinite(error) else None


def by_bound(form: Answering, source: Verdict, error: Fraction) -> Verdict:
    """PASS on a form whose logits are so far from those of its construction, if that is proven by
    a margin that is large enough; else UNKNOWN.
    """
    scale = form.logit_scale if isinstance(form, StandardModel) else 1
    margin = scale * source.real_margin - 2 * error
    if source.verdict != "PASS" or not margin > 0:
        within = f"its logits are within {float(error):.3g} of its construction's"
        return _unknown(f"{within}, of which {_said(source)}")
    covered = f"no logit is off by more than {float(error):.3g}, rounding included"
    return replace(
        source,
        margin=margin,
        real_margin=margin,
        exact=None if error else source.exact,
        rounds=covered if error else source.rounds,
        by=IN_DTYPE if error else BY_BOUND,
    )


def _by_radius(form: Answering, noise: Noise, source: Verdict) -> Verdict:
    """PASS on a form with noise, if it has no more than its radius, and the margin is proven that
    the radius rests on; else UNKNOWN.
    """
    claim = margin_as_built(noise.bare)
    for name, weight in noise.bare.named_parameters():
        off = (form.get_parameter(name).double() - weight.double()).abs().max().item()
        if not off < noise.radius:  # what is less when it is rounded is less
            return _unknown(f"{name} is off by {off}, not less than the radius {noise.radius}")
    if source.verdict != "PASS":
        return _unknown(f"of its construction {_said(source)}")
    if not source.real_margin >= claim.real:
        less = float(claim.real - source.real_margin)
        rests = f"its radius rests on a margin of {shortened(claim.real)}"
        return _unknown(f"{rests}, and {less:.2g} less than that is proven of its construction")
    covered = "every answer bears noise of its radius, rounding included"
    nothing = Fraction(0)  # how much is left is not known
    return replace(
        source, margin=nothing, real_margin=nothing, exact=None, rounds=covered, by=IN_DTYPE
    )


def _said(source: Verdict) -> str:
    """What the checkers say, in words."""
    if source.verdict != "PASS":
        return f"the checkers say {source.verdict}: {source.reason}".removesuffix(": ")
    return f"the checkers have proven a margin of {shortened(source.real_margin)}"


def _unknown(why: str) -> Verdict:
    """Nothing is known."""
    return Verdict("UNKNOWN", why, by=BY_BOUND)
