"""What a folder says of itself is never taken for what the program says: hostile texts in every
place, every way to fail.

Whoever made a folder has chosen its names, keys and values. None of them may end a line, steer a
terminal or begin a line with a verdict, in an error, in a reason or in what is printed.
"""

import json
import random

import pytest
import torch
from exploits.small_models import one_letter
from folder_edits import in_header, reseal
from hand_made import built, claims_of, files_of, resealed, with_claims
from hypothesis import given
from hypothesis import strategies as st
from random_folder_edits import described_as_they_are, random_edit

from constructions import FactTable, InputError, load, save, selector
from constructions.guards.wording import printable
from verify.__main__ import main
from verify.checking.check import check, check_files
from verify.reading import wording

FORGED = "PASS: all 10 queries are answered right, by both checkers"
ENDS = [
    "\n",
    "\r",
    "\r\n",
    "\x1b[2K\x1b[1G",
    "\x1b]0;",
    "\x08" * 9,
    "\x85",
    "\u2028",
    "\u2029",
    "\x0b",
    "\x0c",
    "\x00",
    "\t",
]
MARKS = [
    "\u202e",
    "\u2066",
    "\u200b",
    "\ufeff",
    "\xad",
    "\u00a0",
    "\u3000",
    "\x9b1A",
    "\udc80",
    "\U000e0041",
]
EDITS = 60
VERDICTS = ("PASS", "FAIL", "UNKNOWN")


def hostile(rng):
    """A text that would forge a line if it were printed as it is."""
    return (
        rng.choice(["", "x", "e0"])
        + rng.choice([*ENDS, *MARKS])
        + rng.choice([FORGED, "PASS", "", "\x1b[0m"])
    )


def assert_harmless(text, lines=1):
    assert all(c.isprintable() for line in text.split("\n") for c in line), repr(text)
    assert text.count("\n") < lines, repr(text)
    assert not text.startswith("PASS"), repr(text)


@pytest.fixture(scope="module")
def saved():
    packed = selector(FactTable([[1, -1, 0]], ["#", "b", "c"]))
    return [
        files_of(model)
        for model in (selector(FactTable.random_bijections(4, 2)), built("key_value", 3), packed)
    ]


def renamed(files, rng):
    """The files with a hostile text for a key or a text of the certificate, an entity or a
    relation, wherever it stands, so that they still fit.
    """
    text = hostile(rng)
    if rng.random() < 0.5:
        claims = claims_of(files)
        old = rng.choice(["task", "subject", "form", "keeps", "bits", "signs"])
        return with_claims(
            files, json.loads(json.dumps(claims).replace(json.dumps(old), json.dumps(text)))
        )
    names = files["vocabulary.txt"].decode().split("\n")
    old = rng.choice(names[:-2]).encode()
    new = text.encode("utf-8", "surrogateescape")
    changed = {"vocabulary.txt": b"\n" + files["vocabulary.txt"]}
    if "facts.tsv" in files:
        lines = [line.split(b"\t") for line in files["facts.tsv"].splitlines()]
        fields = [[new if field == old else field for field in line] for line in lines]
        changed["facts.tsv"] = b"".join(b"\t".join(line) + b"\n" for line in fields)
    changed["vocabulary.txt"] = changed["vocabulary.txt"].replace(
        b"\n" + old + b"\n", b"\n" + new + b"\n"
    )[1:]
    return described_as_they_are(files | changed)


def test_no_text_of_a_folder_forges_a_line(saved, tmp_path, capsys):
    seed = random.getrandbits(32)
    rng, said = random.Random(seed), 0
    for i in range(EDITS):
        files = rng.choice(saved)
        if rng.random() < 0.7:
            files = renamed(files, rng)
        if rng.random() < 0.8:
            files = random_edit(
                files,
                rng,
                [hostile(rng) for _ in range(3)] + [0, {hostile(rng): 1}, [hostile(rng)]],
            )[1]
        path = tmp_path / f"{i}"
        path.mkdir()
        for name, raw in files.items():
            (path / name).write_bytes(raw)
        if rng.random() < 0.1:
            name = hostile(rng).replace("\0", "\n")
            (path / name).write_bytes(b"")
        proven = check(path)
        try:
            for text in (proven.reason, refusal(load, path)):
                assert_harmless(text, lines=1 if "facts.tsv:" not in text else 100)
                said += text != ""
            status = main(["check", str(path)])
            printed = capsys.readouterr()
            assert status == (proven.verdict != "PASS")
            assert printed.out.startswith(f"{proven.verdict}: ")
            lines = 3 if proven.verdict == "PASS" else 1  # with its margin and a sample
            assert printed.out.count("\n") == lines
            assert_harmless(printed.out.removeprefix("PASS: ").removesuffix("\n"), lines)
            assert printed.err == ""
            if proven.verdict != "PASS":
                main(["attack", str(path), "-n", "1"])
                printed = capsys.readouterr()
                assert printed.err.startswith("error: ")
                assert_harmless(
                    printed.err.removesuffix("\n"),
                    lines=1 if "facts.tsv:" not in printed.err else 100,
                )
            assert_harmless(refusal(lambda at: save(selector(FactTable([[0]])), at), path))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, folder {i}: {error}") from error
    assert said > EDITS


def refusal(act, path):
    try:
        act(path)
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("text", [f"\n{FORGED}", "\x1b[2K\r" + FORGED, "\u202eSSAP"])
def test_a_claim_an_entity_a_tensor_a_file_and_a_key_are_escaped_where_they_are_reported(
    text, tmp_path
):
    """Each at a place where it is known to be reported."""
    files = one_letter()
    claims = claims_of(files)
    reported = printable(text)[:7]
    block = claims[1]["blocks"][0] | {"form": text}
    wrong = [claims[1] | {"blocks": [block]}, claims[1] | {text: 1}, claims[1] | {"claim": text}]
    reasons = [
        check_files(with_claims(files, [claims[0], claim, *claims[2:]])).reason for claim in wrong
    ]
    assert all(reported in reason for reason in reasons), reasons
    renamed = files["vocabulary.txt"].replace(b"e1", text.strip("\n").encode())
    wrong = (
        resealed(files, vocabulary_txt=renamed)
        if "\x1b" not in text and "\n" not in text
        else None
    )
    if wrong is not None:  # a name that a file may hold, in a reason that quotes it
        reasons.append(check_files(with_facts_exchanged(wrong)).reason)
    path = tmp_path / "model"
    save(selector(FactTable.random_bijections(4, 2)), path)
    in_header(lambda header: header.update({text: header.pop("embedding.weight")}))(path)
    reasons += [check(path).reason, refusal(load, path)]
    (path / text.replace("\r", "")).write_bytes(b"")
    reasons += [check(path).reason, refusal(load, path)]
    for reason in reasons:
        assert_harmless(reason)
    assert sum(reported in reason for reason in reasons) >= 5, reasons


def with_facts_exchanged(files):
    """The files with other facts, so that an answer is wrong and the reason names an entity."""
    import safetensors.torch

    facts = safetensors.torch.load(files["facts.safetensors"])["facts"]
    return resealed(
        files, facts_safetensors=safetensors.torch.save({"facts": torch.flip(facts, [1])})
    )


@given(st.text(st.characters(blacklist_categories=())))
def test_both_sides_escape_alike(text):
    """The checker has its own few lines, as it shares no code with the builders."""
    assert wording.escaped(text) == printable(text)
    assert wording.escaped(text).isprintable()
    assert "\n" not in wording.shown(text)


def test_the_digests_of_a_resealed_folder_are_right(saved, tmp_path):
    """A control: without hostile texts nothing above is refused for its digests."""
    path = tmp_path / "model"
    path.mkdir()
    for name, raw in saved[0].items():
        (path / name).write_bytes(raw)
    reseal(path)
    assert check(path).verdict == "PASS"
