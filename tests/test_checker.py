"""The checker passes every honest model with true numbers, and nothing that is forged, broken or
answers wrong.
"""

import ast
import copy
import itertools
import json
import os
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from exploits.small_models import one_letter
from hand_made import built, claims_of, files_of, resealed, weights_of, with_claims, with_weights
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import bijections, tables_for
from tiers import few

from bounds.sizes import predicted_for_bijections
from constructions import (
    CATALOGUE,
    Codebook,
    DoesNotFit,
    FactTable,
    key_value,
    save,
    selector,
    superposition,
)
from constructions.saved.manifest import canonical
from verify.queries.recall import check_recall
from verify.runner import attack, attack_kinds
from verify.symbolic import checker, described, stored
from verify.symbolic import values as symbolic
from verify.symbolic.checker import check, check_files

ROOT = Path(__file__).resolve().parents[1]
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


def assert_proven(model):
    """PASS, with as many queries as there are, and no larger margin than is measured."""
    proven = check_files(files_of(model))
    assert proven.verdict == "PASS", proven.reason
    lengths = range(1, model.hops + 1) if "end" in model.vocabulary.specials else [model.hops]
    n, r = model.facts.n_entities, model.facts.n_relations
    assert proven.queries == sum(n * r**length for length in lengths)
    recalls = [check_recall(model, model.facts, length) for length in lengths]
    assert not any(recall.wrong or recall.defect for recall in recalls)
    measured = min(recall.margin for recall in recalls)
    assert 0 < proven.real_margin <= proven.margin
    assert type(proven.margin) is type(proven.real_margin) is Fraction
    assert proven.exact in (None, str(model.embedding.weight.dtype).removeprefix("torch."))
    if proven.exact:
        assert proven.margin <= Fraction(measured)
    elif model.embedding.weight.dtype == torch.float64:
        assert float(proven.real_margin) <= measured + 2.0**-30  # its own rounding
    assert (proven.exact is None) == bool(model.margin.rounds)
    return proven


# ---------------------------------------------------------------- honest models


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("name", CATALOGUE)
def test_every_construction_is_proven(name, partial):
    if partial and CATALOGUE[name].random_partial_facts is None:
        pytest.skip("total facts only")
    for n, n_relations, hops in [(1, 1, 1), (2, 1, 3), (5, 2, 2), (6, 3, 2), (17, 2, 3)]:
        assert_proven(built(name, n, n_relations, hops, partial, seed=n))


@settings(max_examples=3)
@pytest.mark.parametrize("name", CATALOGUE)
@given(data=st.data())
def test_every_table_and_option_is_proven(name, data):
    entry = CATALOGUE[name]
    facts = data.draw(tables_for(name) if entry.random_partial_facts else bijections())
    hops = data.draw(st.integers(1, 3 if facts.n_relations < 4 else 1)) if entry.multi_hop else 1
    given = {
        option.name: data.draw(
            st.sampled_from(list(option.choices(facts.n_relations, hops))), label=option.name
        )
        for option in entry.options
    }
    if name == "chain_of_thought":
        given["max_hops"] = hops
        given["hops_per_token"] = min(given["hops_per_token"], hops)
    assert_proven(entry.build(facts, hops, given))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CATALOGUE)
def test_every_dtype_is_proven(name, dtype):
    try:
        model = built(name, n=3, hops=2, dtype=dtype)
    except DoesNotFit:
        pytest.skip("does not exist in this dtype")
    assert_proven(model)


@pytest.mark.parametrize(
    "name",
    ["selector", "scalar_selector", "attention_selector", "precomputed", "chain_of_thought"],
)
def test_a_codebook_of_ones_own_is_proven_also_after_install(name):
    one, other = (
        FactTable([[0, 1, 0, 0], [2, -1, 2, 2]]),
        FactTable([[1, 1, -1, 0], [-1, 3, 2, 2]]),
    )
    hops = {"max_hops": 2} if name == "chain_of_thought" else None
    model = CATALOGUE[name].build(
        one, 2 if CATALOGUE[name].multi_hop else 1, hops, codebook=Codebook.of(one, other)
    )
    assert_proven(model)
    model.install(other)
    assert_proven(model)


def test_codebooks_of_superposition_are_proven_also_after_install():
    one, other = (
        FactTable([[0, 1, 0, 0], [2, -1, 2, 2]]),
        FactTable([[1, 1, -1, 0], [-1, 3, 2, 2]]),
    )
    model = superposition(one, codebooks=[Codebook.of(one, other, relation=r) for r in range(2)])
    assert_proven(model)
    model.install(other)
    assert_proven(model)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, entry in CATALOGUE.items()
        if predicted_for_bijections(entry, 5, 2).internal_fact_bits == 0 and not entry.needs
    ],
)
def test_other_facts_that_are_installed_are_proven(name):
    model = built(name, n=5)
    model.install(FactTable.random_bijections(5, 2, seed=9))
    assert_proven(model)


def test_packed_facts_are_proven():
    files = files_of(selector(FactTable([[1, 0, -1]], ["# 1", "b", "c"])))
    assert "facts.safetensors" in files
    assert check_files(files).verdict == "PASS"


def test_a_folder_is_proven_like_its_files(tmp_path):
    model = built("hybrid")
    save(model, tmp_path / "model")
    assert check(tmp_path / "model") == check_files(files_of(model))
    assert check(str(tmp_path / "model")).verdict == "PASS"


def test_a_trained_model_is_not_proven():
    model = key_value(FactTable.random_bijections(4, 2), 2)
    model(torch.tensor([[0, 4, 5]])).square().mean().backward()
    for parameter in model.parameters():
        parameter.data -= 2.0**-14 * parameter.grad
    assert check_recall(model, model.facts, 2).wrong == 0
    proven = check_files(files_of(model))
    assert proven.verdict == "FAIL"
    assert "no integer" in proven.reason


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf, 2.0**70])
def test_weights_that_are_no_integers_are_refused(value):
    model = selector(FactTable.random_bijections(4, 2))
    model.layers[0].mlp.matrix(0).data[0, 0] = value
    proven = check_files(files_of(model))
    assert proven.verdict == "FAIL"
    assert "layers.0.mlp.weights.0.weight holds a number that is no integer" in proven.reason


def test_minus_zero_is_zero():
    model = selector(FactTable.random_bijections(4, 2))
    for parameter in model.parameters():
        parameter.data[parameter == 0] = -0.0
    assert_proven(model)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_certificate_does_not_grow_with_the_number_of_entities(name):
    """As many lines, and no other difference than in digits; one more digit stands for each factor
    of ten.
    """
    small, large = (files_of(built(name, n, 2, 2))["certificate.json"].decode() for n in (8, 64))
    digits = str.maketrans("", "", "0123456789")
    assert small.count("\n") == large.count("\n")
    assert abs(len(large) - len(small)) <= small.count("\n") * 12
    assert len(large) < 2 * len(small)
    one, other = (
        [(claim["claim"], sorted(claim)) for claim in json.loads(text)] for text in (small, large)
    )
    assert one == other
    without_slots = [
        "\n".join(line for line in text.translate(digits).splitlines() if '"slots"' not in line)
        for text in (small, large)
    ]
    assert without_slots[0] == without_slots[1]


# ---------------------------------------------------------------- what is trusted


TRUSTED = [checker, described, stored, symbolic]
ALLOWED = {
    "collections",
    "dataclasses",
    "fractions",
    "hashlib",
    "itertools",
    "json",
    "numpy",
    "os",
    "pathlib",
    "typing",
    "unicodedata",
}
ALLOWED |= {"__future__", "concurrent", "verify"}
INEXACT = {
    "float",
    "exp",
    "exp2",
    "log",
    "log2",
    "sqrt",
    "isclose",
    "allclose",
    "assert_allclose",
    "round",
    "rint",
    "pow",
}
READERS = ("described", "stored", "values")
INEXACT |= {"divide", "true_divide", "mean", "average", "linalg", "random", "eval", "exec"}


@pytest.mark.parametrize("module", TRUSTED, ids=lambda module: module.__name__)
def test_the_checker_imports_no_more_than_numpy_and_the_standard_library(module):
    tree = ast.parse(Path(module.__file__).read_text())
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported |= {node.module for node in froms}
    assert all(node.level == 0 for node in froms)
    assert {name.split(".")[0] for name in imported} <= ALLOWED
    inner = {name for name in imported if name.startswith("verify")}
    assert inner <= {"verify.symbolic"} | {f"verify.symbolic.{name}" for name in READERS}
    assert imported & {"numpy", "hashlib"}, "the control: imports are found"


@pytest.mark.parametrize("module", TRUSTED, ids=lambda module: module.__name__)
def test_the_checker_computes_with_no_floating_point_numbers(module):
    tree = ast.parse(Path(module.__file__).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            assert not isinstance(node.value, (float, complex)), (
                f"line {node.lineno}: {node.value}"
            )
        if isinstance(node, ast.Call):
            name = (
                node.func.attr
                if isinstance(node.func, ast.Attribute)
                else getattr(node.func, "id", "")
            )
            assert name not in INEXACT, f"line {node.lineno}: {name}"
        assert not isinstance(node, ast.Assert), "an assertion may be switched off"


def run(*arguments, options=()):
    command = [sys.executable, *options, "-m", "verify", "check", *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_proves_without_torch_and_without_the_builders(tmp_path):
    save(built("hybrid", 3), tmp_path / "model")
    done = run(
        tmp_path / "model", "--json", tmp_path / "reported.json", options=["-X", "importtime"]
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("PASS: all 12 queries are answered right")
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    imported = {line.split("|")[-1].strip() for line in lines}
    assert {
        "numpy",
        "verify.symbolic.checker",
        "verify.symbolic.described",
        "verify.symbolic.stored",
        "verify.symbolic.values",
    } <= imported
    assert not {
        name
        for name in imported
        if name.split(".")[0] in ("torch", "scipy", "sympy", "safetensors")
    }
    floors = ("model", "writing", "theorems", "decoders", "forms", "saved")
    above_the_facts = tuple(f"constructions.{floor}" for floor in floors)
    assert [name for name in imported if name.startswith(above_the_facts)] == []
    reported = json.loads((tmp_path / "reported.json").read_text())
    assert (reported["verdict"], reported["queries"], reported["exact"]) == ("PASS", 12, "float32")
    assert reported["margin_without_leaks"] == "2"


def test_the_command_tells_what_is_refuted_or_undecided(tmp_path):
    save(built("selector", 3), tmp_path / "model")
    weights = tmp_path / "model" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    done = run(tmp_path / "model", "--json", tmp_path / "reported.json")
    assert done.returncode == 1
    assert done.stdout.startswith("FAIL: weights.safetensors: its SHA-256 is")
    assert json.loads((tmp_path / "reported.json").read_text())["verdict"] == "FAIL"
    (tmp_path / "empty").mkdir()
    done = run(tmp_path / "empty")
    assert (done.returncode, done.stdout) == (
        1,
        "FAIL: manifest.json is missing: this is no model folder\n",
    )


def test_the_command_refuses_what_is_no_folder(tmp_path):
    done = run(tmp_path / "none")
    assert done.returncode == 2
    assert "no such folder" in done.stderr
    assert run().returncode == 2


# ---------------------------------------------------------------- malformed folders


MALFORMED = [
    "selector",
    "attention_selector",
    "superposition",
    "hybrid_shared",
    "chain_of_thought",
]
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


@pytest.fixture(scope="module")
def small():
    return {name: files_of(built(name, 3)) for name in MALFORMED}


def refused(files):
    proven = check_files(files)
    assert proven.verdict in ("FAIL", "UNKNOWN")
    assert proven.reason
    assert (proven.queries, proven.margin, proven.real_margin, proven.exact) == (0, 0, 0, None)
    return True


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


def changed(value, path, new):
    value = copy.deepcopy(value)
    target = value
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = new
    return value


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


@pytest.mark.parametrize("name", few(MALFORMED, "selector"))
def test_json_of_odd_types_changes_nothing_that_is_proven(name, small):
    """True may stand for 1, and a slot that no claim names have another name; all
    else is refused.
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
            rng.sample(found, min(len(found), 60)), rng.sample(ODD, 3)
        ):
            reported = changed(original, path, new)
            if json.dumps(reported) != json.dumps(original):
                proven = check_files(reseal(reported))
                assert proven == honest or refused(reseal(reported)), (path, new)
                n_accepted, n_refused = (
                    n_accepted + (proven == honest),
                    n_refused + (proven != honest),
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


# ---------------------------------------------------------------- attacks


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


# ---------------------------------------------------------------- forged certificates


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


def test_what_is_not_foreseen_is_not_proven(monkeypatch, small):
    def stop(proof):
        raise RuntimeError("not foreseen")

    monkeypatch.setattr(checker._Proof, "verdict", stop)
    proven = check_files(small["selector"])
    assert (proven.verdict, proven.queries) == ("UNKNOWN", 0)
    assert "not foreseen" in proven.reason


@settings(max_examples=200)
@given(st.data())
def test_columns_are_cut_into_parts_that_read_the_same(data):
    cases, width = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5))
    start, step = data.draw(st.integers(0, 5)), data.draw(st.integers(0, 6))
    columns = np.add.outer(start + step * np.arange(cases), np.arange(width))
    columns = columns + data.draw(
        st.lists(st.integers(0, 3), min_size=width, max_size=width).map(sorted)
    )
    row = np.arange(100)
    parts = [row[where].reshape(cases, n) for where, n in checker._segments(columns)]
    assert np.array_equal(np.concatenate(parts, axis=1), columns)


@pytest.mark.parametrize("dtype", ["<f8", "<f4", "<f2", "<u2"])
def test_codes_are_stored_exactly_or_refused(dtype):
    exact = {"<f8": 2**53, "<f4": 2**24, "<f2": 2**11, "<u2": 2**8}[dtype]
    like, numbers = np.zeros(1, dtype), np.array([0, 1, -1, 2, exact - 1, exact])
    held = stored.stored_as(numbers, like)
    assert held.dtype == like.dtype
    assert np.array_equal(stored.integers(held, ""), numbers)
    assert not len(stored.differing(held, stored.stored_as(numbers, like), ""))
    assert stored.differing(
        held, stored.stored_as(numbers * [1, 1, 1, 1, 1, -1], like), ""
    ).tolist() == [[5]]
    with pytest.raises(stored.Refuted):
        stored.stored_as(np.array([exact + 1]), like)


@pytest.mark.parametrize("name", ["selector", "chain_of_thought", "meet_in_the_middle"])
def test_tables_are_read_to_the_end_in_pieces_of_any_size(name, monkeypatch):
    files = files_of(built(name, 5, partial=name != "meet_in_the_middle"))
    whole = check_files(files)
    assert whole.verdict == "PASS"
    for at_once in (1, 30, 100):
        monkeypatch.setattr(checker, "AT_ONCE", at_once)
        assert check_files(files) == whole
        for table in ("embedding.weight", "unembedding.weight"):
            weights = weights_of(files)
            weights[table][4] += 1  # the last entity
            assert check_files(with_weights(files, weights)).verdict == "FAIL"


def test_large_weights_of_the_unembedding_are_no_reason_to_refuse():
    large = {
        0: {"one": 2.0**51, "c": -(2.0**52)},
        1: {"one": -(2.0**51), "c": 2.0**52},
        "rest": {"one": -(2.0**52)},
    }
    proven = check_files(one_letter(unembedding=large, dtype="float64"))
    assert (proven.verdict, proven.margin) == ("PASS", 2**49), "margins are stated up to that"
