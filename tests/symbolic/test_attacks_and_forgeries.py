"""Attacks on weights and facts, and forged certificates, are refused; the exhaustive pass agrees."""

import itertools
import random

import pytest
from hand_made import built, claims_of, files_of, with_claims
from proofs import changed
from tiers import few

from constructions import (
    CATALOGUE,
    save,
)
from verify.runner import attack, attack_kinds
from verify.symbolic import checker
from verify.symbolic.checker import check_files


@pytest.mark.parametrize("name", few(CATALOGUE, "selector", "precomputed", "hybrid"))
def test_the_checker_and_the_exhaustive_pass_agree_on_every_attack(name, tmp_path):
    seed = list(CATALOGUE).index(name)
    model = built(name, 3 + seed % 3, 2, 2, seed=seed)
    save(model, tmp_path / "model")
    tallies = attack.attack(tmp_path / "model", 20, seed)
    assert [tally.kind for tally in tallies] == list(attack_kinds.KINDS)
    for tally in tallies:
        assert tally.sound, tally.fooled
        assert tally.generated == 20
        assert tally.killed > 0


def test_an_attack_that_generates_nothing_is_not_sound(tmp_path):
    save(built("selector"), tmp_path / "model")
    (tally,) = attack.attack(tmp_path / "model", 0, kinds=["weights"])
    assert (tally.generated, tally.sound) == (0, False)
    assert not attack.Tally("weights").sound
    assert not attack.Tally("weights", 3, 1, 1).sound
    assert attack.Tally("weights", 3, 2, 1).sound


@pytest.mark.parametrize("kind", ["weights", "facts", "swaps"])
def test_a_checker_that_passes_everything_is_noticed(kind, monkeypatch, tmp_path):
    save(built("selector"), tmp_path / "model")
    monkeypatch.setattr(attack, "check_files", lambda files: checker.Verdict("PASS"))
    (tally,) = attack.attack(tmp_path / "model", 20, kinds=[kind])
    assert tally.fooled
    assert tally.killed == 0
    assert not tally.sound


def forgeries(claims):
    """Certificates that say something else than this one, each with what is forged; in a fixed
    order.
    """
    slots, n_relations = [name for name, _ in claims[1]["slots"]], claims[0]["relations"]
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
            if isinstance(value, int) or key == "reads":
                yield reported(i, key, new=None)
            if type(value) is int:
                yield from (
                    reported(i, key, new=other)
                    for other in (value + 1, value - 1, 2 * value + 3, -value - 1)
                )
        match claim["claim"]:
            case "slots":
                for place, (name, size) in enumerate(claim["slots"]):
                    yield reported(i, "slots", place, new=[name, size + 1])
                yield reported(i, "slots", new=[*claim["slots"], [slots[0], 1]])
            case "codes":
                for place, book in enumerate(claim["books"]):
                    yield reported(i, "books", place, "bits", new=book["bits"] + 1)
                    yield reported(i, "books", place, "bits", new=book["bits"] - 1)
                    yield reported(i, "books", place, "unknown", new=(book["unknown"] or 0) + 1)
                yield reported(i, "books", new=[*claim["books"], {"bits": 1, "unknown": None}])
                yield reported(i, "books", new=claim["books"][1:])
            case "subject" | "pass":
                key = "blocks" if claim["claim"] == "subject" else "after"
                for place, block in enumerate(claim[key] or []):
                    others = [
                        *({"slot": slot} for slot in slots if slot != block["slot"]),
                        *(
                            {"form": form}
                            for form in ("bits", "signs", "number")
                            if form != block["form"]
                        ),
                        *({"words": words} for words in range(4) if words != block["words"]),
                        {"last": [block["last"][0], block["last"][1] - 1]},
                        {"last": [block["last"][0], n_relations + 1]},
                        {"last": [-1, block["last"][1]]},
                        {"book": block["book"] + 1},
                    ]
                    yield from (reported(i, key, place, new=block | other) for other in others)
                    yield reported(i, key, new=claim[key][:place] + claim[key][place + 1 :])
                    yield reported(i, key, new=[*claim[key], block])
                if claim["claim"] == "pass":
                    letters = claim["letters"]
                    wrong = [
                        [*letters, (letters or [0])[-1] + 1],
                        [letter + 1 for letter in letters] or [1],
                        letters[:-1],
                    ]
                    wrong += [
                        letters[::-1],
                        [letter - 1 for letter in letters] or [0],
                        [*letters, *letters],
                    ]
                    yield from (
                        reported(i, "letters", new=other) for other in wrong if other != letters
                    )
                    if letters:
                        yield reported(i, "after", new=[] if claim["after"] is None else None)
            case "head":
                if claim["reads"] != "all":
                    yield reported(i, "reads", new="all")
                else:
                    yield from (reported(i, "reads", new=position) for position in (0, 1))
                if isinstance(claim["reads"], dict):
                    yield from (
                        reported(i, "reads", key, new=value + 1)
                        for key, value in claim["reads"].items()
                    )
                for side in ("from", "to"):
                    yield from (
                        reported(i, side, new=claim[side] + [slot])
                        for slot in slots
                        if slot not in claim[side]
                    )
                    yield from (
                        reported(i, side, new=[s for s in claim[side] if s != slot])
                        for slot in claim[side]
                    )
            case "decoder":
                for reads, then in itertools.product(
                    ("node", "letters", "end"), (None, "letters", "node")
                ):
                    if (reads, then) != (claim["reads"], claim["then"]):
                        yield (
                            f"{i} reads {reads}, {then}",
                            changed(claims, (i,), claim | {"reads": reads, "then": then}),
                        )


EACH = 80


@pytest.mark.parametrize("name", few(CATALOGUE, "selector", "precomputed", "hybrid"))
def test_no_forged_certificate_is_accepted(name):
    """A thousand and more over all constructions: of each a fixed random choice."""
    files = files_of(built(name, 3, 2, 2))
    claims = claims_of(files)
    assert check_files(with_claims(files, claims)).verdict == "PASS"
    every = [(reported, forged) for reported, forged in forgeries(claims) if forged != claims]
    random.Random(name).shuffle(every)
    accepted = [
        reported
        for reported, forged in every[:EACH]
        if check_files(with_claims(files, forged)).verdict == "PASS"
    ]
    assert accepted == []
    assert len(every) >= EACH
    assert EACH * len(CATALOGUE) >= 1000
