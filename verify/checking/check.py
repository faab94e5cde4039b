"""Check a model folder: that it is what its manifest says, and that its model answers every query
right.

Files are mapped, not loaded. What is said of the answers comes from a checker of `CHECKERS`, or
from both: each has its own proof, and both read one certificate. Before that, whichever is asked,
the folder must be what it says of itself: `verify.checking.described`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from verify import rounded, sets, symbolic
from verify.checking import described
from verify.checking.work import MOST_WORK, MOST_WORK_ALONE, work
from verify.kernel import proof as kernel
from verify.kernel.verdict import Refuted, Undecided, Verdict, require
from verify.reading.weights import joined
from verify.reading.wording import escaped

CHECKERS: dict[str, Callable[[Mapping[str, Any], Any], Verdict]] = {
    "kernel": kernel.prove,
    "symbolic": symbolic.prove,
}
"""By name: from the files and the manifest to a verdict, or Refuted or Undecided is raised."""
CHOICES = ("auto", "both", *CHECKERS)
"""`auto` is both where the kernel's work is little; else the symbolic checker, and the kernel
where that one does not decide.
"""
MOST_TRIES = 100  # to map a folder that does not change meanwhile
MOST_REPORTED = 2000  # characters of a reason


def check(folder: str | os.PathLike[str], by: str = "auto") -> Verdict:
    """Check a model folder. What is no model folder is a FAIL.

    Args:
        folder: as `constructions.save` writes it.
        by: one of `CHOICES`.

    Raises:
        ValueError: there is no such choice.

    Example:
        >>> save(selector(facts), 'model')
        >>> check('model').verdict
        'PASS'
    """
    for _ in range(MOST_TRIES):
        before, reported = _which(folder), ""
        try:
            files = _mapped(Path(folder))
        except (OSError, ValueError) as error:
            reported = f"{folder}: cannot be read: {getattr(error, 'strerror', None) or error}"
        except Refuted as error:
            reported = f"{error}"
        # else another folder has got the name meanwhile, and files are of both
        if _which(folder) == before:
            return Verdict("FAIL", escaped(reported)) if reported else check_files(files, by)
    return Verdict("UNKNOWN", escaped(f"{folder}: is replaced again and again while it is read"))


def _mapped(folder: Path) -> dict[str, Any]:
    """The files of a folder by name; refused where it is no model folder, before any is opened."""
    paths = {path.name: path for path in sorted(folder.iterdir())}
    require(described.MANIFEST in paths, described.NO_MODEL)
    for name, path in paths.items():
        require(path.is_file(), f"{name} is no file, and a model folder holds files alone")
    return {
        name: np.memmap(path, np.uint8, "r") if path.stat().st_size else b""
        for name, path in paths.items()
    }


def _which(folder: str | os.PathLike[str]) -> tuple[int, ...] | None:
    """Which folder has a name, and since when: a saved model may be replaced by another one at any
    moment.
    """
    try:
        found = os.stat(folder)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns


def check_files(files: Mapping[str, Any], by: str = "auto") -> Verdict:
    """Check the files of a folder, given by name as bytes-like objects; as `check` does."""
    if by not in CHOICES:
        raise ValueError(f"by {by!r}: there are {', '.join(CHOICES)}")
    return _stopped(lambda: _checked(files, by))


def _checked(files: Mapping[str, Any], by: str) -> Verdict:
    """What is said of a folder that is what its manifest says. A rounded trained model has a
    checker of its own, which asks that itself; one that writes sets is proven token by token.
    """
    if rounded.is_one(files):
        wrong = f"a rounded trained model is proven by its own checker: by auto, not by {by}"
        require(by == "auto", wrong, Undecided)
        return rounded.prove(files)
    require(not described.is_form(files), described.IS_FORM, Undecided)
    manifest = described.read_manifest(files)
    described.require_sizes(files, manifest)
    if sets.is_one(manifest):
        described.require_agreement(files, manifest)
        described.require_readable(files, manifest)
        wrong = f"sets of answers are proven by the kernel alone: by auto or kernel, not by {by}"
        require(by in ("auto", "kernel"), wrong, Undecided)
        return sets.prove(joined(files), manifest, unasked=by == "auto")
    with ThreadPoolExecutor(1) as beside:
        agreement = beside.submit(described.require_agreement, files, manifest)
        asked = _asked(by, files, manifest)
        try:
            found = [_proven(name, files, manifest) for name in asked]
            undecided = by == "auto" and [proof.verdict for proof, _ in found] == ["UNKNOWN"]
            if undecided and _is_little(files, manifest, MOST_WORK_ALONE):
                found.insert(0, _proven("kernel", files, manifest))
        finally:
            agreement.result()  # first of all, the folder is what its manifest says
            if "symbolic" not in asked:
                described.require_readable(files, manifest)
    proven = [proof.by for proof, _ in found if proof.verdict == "PASS"]
    if "symbolic" in asked and proven == ["kernel"]:
        described.require_readable(files, manifest)  # the other one may not have read all claims
    return combined([proof for proof, unmet in found if not (unmet and proven)])


def _asked(by: str, files: Mapping[str, Any], manifest: Any) -> list[str]:
    """Which checkers are asked."""
    if by == "auto":
        by = "both" if _is_little(files, manifest, MOST_WORK) else "symbolic"
    return list(CHECKERS) if by == "both" else [by]


def _is_little(files: Mapping[str, Any], manifest: Any, most: int) -> bool:
    """Whether the kernel has no more than this to do; not where a certificate is none, which the
    symbolic checker refutes.
    """
    try:
        return work(files, manifest) <= most
    except Exception:
        return False


def _proven(name: str, files: Mapping[str, Any], manifest: Any) -> tuple[Verdict, bool]:
    """What one checker says; and whether it is that its own proof needs more: that refutes nothing
    that the other one proves.
    """
    unmet = False

    def prove() -> Verdict:
        nonlocal unmet
        try:
            return CHECKERS[name](joined(files) if name == "kernel" else files, manifest)
        except symbolic.Unmet:
            unmet = True
            raise

    return replace(_stopped(prove), by=name), unmet


def combined(found: list[Verdict]) -> Verdict:
    """What checkers say together: FAIL if one refutes, else PASS if one proves, else UNKNOWN.
    Two proofs must agree: the number of queries is the same, and the margin of the symbolic
    checker, a bound, is at most that of the kernel, which a case attains that both examine. The
    margins in real arithmetic are both bounds, so that the larger one holds; that floating point
    is exact holds if one has proven it.
    """
    said = {v: [one for one in found if one.verdict == v] for v in ("FAIL", "PASS", "UNKNOWN")}
    several = next(some for some in said.values() if some)
    by = " and ".join(one.by for one in several)
    if len(several) == 1:
        return several[0]
    if not said["PASS"]:
        reasons = dict.fromkeys(one.reason for one in reversed(several))
        return replace(several[-1], reason=_brief("; and ".join(reasons)), by=by)
    one, other = several
    attained = next(proof.margin for proof in several if proof.by == "kernel")
    agree = all(
        getattr(one, what) == getattr(other, what)
        for what in ("queries", "not_claimed", "hops_per_token")
    )
    if not agree or max(one.margin, other.margin) > attained:
        figures = (f"{p.queries} queries by {p.margin} says the {p.by}" for p in several)
        return Verdict("FAIL", f"the proofs contradict each other: {', '.join(figures)}", by=by)
    exact = one if one.exact else other
    real = max(one.real_margin, other.real_margin)
    return replace(exact, margin=attained, real_margin=real, by=by)


def _stopped(prove: Callable[[], Verdict]) -> Verdict:
    """A verdict, also where a proof stops."""
    try:
        return prove()
    except Refuted as error:
        return Verdict("FAIL", escaped(_brief(str(error))))
    except Undecided as error:
        return Verdict("UNKNOWN", escaped(_brief(str(error))))
    except Exception as error:  # what is not foreseen is not proven
        reported = f"the checker stopped: {type(error).__name__}: {error}"
        return Verdict("UNKNOWN", escaped(_brief(reported)))


def _brief(reason: str) -> str:
    """The beginning of what is reported, which may hold all that a file holds."""
    if len(reason) <= MOST_REPORTED:
        return reason
    return f"{reason[:MOST_REPORTED]}... ({len(reason)} characters)"
