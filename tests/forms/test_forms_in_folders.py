"""Forms of constructions in folders: what is loaded is what was saved, and `check` says PASS of
nothing that answers wrong.
"""

import dataclasses
import json
import random

import numpy as np
import pytest
import torch
from hand_made import resealed
from safetensors.torch import load as tensors_of
from safetensors.torch import save as bytes_of
from small_forms import NAMES, built, rotation, wider, wrong

from constructions import (
    InputError,
    StandardDecoder,
    StandardModel,
    add_noise,
    change_basis,
    load,
    load_form,
    mechanism,
    needed_shape,
    save,
    save_form,
    seed_into,
    standard,
)
from constructions.model.transformer import Transformer
from constructions.saved.manifest import canonical
from verify.__main__ import main
from verify.checking.check import check
from verify.queries.sampled import check_and_sample


def larger(shape):
    return dataclasses.replace(
        shape,
        d_model=shape.d_model + 6,
        n_layers=shape.n_layers + 2,
        n_heads=shape.n_heads + 1,
        d_mlp=shape.d_mlp + 3,
        d_vocab=shape.d_vocab + 2,
    )


def in_a_decoder(model, norm, placement):
    shape = larger(needed_shape(model, norm, placement))
    decoder = StandardDecoder(shape, model.embedding.weight.dtype)
    return seed_into(
        decoder, model, first_block=1, proven=False, stream_scale=2, unembedding_scale=4
    )


FORMS = {
    "wide": wider,
    "wide, noise beside": lambda model: wider(model, noise=1e-6),
    "basis": lambda model: change_basis(model, rotation(model.shape.d_model), by=None),
    "wide, basis": lambda model: change_basis(
        wider(model), rotation(model.shape.d_model + 3), by=None
    ),
    "noise": lambda model: add_noise(model, 1e-7),
    "in a transformer": lambda model: seed_into(
        Transformer(wider(model).shape, model.embedding.weight.dtype), model
    ),
    "standard": standard,
    "tied": lambda model: standard(model, tied=True),
    "rmsnorm pre": lambda model: standard(model, norm="rmsnorm"),
    "layernorm post": lambda model: standard(
        model, norm="layernorm", placement="post", proven=False
    ),
    "in a decoder": lambda model: in_a_decoder(model, None, "pre"),
    "in a decoder, rmsnorm post": lambda model: in_a_decoder(model, "rmsnorm", "post"),
    "in a decoder, layernorm pre": lambda model: in_a_decoder(model, "layernorm", "pre"),
}
EACH = pytest.mark.parametrize("form", list(FORMS))
BY_QUERIES = {"wide, noise beside", "wide, basis", "noise"}
"""Forms of which no bound is known but that of each query."""


def files_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write(folder, files):
    folder.mkdir()
    for name, held in files.items():
        (folder / name).write_bytes(held)
    return folder


def with_weights(files, change):
    """The files of a form whose weights `change` has edited, sealed anew."""
    tensors = tensors_of(files["form.safetensors"])
    change(tensors)
    return resealed(files, form_safetensors=bytes_of(tensors))


@EACH
@pytest.mark.parametrize(
    "name",
    [
        "selector",
        pytest.param("key_value_rows", marks=pytest.mark.long),
        pytest.param("chain_of_thought", marks=pytest.mark.long),
    ],
)
def test_a_form_that_is_loaded_is_the_form_that_was_saved_and_is_proven(name, form, tmp_path):
    source = built(name)
    made = FORMS[form](source)
    save_form(made, tmp_path / "form")
    again = load_form(tmp_path / "form")
    assert type(again) is type(made)
    assert again.state_dict().keys() == made.state_dict().keys()
    for tensor, other in zip(made.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(tensor, other)
    assert again.facts == made.facts
    assert wrong(again, source) == 0
    if isinstance(made, StandardModel):
        assert mechanism(again) == mechanism(made)
        assert (again.slack, again.rest_gain, again.logit_scale, again.margin) == (
            made.slack,
            made.rest_gain,
            made.logit_scale,
            made.margin,
        )
    else:
        assert torch.equal(again.basis, made.basis)
    proven, _ = check_and_sample(tmp_path / "form")
    assert proven.verdict == "PASS", proven.reason
    assert proven.queries == source.n_all_queries()
    assert (proven.by == "queries") == (form in BY_QUERIES)
    scale = getattr(made, "logit_scale", 1)
    assert abs(float(proven.real_margin) - 2 * scale) < 1e-2
    before = files_in(tmp_path / "form")
    save_form(again, tmp_path / "form")  # which replaces it by the same
    assert files_in(tmp_path / "form") == before


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_construction_in_another_basis_is_saved_and_proven_or_undecided(
    name, dtype, tmp_path
):
    source = built(name, dtype=dtype, partial=name.startswith("sparse"))
    made = change_basis(source, rotation(source.shape.d_model), by=None)
    save_form(made, tmp_path / "form")
    proven, _ = check_and_sample(tmp_path / "form")
    assert proven.verdict == "PASS" if dtype == torch.float64 else proven.verdict != "FAIL"
    assert proven.queries in (0, source.n_all_queries())


@pytest.mark.long
def test_check_passes_no_form_whose_weights_answer_wrong_and_some_with_small_changes(tmp_path):
    """Edits of all sizes, sealed as their author would; each PASS is held against a pass over all
    queries. By both ways, and both verdicts, or the test shows nothing.
    """
    seed = random.getrandbits(32)
    rng, seen = np.random.default_rng(seed), set()
    for form in ("wide", "basis", "wide, basis"):
        source = built("selector")
        save_form(FORMS[form](source), tmp_path / f"{form}")
        files = files_in(tmp_path / f"{form}")
        for trial, size in enumerate((1e-9, 1e-6, 1e-3, 0.1, 1.0, 10.0)):

            def change(tensors, size=size):
                name = rng.choice([name for name in tensors if name != "basis"])
                tensors[name] += size * torch.from_numpy(rng.normal(size=tensors[name].shape))

            folder = write(tmp_path / f"{form} {trial}", with_weights(files, change))
            proven, _ = check_and_sample(folder)
            seen.add((proven.verdict, proven.by))
            if proven.verdict == "PASS":
                assert wrong(load_form(folder), source) == 0, seed
            elif proven.verdict == "FAIL":
                assert wrong(load_form(folder), source) > 0, seed
    assert {("PASS", "queries"), ("PASS", "form in its dtype"), ("FAIL", "queries")} <= seen, seed


@pytest.mark.parametrize("form", ["wide", "basis"])
def test_answers_exchanged_in_the_weights_of_a_form_are_refuted(form, tmp_path):
    save_form(FORMS[form](built("selector")), tmp_path / "form")

    def exchange(tensors):
        tensors["unembedding.weight"][:4] = tensors["unembedding.weight"][:4].roll(1, 0)

    folder = write(tmp_path / "other", with_weights(files_in(tmp_path / "form"), exchange))
    proven, _ = check_and_sample(folder)
    assert (proven.verdict, proven.by) == ("FAIL", "queries")
    assert main(["check", str(folder)]) == 1


def test_a_basis_that_is_forged_proves_no_wrong_answer(tmp_path):
    """The basis is a claim of the folder; the bound is computed with it, whatever it is."""
    source = built("selector")
    save_form(FORMS["basis"](source), tmp_path / "form")
    files = files_in(tmp_path / "form")
    for number, factor in enumerate((0.0, 0.5, float("nan"), 1e300)):

        def forge(tensors, factor=factor):
            tensors["basis"] *= factor
            tensors["unembedding.weight"][:4] = tensors["unembedding.weight"][:4].roll(1, 0)

        folder = write(tmp_path / f"{number}", with_weights(files, forge))
        assert check_and_sample(folder)[0].verdict != "PASS"


def test_a_decoder_that_was_trained_is_neither_saved_nor_loaded(tmp_path):
    made = standard(built("selector"))
    save_form(made, tmp_path / "form")
    folder = write(
        tmp_path / "other",
        with_weights(
            files_in(tmp_path / "form"), lambda held: held["embedding.weight"].add_(1e-9)
        ),
    )
    with pytest.raises(InputError, match=r"embedding\.weight is not what .* trained or edited"):
        load_form(folder)
    assert check_and_sample(folder)[0].verdict == "FAIL"
    made.embedding.weight.data[0, 0] += 1
    with pytest.raises(InputError, match="trained or edited since"):
        save_form(made, tmp_path / "trained")
    assert not (tmp_path / "trained").exists()


def test_a_form_of_a_trained_construction_is_decided_by_its_queries(tmp_path):
    source = built("selector")
    source.embedding.weight.data += 1e-6
    made = change_basis(source, rotation(source.shape.d_model), by=None)
    save_form(made, tmp_path / "form")
    assert load_form(tmp_path / "form").margin is None
    proven, _ = check_and_sample(tmp_path / "form")
    assert (proven.verdict, proven.by) == ("PASS", "queries")


def test_the_checkers_of_integers_say_unknown_of_a_form_and_why(tmp_path):
    save_form(wider(built("selector")), tmp_path / "form")
    found = check(tmp_path / "form")
    assert found.verdict == "UNKNOWN"
    assert "a form of a construction" in found.reason


def test_too_many_queries_without_a_bound_are_undecided(tmp_path, monkeypatch):
    save_form(add_noise(built("selector"), 1e-7), tmp_path / "form")
    monkeypatch.setattr("verify.queries.forms_checked.MOST_RUN", 7)
    found, _ = check_and_sample(tmp_path / "form")
    assert found.verdict == "UNKNOWN"
    assert "of 8 queries at most 7 are run" in found.reason


def test_folders_of_forms_and_of_constructions_are_two_kinds(tmp_path):
    source = built("selector")
    save(source, tmp_path / "model")
    save_form(wider(source), tmp_path / "form")
    with pytest.raises(InputError, match="is the folder of a 'form of a construction'"):
        load(tmp_path / "form")
    with pytest.raises(InputError, match="is not the manifest of a form of a construction"):
        load_form(tmp_path / "model")
    for write_it, where in ((save, "form"), (save_form, "model")):
        before = files_in(tmp_path / where)
        with pytest.raises(InputError, match="it stays as it is"):
            write_it(source if write_it is save else wider(source), tmp_path / where)
        assert files_in(tmp_path / where) == before
    with pytest.raises(InputError, match="a form of a construction is saved by save_form"):
        save(wider(source), tmp_path / "new")
    for other in (source, torch.nn.Linear(2, 2), None):
        with pytest.raises(InputError, match="save_form takes what change_basis"):
            save_form(other, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("form", "change", "message"),
    [
        ("wide", {"version": 2}, "version"),
        ("wide", {"dtype": "float32"}, "found Declared"),
        ("wide", {"dtype": 5}, "one of float64"),
        ("wide", {"basis": True}, "tensor 'basis'"),
        ("wide", {"basis": 0}, "true or false"),
        ("wide", {"sizes": {"d_vocab": 10**9, "d_model": 9, "positions": 0}}, "expected"),
        ("wide", {"sizes": {"d_vocab": 7}}, "is missing"),
        ("wide", {"architecture": {"layers": [], "repeats": 1}}, "form.safetensors"),
        ("wide", {"more": 1}, "unknown"),
        ("tied", {"place": {}}, "is missing"),
        ("tied", {"place.rest_gain": "1.0"}, "float.hex"),
        ("tied", {"place.rest_gain": "nan"}, "float.hex"),
        ("tied", {"place.slack": 10**9}, "from -1000 to 1000"),
        ("tied", {"place.slack": 3}, "slack"),
        ("tied", {"place.first_block": 7}, "block"),
        ("tied", {"place.logit_scale": 3}, "power"),
        ("tied", {"place.logit_scale": 2}, "trained or edited"),
        ("tied", {"shape.norm": "batchnorm"}, "layernorm"),
        ("tied", {"shape.tied": False}, "trained or edited"),
        ("tied", {"shape.n_layers": 10**6}, "from 1 to 4096"),
        ("tied", {"shape.n_layers": 3}, "form.safetensors"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused_in_one_line(form, change, message, tmp_path):
    save_form(FORMS[form](built("selector")), tmp_path / "form")
    files = files_in(tmp_path / "form")
    manifest = json.loads(files["manifest.json"])
    for name, value in change.items():
        part, _, key = name.rpartition(".")
        (manifest[part] if part else manifest)[key] = value
    folder = write(tmp_path / "other", files | {"manifest.json": canonical(manifest)})
    with pytest.raises(InputError, match=message) as caught:
        load_form(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    assert check_and_sample(folder)[0].verdict != "PASS"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda files: files.pop("source.json"),
        lambda files: files.pop("form.safetensors"),
        lambda files: files.pop("facts.tsv"),
        lambda files: files.update({"more": b"1"}),
        lambda files: files.update({"facts.tsv": files["facts.tsv"] + b"\n"}),
        lambda files: files.update({"source.json": b"{}"}),
        lambda files: files.update({"manifest.json": b"[]"}),
        lambda files: files.update({"form.safetensors": b""}),
    ],
)
def test_a_folder_of_a_form_with_other_files_is_refused(spoil, tmp_path):
    save_form(wider(built("selector")), tmp_path / "form")
    files = files_in(tmp_path / "form")
    spoil(files)
    folder = write(tmp_path / "other", files)
    with pytest.raises(InputError) as caught:
        load_form(folder)
    assert "\n" not in str(caught.value)
    assert check_and_sample(folder)[0].verdict != "PASS"


def test_other_facts_beside_a_form_are_refuted_or_refused(tmp_path):
    """Facts and source that agree with each other, and a form of other facts."""
    save_form(wider(built("selector", seed=1)), tmp_path / "one")
    save_form(wider(built("selector", seed=2)), tmp_path / "two")
    one, two = files_in(tmp_path / "one"), files_in(tmp_path / "two")
    assert one["facts.tsv"] != two["facts.tsv"]
    mixed = resealed(two | {"form.safetensors": one["form.safetensors"]})
    assert check_and_sample(write(tmp_path / "mixed", mixed))[0].verdict == "FAIL"
