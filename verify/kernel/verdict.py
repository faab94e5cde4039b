"""What a checker says of a model folder, and how it stops."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal


class Refuted(Exception):
    """A claim is false, or the folder is not what its manifest says."""


class Undecided(Exception):
    """The rules do not reach a verdict."""


@dataclass(frozen=True)
class Verdict:
    """What was found.

    Attributes:
        verdict: PASS, FAIL (`reason` names the first refuted claim) or UNKNOWN (`reason` says what
            is not understood).
        reason: why it is not PASS.
        queries: how many queries are proven right.
        not_claimed: how many others there are, of which nothing is said: 0, unless stored queries
            alone are claimed, which meet no missing fact.
        margin: the least logit of an answer minus the next one, where softmax selects without a
            leak. Of a rounded trained model with a single answer 0: there is no next one.
        real_margin: the same in real arithmetic, leaks included.
        exact: the dtype of the weights, if the module computes in it without any rounding.
        hops_per_token: of a chain of thought: a token is written for every so many hops; 0 of
            other models.
        rounds: where `exact` is None, why it is.
        by: which checker says so: "kernel", "symbolic" or "kernel and symbolic".
    """

    verdict: Literal["PASS", "FAIL", "UNKNOWN"]
    reason: str = ""
    queries: int = 0
    not_claimed: int = 0
    margin: Fraction = Fraction(0)
    real_margin: Fraction = Fraction(0)
    exact: str | None = None
    hops_per_token: int = 0
    rounds: str = ""
    by: str = ""


def require(holds: object, otherwise: str, error: type[Refuted | Undecided] = Refuted) -> None:
    """Raise the error unless it holds."""
    if not bool(holds):
        raise error(otherwise)


def whole(value: Any, least: int, what: str) -> int:
    """The value, if it is an integer of at least `least`."""
    fits = type(value) is int and value >= least
    require(fits, f"{what} is {ascii(value)[:100]}, not an integer of at least {least}")
    return int(value)
