"""Attacks on weights and facts, and forged certificates, are refused; the exhaustive pass agrees."""

import random

import pytest
from battery import PROVEN_BY_THE_KERNEL_ALONE
from hand_made import built, claims_of, files_of, with_claims
from proofs import changed
from tiers import diagonal, few

from constructions import (
    CATALOGUE,
    save,
)
from verify.attacking import attack, kinds
from verify.checking.check import check_files
from verify.kernel.verdict import Verdict

SPELLED = [name for name in CATALOGUE if name not in PROVEN_BY_THE_KERNEL_ALONE]
"""Constructions whose certificates spell the codes of all columns."""


@pytest.mark.parametrize(("name", "by"), diagonal(CATALOGUE, ["symbolic", "kernel", "both"]))
def test_the_checker_and_the_exhaustive_pass_agree_on_every_attack(name, by, tmp_path):
    if by == "symbolic" and name not in SPELLED:
        pytest.skip("it proves no such model")
    seed = list(CATALOGUE).index(name)
    model = built(name, 3 + seed % 3, 2, 2, seed=seed)
    save(model, tmp_path / "model")
    tallies = attack.attack(tmp_path / "model", 20, seed, by=by)
    assert [tally.kind for tally in tallies] == list(kinds.KINDS)
    for tally in tallies:
        assert tally.verdict == "PASS", tally.fooled
        assert tally.generated == 20
        assert tally.killed > 0 or (by, tally.kind) == ("kernel", "forgeries")


def test_an_attack_that_generates_nothing_is_not_sound(tmp_path):
    save(built("selector"), tmp_path / "model")
    (tally,) = attack.attack(tmp_path / "model", 0, kinds=["weights"])
    assert (tally.generated, tally.verdict) == (0, "FAIL")
    assert attack.Tally("weights").verdict == "FAIL"
    assert attack.Tally("weights", 3, 1, 1).verdict == "FAIL"
    assert attack.Tally("weights", 3, 2, 1).verdict == "PASS"
    assert attack.Tally("weights", 3, 2, 1, lost=["killed"]).verdict == "UNKNOWN"
    assert attack.Tally("weights", lost=["killed"]).verdict == "UNKNOWN"
    assert attack.Tally("weights", 3, 2, 1, crashed=["it"]).verdict == "FAIL"


@pytest.mark.parametrize("kind", ["weights", "facts", "swaps"])
def test_a_checker_that_passes_everything_is_noticed(kind, monkeypatch, tmp_path):
    save(built("selector"), tmp_path / "model")
    monkeypatch.setattr(attack, "check_files", lambda files, by: Verdict("PASS"))
    (tally,) = attack.attack(tmp_path / "model", 20, kinds=[kind])
    assert tally.fooled
    assert tally.killed == 0
    assert tally.verdict == "FAIL"


def moved(start, stop):
    """Other columns, and more or fewer."""
    yield from ([start + by, stop + by] for by in (-1, 1, stop - start, start - stop))
    yield from ([start, stop + 1], [start, stop - 1], [start - 1, stop], [start + 1, stop])


def forgeries(claims):
    """Certificates that say something else than this one, each with what is forged; in a fixed
    order.
    """
    n_relations = claims[1]["blocks"][0]["last"][1]
    depth = max(claim["layer"] for claim in claims[2:])
    for i in range(len(claims)):
        yield f"{i} dropped", claims[:i] + claims[i + 1 :]
        yield f"{i} stands twice", claims[: i + 1] + claims[i:]
        yield f"{i} once more at the end", claims + claims[i : i + 1]
        for j in range(i + 1, min(i + 5, len(claims))):
            if claims[i] != claims[j]:
                exchanged = list(claims)
                exchanged[i], exchanged[j] = claims[j], claims[i]
                yield f"{i} and {j} exchanged", exchanged

    def reported(i, *path, new):
        return f"{i} {path} {new}", changed(claims, (i, *path), new)

    for i, claim in enumerate(claims):
        for key, value in claim.items():
            if isinstance(value, int):
                yield reported(i, key, new=None)
            if type(value) is int:
                yield from (
                    reported(i, key, new=other)
                    for other in (value + 1, value - 1, 2 * value + 3, -value - 1)
                )
        if claim["claim"] == "task":
            continue
        key = "blocks" if claim["claim"] == "subject" else "keeps"
        for place, block in enumerate(claim[key] or []):
            for other in other_blocks(block, n_relations):
                yield reported(i, key, place, new=block | other)
            yield reported(i, key, new=claim[key][:place] + claim[key][place + 1 :])
            yield reported(i, key, new=[*claim[key], block])
        if claim["claim"] == "subject":
            for book, number in enumerate(claim["unknown"]):
                yield reported(i, "unknown", book, new=(number or 0) + 1)
            yield reported(i, "unknown", new=[*claim["unknown"], None])
            yield reported(i, "unknown", new=claim["unknown"][1:])
        else:
            letters = claim["letters"]
            for other in other_letters(letters):
                if other != letters:
                    yield reported(i, "letters", new=other)
            if claim["keeps"] is None:
                yield reported(i, "keeps", new=[])
            elif letters and claim["layer"] < depth:  # the last layer may be said to keep nothing
                yield reported(i, "keeps", new=None)


def other_blocks(block, n_relations):
    """What may be changed of a block."""
    yield from ({"columns": columns} for columns in moved(*block["columns"]))
    yield from ({"form": form} for form in ("bits", "signs", "number") if form != block["form"])
    yield from ({"words": words} for words in range(4) if words != block["words"])
    low, high = block["last"]
    yield from ({"last": last} for last in ([low, high - 1], [low, n_relations + 1], [-1, high]))
    yield {"book": block["book"] + 1}


def other_letters(letters):
    """Other letters than those of a pass, and some of them."""
    yield [*letters, (letters or [0])[-1] + 1]
    yield [letter + 1 for letter in letters] or [1]
    yield letters[:-1]
    yield letters[::-1]
    yield [letter - 1 for letter in letters] or [0]
    yield [*letters, *letters]


EACH = 120


def forged_of(name):
    """The files of a small model, and of its forged certificates a fixed random choice."""
    files = files_of(built(name, 3, 2, 2))
    claims = claims_of(files)
    every = [(reported, forged) for reported, forged in forgeries(claims) if forged != claims]
    random.Random(name).shuffle(every)
    return files, every[:EACH]


@pytest.mark.parametrize("name", few(SPELLED, "selector", "precomputed", "hybrid"))
def test_no_forged_certificate_is_accepted(name):
    files, chosen = forged_of(name)
    assert check_files(with_claims(files, claims_of(files)), "symbolic").verdict == "PASS"
    accepted = [
        reported
        for reported, forged in chosen
        if check_files(with_claims(files, forged), "symbolic").verdict == "PASS"
    ]
    assert accepted == []
    assert len(chosen) >= 60


@pytest.mark.parametrize("name", few(SPELLED, "selector", "precomputed", "hybrid"))
def test_what_the_kernel_accepts_of_forged_certificates_is_how_codes_are_spelled(name):
    """It reads runs, letters and which columns are kept; it says of the model what it said. Both
    accept what the kernel proves and the symbolic checker leaves open.
    """
    files, chosen = forged_of(name)
    honest, n_refused = check_files(files, "kernel"), 0
    for reported, forged in chosen[::2]:
        found, both = (check_files(with_claims(files, forged), by) for by in ("kernel", "both"))
        if found.verdict == "PASS":
            assert found == honest, reported
            assert read_by_the_kernel(forged) == read_by_the_kernel(claims_of(files)), reported
        if both.verdict == "PASS":
            assert both == honest, reported
        n_refused += found.verdict != "PASS"
    assert n_refused >= 15


def read_by_the_kernel(claims):
    """What of a certificate the kernel reads, but for the columns that are kept."""
    read = [claim for claim in claims[2:] if claim["claim"] == "pass"]
    return claims[:1], [claim | {"keeps": None} for claim in read]


def test_more_than_a_thousand_certificates_are_forged():
    assert sum(len(forged_of(name)[1]) for name in SPELLED) >= 1000
