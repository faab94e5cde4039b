"""Folders that are cut off, overwritten or of odd types are refused, and nothing stops the checker."""

import itertools
import json
import random

import pytest
from hand_made import claims_of, resealed
from proofs import MALFORMED, changed, refused
from tiers import few

from constructions.saved.manifest import canonical
from verify.checking.check import CHECKERS, check, check_files

ODD = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    10**30,
    "",
    "x",
    [],
    [[]],
    {},
    {"a": 1},
    [None],
    [1, "a"],
    "selector",
    2**53,
    "1",
]


def places(value, path=()):
    """Every place in a JSON value, as a path of keys."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, part in inner:
        yield (*path, key)
        yield from places(part, (*path, key))


@pytest.mark.parametrize("name", MALFORMED)
def test_files_that_are_cut_off_or_overwritten_are_refused(name, small):
    files, rng = small[name], random.Random(name)
    for file, round_ in itertools.product(files, range(8)):
        data = bytearray(files[file])
        if round_ < 4:
            data = data[: rng.randrange(len(data))]
        elif round_ < 6:
            data = bytearray(rng.randbytes(rng.choice([0, 1, 8, 100, len(data)])))
        else:
            data += rng.randbytes(rng.choice([1, 8]))
        for damaged in (
            files | {file: bytes(data)},
            resealed(files | {file: bytes(data)}) if "man" not in file else {},
        ):
            assert refused(damaged)


@pytest.mark.parametrize("name", MALFORMED)
def test_random_bytes_in_a_header_never_stop_the_checker(name, small):
    files, rng = small[name], random.Random(name)
    length = int.from_bytes(files["weights.safetensors"][:8], "little")
    for _ in range(60):
        data = bytearray(files["weights.safetensors"])
        data[rng.randrange(8 + length)] = rng.randrange(256)
        if bytes(data) != files["weights.safetensors"]:
            assert check_files(resealed(files, weights_safetensors=bytes(data))).verdict in (
                "PASS",
                "FAIL",
                "UNKNOWN",
            )


@pytest.mark.parametrize("name", MALFORMED)
def test_a_file_that_is_missing_or_strange_is_refused(name, small):
    files = small[name]
    for file in files:
        rest = {other: data for other, data in files.items() if other != file}
        assert refused(rest)
        assert refused(resealed(rest) if file != "manifest.json" else rest)
    assert refused({})
    assert refused(files | {"notes.txt": b"mine"})
    assert refused(resealed(files | {"notes.txt": b"mine"}))


def same(proven, honest):
    """What is proven of the answers is the same."""
    figures = ("queries", "margin", "exact", "hops_per_token")
    return all(getattr(proven, name) == getattr(honest, name) for name in figures)


@pytest.mark.parametrize("name", few(MALFORMED, "selector"))
def test_json_of_odd_types_changes_nothing_that_is_proven(name, small):
    """True may stand for 1; and where a claim does not say how a code is spelled any more, one
    checker proves what both did, with a bound of its own on leaks. All else is refused.
    """
    files, rng = small[name], random.Random(name)
    honest, n_accepted, n_refused = check_files(files), 0, 0
    claims, manifest = claims_of(files), json.loads(files["manifest.json"])
    for value in ODD:
        text = json.dumps(value).encode()
        assert refused(resealed(files, certificate_json=text))
        assert refused(files | {"manifest.json": text})
        assert refused(resealed(files, certificate_json=lines([value])))
    matters = ("dtype", "sizes", "architecture", "specials", "files", "format")
    for original, reseal in (
        (claims, lambda reported: resealed(files, certificate_json=lines(reported))),
        (
            {key: manifest[key] for key in matters},
            lambda reported: files | {"manifest.json": canonical(reported)},
        ),
    ):
        found = [
            path for path in places(original) if not {"d_vocab", "parameters", "bytes"} & set(path)
        ]
        for path, new in itertools.product(
            rng.sample(found, min(len(found), 60)), rng.sample(ODD, 6)
        ):
            reported = changed(original, path, new)
            if json.dumps(reported) != json.dumps(original):
                proven = check_files(reseal(reported))
                accepted = proven.verdict == "PASS"
                assert not accepted or same(proven, honest), (path, new)
                assert accepted or refused(reseal(reported)), (path, new)
                n_accepted, n_refused = (
                    n_accepted + accepted,
                    n_refused + (not accepted),
                )
    assert n_refused > 200
    assert n_accepted < n_refused / 8


def lines(claims):
    return (
        "[\n" + ",\n".join(json.dumps(claim, sort_keys=True) for claim in claims) + "\n]\n"
    ).encode()


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "1e3",
        "[1.0]",
        '{"a": 1, "a": 2}',
        "[" * 10**5,
        "{",
        "",
        "\ud800",
        '"\\ud800"',
        "1" * 5000,
    ],
)
@pytest.mark.parametrize("file", ["manifest.json", "certificate.json"])
def test_json_that_is_not_plain_is_refused(file, text, small):
    data = text.encode(errors="surrogatepass")
    files = small["selector"] | {file: data}
    assert refused(files if file == "manifest.json" else resealed(files))


@pytest.mark.parametrize("text", ["\n\n", "  ", "[ ]", ",", "\n"])
def test_a_certificate_has_one_spelling(text, small):
    files = small["selector"]
    proven = check_files(
        resealed(files, certificate_json=files["certificate.json"] + text.encode())
    )
    assert proven.verdict == "FAIL"


def test_what_is_no_folder_is_refused(tmp_path):
    assert check(tmp_path / "none").verdict == "FAIL"
    (tmp_path / "file").write_text("")
    assert check(tmp_path / "file").verdict == "FAIL"
    (tmp_path / "model" / "weights.safetensors").mkdir(parents=True)
    assert check(tmp_path / "model").verdict == "FAIL"


def test_what_is_not_foreseen_is_not_proven(monkeypatch, small):
    def stop(files, manifest):
        raise RuntimeError("not foreseen")

    for name in CHECKERS:
        monkeypatch.setitem(CHECKERS, name, stop)
        proven = check_files(small["selector"], name)
        assert (proven.verdict, proven.queries, proven.by) == ("UNKNOWN", 0, name)
        assert "not foreseen" in proven.reason
    assert check_files(small["selector"]).verdict == "UNKNOWN"
