"""Folders that a forger has written, with a manifest that fits: none is proven."""

import json

import numpy as np
import pytest
from rounded_folders import folder_of, sealed, text, verdict
from safetensors.numpy import load, save
from small_trained import FACTS, drawn, trained

from constructions import FactTable, InputError, OneLayerShape
from constructions.learning.rounded_folder import load_rounded
from constructions.learning.rounding import round_weights
from verify.__main__ import main


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    return folder_of(round_weights(trained()), FACTS, tmp_path_factory.mktemp("honest"))


def refused(files, reason):
    """Refuted, for this reason."""
    found = verdict(files)
    assert found.verdict == "FAIL", found
    assert reason in found.reason, found.reason


def with_tensors(files, change):
    """Other weights."""
    tensors = {name: tensor.copy() for name, tensor in load(files["weights.safetensors"]).items()}
    tensors = change(tensors) or tensors
    return sealed(files | {"weights.safetensors": save(tensors)})


def with_certificate(files, change):
    """Another certificate."""
    certificate = json.loads(files["certificate.json"])
    change(certificate)
    return sealed(files | {"certificate.json": text(certificate)})


def with_sizes(files, **changes):
    """Other sizes."""
    sizes = json.loads(files["manifest.json"])["sizes"] | changes
    return sealed(files, sizes=sizes)


def test_sealing_the_honest_folder_again_changes_nothing(honest):
    assert sealed(honest) == honest
    assert verdict(honest).verdict == "PASS"


ENTRIES = {
    "nan": (("weights.0", np.nan), "not finite"),
    "infinity": (("answers", np.inf), "not finite"),
    "negative zero": (("biases.1", -0.0), "a negative zero"),
    "off the grid": (("entities", 2.0**-120), "not on a grid"),
    "near 2^53": (("relations", 2.0**45), "is not below 2^52"),
    "huge": (("answers", 3e38), "is not below 2^52"),
    "a bit more": (("weights.1", 2.0**8), "other steps, or other bits"),
}


@pytest.mark.parametrize("kind", ENTRIES)
def test_an_entry_that_is_not_as_claimed(honest, kind):
    (name, value), reason = ENTRIES[kind]

    def change(tensors):
        tensors[name].reshape(-1)[5] = value

    refused(with_tensors(honest, change), reason)


def test_a_weight_that_matters(honest):
    """On its grid, and in its bits: the facts are answered otherwise."""

    def change(tensors):
        tensors["entities"][7] = tensors["entities"][8]

    refused(with_tensors(honest, change), "e7 r")


TENSORS = {
    "float64": lambda t: t | {"entities": t["entities"].astype(np.float64)},
    "float16": lambda t: t | {"answers": t["answers"].astype(np.float16)},
    "all float16": lambda t: {name: w.astype(np.float16) for name, w in t.items()},
    "transposed": lambda t: t | {"weights.0": np.ascontiguousarray(t["weights.0"].T)},
    "a row too many": lambda t: t | {"answers": np.vstack([t["answers"], t["answers"][:1]])},
    "a vector as a matrix": lambda t: t | {"biases.0": t["biases.0"][None]},
    "missing": lambda t: {name: w for name, w in t.items() if name != "biases.1"},
    "one more": lambda t: t | {"extra": t["biases.0"]},
    "another layer": lambda t: t | {"weights.2": t["weights.1"], "biases.2": t["biases.1"]},
}


@pytest.mark.parametrize("kind", TENSORS)
def test_tensors_of_other_dtypes_and_shapes(honest, kind):
    refused(with_tensors(honest, TENSORS[kind]), "weights.safetensors holds")


@pytest.mark.parametrize("kind", [*TENSORS, "honest"])
def test_what_check_prints_of_it_is_no_wider_than_a_page(honest, kind, tmp_path, capsys):
    folder = tmp_path / "model"
    folder.mkdir()
    files = honest if kind == "honest" else with_tensors(honest, TENSORS[kind])
    for name, raw in files.items():
        (folder / name).write_bytes(raw)
    assert main(["check", str(folder)]) == (kind != "honest")
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) > (kind == "honest")
    assert max(map(len, printed)) < 100


def test_a_tensor_of_nothing_whose_axes_are_too_long(honest):
    def reason(shape):
        raw = honest["weights.safetensors"]
        length = int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8 : 8 + length])
        header["none"] = {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}
        longer = json.dumps(header).encode()
        changed = len(longer).to_bytes(8, "little") + longer + raw[8 + length :]
        return verdict(sealed(honest | {"weights.safetensors": changed}))

    for shape in ([0, 2**62, 2**62], [2**70, 0]):
        found = reason(shape)
        assert (found.verdict, "has axes that are too long" in found.reason) == ("FAIL", True)
    assert "weights.safetensors holds" in reason([0, 2]).reason  # the control


def test_bytes_after_the_tensors(honest):
    longer = honest | {"weights.safetensors": honest["weights.safetensors"] + b"\0\0\0\0"}
    refused(sealed(longer), "its tensors end at")


CERTIFICATES = {
    "more facts": (lambda c: c.update(facts=257), "claims 257 facts, 256 are stored"),
    "fewer facts": (lambda c: c.update(facts=255), "claims 255 facts"),
    "no facts": (lambda c: c.update(facts=0), "not an integer of at least 1"),
    "facts that are true": (lambda c: c.update(facts=True), "not an integer of at least 1"),
    "another claim": (lambda c: c.update(claim="all queries are right"), "something else"),
    "a further key": (lambda c: c.update(note="trust me"), "are expected"),
    "no grid": (lambda c: c.pop("grid"), "are expected"),
    "a tensor less": (lambda c: c["grid"].pop("answers"), "grid"),
    "a tensor more": (lambda c: c["grid"].update(x={"step": 0, "bits": 1}), "grid"),
    "a smaller step": (lambda c: c["grid"]["entities"].update(step=-30), "other steps"),
    "a larger step": (lambda c: c["grid"]["entities"].update(step=0), "not on a grid"),
    "a tiny step": (lambda c: c["grid"]["entities"].update(step=-1000), "no float32 has"),
    "a step in words": (lambda c: c["grid"]["entities"].update(step="-7"), "step and bits"),
    "more bits": (lambda c: c["grid"]["weights.0"].update(bits=53), "other bits"),
    "fewer bits": (lambda c: c["grid"]["weights.0"].update(bits=2), "other bits"),
}


def test_a_finer_grid_than_there_is(honest):
    """A step of half the size, and a bit more: the same numbers, written in another way."""

    def finer(certificate):
        grid = certificate["grid"]["entities"]
        grid.update(step=grid["step"] - 1, bits=grid["bits"] + 1)

    refused(with_certificate(honest, finer), "other steps, or other bits")


@pytest.mark.parametrize("kind", CERTIFICATES)
def test_certificates_that_claim_something_else(honest, kind):
    change, reason = CERTIFICATES[kind]
    refused(with_certificate(honest, change), reason)


SIZES = {
    "entities": 65,
    "relations": 5,
    "answers": 65,
    "d_model": 17,
    "d_mlp": 65,
    "hidden_layers": 2,
}


@pytest.mark.parametrize("name", SIZES)
def test_manifests_of_other_sizes(honest, name):
    named = name in ("entities", "relations")
    reason = "vocabulary.txt: 68 names, not" if named else "weights.safetensors holds"
    reason = "65 answers of 64 entities" if name == "answers" else reason
    refused(with_sizes(honest, **{name: SIZES[name]}), reason)
    for absurd in (0, -1, 10**40, True, "64"):
        assert verdict(with_sizes(honest, **{name: absurd})).verdict != "PASS"


def test_answers_without_a_logit(tmp_path):
    """A tied model whose manifest says that there are fewer answers: no tensor tells of it."""
    model = drawn(OneLayerShape(4, 1, 4, 3, 3, tied=True), 0, grid=1)
    files = folder_of(model, FactTable(np.array([[3, 0, 1, 2]])), tmp_path)
    refused(with_sizes(files, answers=3), "an answer has no logit")


def test_manifests_of_other_keys(honest):
    refused(sealed(honest, tied=True), "weights.safetensors holds")
    refused(sealed(honest, tied=1), "tied")
    refused(sealed(honest, version=2), "another kind or version")
    refused(sealed(honest, version=True), "another kind or version")
    refused(sealed(honest, note=1), "manifest.json")
    refused(
        honest | {"manifest.json": honest["manifest.json"] + b" "}, "manifest.json has changed"
    )
    assert verdict(sealed(honest, kind="rounded")).verdict == "FAIL"


def test_other_facts(honest):
    lines = honest["facts.tsv"].decode().splitlines(keepends=True)
    subject, relation, answer = lines[9].split("\t")
    wrong = "e1\n" if answer != "e1\n" else "e2\n"
    other = [*lines[:9], f"{subject}\t{relation}\t{wrong}", *lines[10:]]
    refused(sealed(honest | {"facts.tsv": "".join(other).encode()}), f"{subject} {relation}: the")
    twice = sealed(honest | {"facts.tsv": "".join([*lines, lines[-1]]).encode()})
    refused(twice, "a fact stands twice")
    fewer = sealed(honest | {"facts.tsv": "".join(lines[:-1]).encode()})
    refused(fewer, "claims 256 facts, 255 are stored")


def test_other_files(honest):
    refused(sealed(honest | {"notes.txt": b"1"}), "the folder holds")
    both = sealed(honest | {"facts.safetensors": save({"facts": np.zeros((4, 64), np.int32)})})
    refused(both, "the folder holds")
    for name in honest:
        fewer = {other: raw for other, raw in honest.items() if other != name}
        assert verdict(fewer).verdict == "FAIL"
        if name != "manifest.json":
            assert verdict(sealed(fewer)).verdict == "FAIL"
            longer = honest | {name: honest[name] + b"\n"}
            refused(longer, f"{name}: the manifest says")
    more = sealed(honest | {"vocabulary.txt": honest["vocabulary.txt"] + b"one more\n"})
    refused(more, "vocabulary.txt")


def test_bytes_at_random(honest):
    """One byte of a file is another: the seal notices; and where it is renewed, no proof says more
    than the folder does.
    """
    rng = np.random.default_rng(0)
    for _ in range(60):
        name = rng.choice(sorted(set(honest) - {"manifest.json"}))
        raw = bytearray(honest[name])
        raw[rng.integers(len(raw))] ^= 1 << rng.integers(8)
        files = honest | {name: bytes(raw)}
        assert verdict(files).verdict == "FAIL"
        found = verdict(sealed(files))
        assert found.verdict != "PASS" or name in (
            "weights.safetensors",
            "vocabulary.txt",
            "facts.tsv",
        )


def test_what_the_checker_refuses_is_not_loaded(honest, tmp_path):
    """But for grids and answers, of which the loader knows nothing."""
    for number, files in enumerate(
        (
            with_tensors(honest, TENSORS["float64"]),
            with_tensors(honest, TENSORS["one more"]),
            with_sizes(honest, d_mlp=65),
            with_sizes(honest, answers=63),
            with_sizes(honest, hidden_layers=10**30),
            sealed(honest, tied=1),
            sealed(honest, version=2),
            sealed(honest | {"notes.txt": b"1"}),
            honest | {"facts.tsv": honest["facts.tsv"][:-1]},
        )
    ):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        for name, raw in files.items():
            (folder / name).write_bytes(raw)
        assert verdict(files).verdict == "FAIL"
        with pytest.raises(InputError):
            load_rounded(folder)
