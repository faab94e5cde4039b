"""Model folders: every model comes back whole, the same model makes the same bytes, and every
defect is reported.
"""

import ctypes
import errno
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from bad_folders import DEFECTS, DEFECTS_OF_OPTIONS, DEFECTS_OF_PACKED_FACTS, reseal
from safetensors import safe_open
from strategies import all_queries

from constructions import (
    CATALOGUE,
    ChainOfThought,
    Codebook,
    DoesNotFit,
    FactTable,
    InputError,
    hybrid,
    key_value,
    load,
    save,
    scalar_selector,
    selector,
    superposition,
)
from constructions.guards import memory
from constructions.model.fact_model import FactModel
from constructions.saved import folder

ROOT = Path(__file__).resolve().parents[1]
FACTS = FactTable.random_bijections(6, 2, seed=3)
PARTIAL = FactTable.random_functions(6, 2, seed=4, missing=0.4)
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
NAMED = FactTable(
    [[1, 2, 0], [-1, 0, 0]], ["Zürich", "a b", "unknown"], ["lies in", "unknown"]
)  # names may be those of special tokens


@pytest.fixture(autouse=True)
def certificate(monkeypatch):
    """What is claimed of a model is not the subject here, and takes time."""
    monkeypatch.setattr(folder, "certificate", lambda model: '{"claims": []}\n')


def contents(path):
    return {file.name: file.read_bytes() for file in path.iterdir()}


def assert_same(model, loaded):
    """Nothing that can be asked of the two models tells them apart."""
    assert type(loaded) is type(model)
    for name in (
        "construction",
        "recipe",
        "shape",
        "hops",
        "vocabulary",
        "facts",
        "fact_tables",
        "head_names",
    ):
        assert getattr(loaded, name) == getattr(model, name), name
    one, other = margin_of(model), margin_of(loaded)
    assert (one is None) == (other is None)
    if one is not None:
        # Where facts were installed, the bound of the leak may be from weights of two tables.
        assert float(one.real) == float(other.real)
        assert (one.in_dtype, one.attained, one.rounds) == (
            other.in_dtype,
            other.attained,
            other.rounds,
        )
    assert [book.tokens.tolist() for book in loaded.codebooks] == [
        book.tokens.tolist() for book in model.codebooks
    ]
    state, other = model.state_dict(), loaded.state_dict()
    assert list(state) == list(other)
    for name in state:
        assert state[name].dtype == other[name].dtype
        assert torch.equal(state[name].cpu(), other[name]), name
    subjects, paths = all_queries(model.facts, model.hops)
    assert np.array_equal(model.answer(subjects, paths), loaded.answer(subjects, paths))
    tokens = torch.randint(model.shape.d_vocab, (7, model.shape.n_positions or 2))
    with torch.no_grad():
        assert torch.equal(model(tokens), loaded(tokens))
    assert all(parameter.requires_grad for parameter in loaded.parameters())


def margin_of(model):
    """What is proven of the margin; None of a model that was trained or edited."""
    try:
        return model.margin
    except InputError:
        return None


def comes_back(model, path):
    """Save, load, compare, and save what was loaded: the bytes are the same. Returns the loaded
    model.
    """
    save(model, path)
    loaded = load(path)
    assert_same(model, loaded)
    before = contents(path)
    save(loaded, path)
    assert contents(path) == before
    return loaded


# ------------------------------------------------------------------ round trips


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("name", CATALOGUE)
def test_every_construction_comes_back(name, partial, tmp_path):
    entry = CATALOGUE[name]
    if partial and entry.random_partial_facts is None:
        pytest.skip("total facts only")
    facts = entry.random_partial_facts(5, 2, 8, 0.3) if partial else entry.random_facts(5, 2, 8)
    loaded = comes_back(entry.build(facts, 2 if entry.multi_hop else 1), tmp_path / "model")
    assert isinstance(loaded, ChainOfThought) == (name == "chain_of_thought")
    assert set(contents(tmp_path / "model")) == {
        *(
            "weights.safetensors",
            "vocabulary.txt",
            "facts.tsv",
            "certificate.json",
            "manifest.json",
        )
    }


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "name", ["selector", "scalar_selector", "superposition", "key_value_shared"]
)
def test_every_dtype_comes_back(name, dtype, tmp_path):
    loaded = comes_back(
        CATALOGUE[name].build(CATALOGUE[name].random_facts(4, 2, 1), dtype=dtype),
        tmp_path / "model",
    )
    assert loaded.embedding.weight.dtype == dtype


@pytest.mark.parametrize("options", [{"beta": 7}, {}])
def test_options_come_back(options, tmp_path):
    model = CATALOGUE["attention_selector"].constructor()(FACTS, **options)
    assert comes_back(model, tmp_path / "model").recipe.options == {"beta": None} | options


def test_names_come_back(tmp_path):
    loaded = comes_back(selector(NAMED), tmp_path / "model")
    assert loaded.answer("a b", ["lies in"]) == loaded.facts.entity_id("unknown")
    assert (tmp_path / "model" / "vocabulary.txt").read_text(encoding="utf-8").split("\n")[:4] == [
        *NAMED.entity_names,
        "lies in",
    ]


def books_of(name, *tables):
    if name == "superposition":
        return {
            "codebooks": [Codebook.of(*tables, relation=r) for r in range(tables[0].n_relations)]
        }
    return {"codebook": Codebook.of(*tables)}


@pytest.mark.parametrize(
    "name",
    [
        "selector",
        "scalar_selector",
        "attention_selector",
        "superposition",
        "precomputed",
        "chain_of_thought",
    ],
)
def test_codebooks_come_back_and_take_other_facts(name, tmp_path):
    entry = CATALOGUE[name]
    one, other = (
        FactTable([[0, 1, 0, 0], [2, -1, 2, 2]]),
        FactTable([[1, 1, -1, 0], [-1, 3, 2, 2]]),
    )
    model = entry.build(one, 2 if entry.multi_hop else 1, **books_of(name, one, other))
    loaded = comes_back(model, tmp_path / "a")
    assert "codebooks.safetensors" in contents(tmp_path / "a")
    for each in (model, loaded):
        each.install(other)
    assert_same(model, loaded)
    assert_same(comes_back(model, tmp_path / "b"), loaded)


def test_facts_that_need_fewer_codes_come_back_after_install(tmp_path):
    model = selector(FactTable.random_bijections(9, 2))
    model.install(FactTable(np.zeros((2, 9), int), [f"n{i}" for i in range(9)], ["p", "q"]))
    loaded = comes_back(model, tmp_path / "model")
    assert loaded.answer("n3", ["q"]) == 0


def test_total_facts_in_a_hybrid_built_for_partial_ones_come_back(tmp_path):
    model = hybrid(FactTable([[0, -1, 2, 3], [1, 2, 3, 0]]), 2, looked_up=0)
    model.install(FactTable([[3, 2, 1, 0], [1, 2, 3, 0]]))
    comes_back(model, tmp_path / "model")


@pytest.mark.parametrize(
    ("facts", "file"),
    [
        (FACTS, "facts.tsv"),
        (FactTable([[-1, -1]]), "facts.safetensors"),
        (FactTable([[1, 0]], ["# 1", "b"]), "facts.safetensors"),
        (FactTable([[1, 0]], ["#1", "b"]), "facts.safetensors"),
        (FactTable([[1, 0]], ["a", "#1"]), "facts.safetensors"),
        (FactTable([[1, -1]], ["a", "#1"]), "facts.tsv"),  # no line starts with it
        (FactTable([[1, 0]], ["head", "tail"], ["relation"]), "facts.safetensors"),
        (FactTable([[1, 0]], ["\u00e9", "b"], ["e\u0301"]), "facts.tsv"),
        (FactTable([[1, 0]], ["\u00e9", "b"], ["\u00e9"]), "facts.tsv"),
    ],
)
def test_facts_are_text_where_they_can_be(facts, file, tmp_path):
    comes_back(selector(facts), tmp_path / "model")
    assert [name for name in contents(tmp_path / "model") if name.startswith("facts")] == [file]


def test_many_facts_are_packed(monkeypatch, tmp_path):
    monkeypatch.setattr(folder, "MOST_FACTS_AS_TEXT", FACTS.n_facts)
    comes_back(selector(FACTS), tmp_path / "model")
    assert "facts.tsv" in contents(tmp_path / "model")
    monkeypatch.setattr(folder, "MOST_FACTS_AS_TEXT", FACTS.n_facts - 1)
    comes_back(selector(FACTS), tmp_path / "model")
    assert "facts.tsv" not in contents(tmp_path / "model")


def test_a_trained_model_comes_back(tmp_path):
    model = key_value(PARTIAL, 2, share_layers=True)
    model(torch.tensor([[0, 6, 7], [1, 7, 7]])).square().mean().backward()
    for parameter in model.parameters():
        parameter.data -= 0.01 * parameter.grad
    comes_back(model, tmp_path / "model")


@pytest.mark.parametrize("value", [-7, 0.5, torch.inf, 2.0**70])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_of_every_value_come_back(value, dtype, tmp_path):
    model = selector(FACTS, dtype=dtype)
    with torch.no_grad():
        model.layers[0].mlp.matrix(0)[1, 1] = value
        model.unembedding.weight[1, 1] = torch.nan
        model.layers[0].attention.output.weight[0, 0] = -0.0
    model.layers[0].mlp.matrix(0).data[0, 0] = 2
    save(model, tmp_path / "model")
    weights = load(tmp_path / "model").state_dict()
    assert all(
        torch.equal(weights[n].nan_to_num(9), tensor.nan_to_num(9))
        for n, tensor in model.state_dict().items()
    )


def test_how_weights_lie_in_memory_does_not_matter(tmp_path):
    save(selector(FACTS), tmp_path / "plain")
    model = selector(FACTS).requires_grad_(False)
    for parameter in model.parameters():
        parameter.data = parameter.data.t().contiguous().t()
    save(model, tmp_path / "other")
    assert contents(tmp_path / "other") == contents(tmp_path / "plain")


def test_tied_weights_are_saved_twice(tmp_path):
    model = selector(FACTS)
    model.unembedding.weight = model.embedding.weight
    save(model, tmp_path / "model")
    assert torch.equal(load(tmp_path / "model").unembedding.weight, model.embedding.weight)


# ------------------------------------------------------------------ the same bytes

SAVES = """
import sys
from constructions import CATALOGUE, save
for name in ("selector", "superposition", "hybrid", "chain_of_thought"):
    entry = CATALOGUE[name]
    save(entry.build(entry.random_facts(5, 2, 1)), f"{sys.argv[1]}/{name}")
"""


def test_the_same_model_makes_the_same_bytes_in_every_process(monkeypatch, tmp_path):
    """This process has another PYTHONHASHSEED than the one it starts."""
    monkeypatch.undo()
    other = tmp_path / "other"
    other.mkdir()
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", SAVES, other], env=environment, check=True, cwd=tmp_path)
    for name in ("selector", "superposition", "hybrid", "chain_of_thought"):
        save(CATALOGUE[name].build(CATALOGUE[name].random_facts(5, 2, 1)), tmp_path / name)
        assert contents(tmp_path / name) == contents(other / name)


def test_the_manifest_lists_all_files_and_weights_have_no_metadata(tmp_path):
    save(selector(FACTS), tmp_path / "model")
    files = contents(tmp_path / "model")
    raw = files.pop("manifest.json")
    manifest = json.loads(raw)
    assert raw.decode("ascii") == json.dumps(manifest, sort_keys=True, indent=1) + "\n"
    assert manifest["files"] == {
        name: {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
        for name, raw in files.items()
    }
    assert b"__metadata__" not in files["weights.safetensors"]
    assert (manifest["format"], manifest["builder"], manifest["dtype"]) == (
        2,
        "selector",
        "float32",
    )
    assert manifest["architecture"] == {
        "layers": [{"heads": [[0, 6]], "d_mlp": [6]}],
        "repeats": 1,
    }


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_files_get_the_permissions_that_the_user_asks_for(tmp_path):
    mask = os.umask(0o027)
    try:
        save(
            superposition(FactTable([[0, 0]]), codebooks=[Codebook(np.array([0, 1]))]),
            tmp_path / "model",
        )
    finally:
        os.umask(mask)
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "model").iterdir()} == {0o640}


# ------------------------------------------------------------------ defects


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with every kind of file but packed facts; and one with those."""
    parent = tmp_path_factory.mktemp("saved")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder, "certificate", lambda model: '{"claims": []}\n')
        save(selector(FACTS, codebook=Codebook(np.arange(7))), parent / "text")
        save(
            selector(
                FactTable([[1, -1, 0]], ["#", "b", "c"]), codebook=Codebook(np.array([0, 1, 2, 4]))
            ),
            parent / "packed",
        )
        save(key_value(FACTS, 2), parent / "hops")
    return parent


def copy_of(saved, name, tmp_path):
    return Path(shutil.copytree(saved / name, tmp_path / "model"))


class Allocated(Exception):
    """Weights were allocated."""


def refuse_to_allocate(*_, **__):
    raise Allocated


@pytest.mark.parametrize("defect", DEFECTS)
def test_every_defect_is_reported_before_weights_are_allocated(
    defect, saved, tmp_path, monkeypatch
):
    damage, reported = DEFECTS[defect]
    path = copy_of(saved, "text", tmp_path)
    damage(path)
    if defect != "construction":  # which is known when the model is there
        monkeypatch.setattr(FactModel, "__init__", refuse_to_allocate)
    with pytest.raises(InputError, match=reported) as caught:
        load(path)
    assert str(tmp_path) in str(caught.value), "the message names the file"


@pytest.mark.parametrize(
    "defect",
    [
        "header twice",
        "header after a space",
        "entry of other keys",
        "entry as a list",
        "metadata",
        "metadata null",
    ],
)
def test_safetensors_alone_takes_what_is_looked_for_beside_it(defect, saved, tmp_path):
    """The control of `read_header`: without its own look at the header these would be read."""
    path = copy_of(saved, "text", tmp_path)
    DEFECTS[defect][0](path)
    with safe_open(path / "weights.safetensors", framework="np") as file:
        assert file.get_tensor("embedding.weight").shape == (9, 9)


@pytest.mark.parametrize(("damage", "reported"), DEFECTS_OF_OPTIONS)
def test_options_that_make_another_model_are_reported(
    damage, reported, saved, tmp_path, monkeypatch
):
    path = copy_of(saved, "hops", tmp_path)
    damage(path)
    monkeypatch.setattr(FactModel, "__init__", refuse_to_allocate)
    with pytest.raises(InputError, match=reported):
        load(path)


@pytest.mark.parametrize(("damage", "reported"), DEFECTS_OF_PACKED_FACTS)
def test_defects_of_packed_facts_are_reported(damage, reported, saved, tmp_path):
    path = copy_of(saved, "packed", tmp_path)
    damage(path)
    with pytest.raises(InputError, match=reported):
        load(path)


@pytest.mark.parametrize("model", ["text", "packed"])
def test_no_flipped_bit_is_overlooked(model, saved, tmp_path):
    path = copy_of(saved, model, tmp_path)
    rng = random.Random(0)
    for name, raw in contents(path).items():
        for _ in range(150 if name == "manifest.json" else 20):
            at, bit = rng.randrange(len(raw)), rng.randrange(8)
            (path / name).write_bytes(raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :])
            with pytest.raises(InputError):
                load(path)
        (path / name).write_bytes(raw)
    load(path)


@pytest.mark.parametrize("model", ["text", "packed"])
def test_no_truncated_file_is_overlooked(model, saved, tmp_path):
    path = copy_of(saved, model, tmp_path)
    for name, raw in contents(path).items():
        for length in {0, 1, 7, 8, 9, len(raw) // 2, len(raw) - 1}:
            for seal in (False, True) if name != "manifest.json" else (False,):
                whole = contents(path)
                (path / name).write_bytes(raw[:length])
                reseal(path) if seal else None
                if seal and name in ("certificate.json", "facts.tsv"):
                    continue  # a shorter text may be as good
                with pytest.raises(InputError):
                    load(path)
                for other, bytes_ in whole.items():
                    (path / other).write_bytes(bytes_)


@pytest.mark.parametrize("path", ["nothing", "file", "empty", "\0"])
def test_what_is_no_model_folder_is_reported(path, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"is no folder|no such file"):
        load(tmp_path / path)


def test_a_model_that_does_not_fit_is_reported(saved, monkeypatch):
    monkeypatch.setattr(memory, "memory_limit", lambda: 1000)
    with pytest.raises(
        DoesNotFit, match=r"the weights need [\d,]+ bytes, and this machine has 1,000"
    ):
        load(saved / "text")


def test_a_disk_that_fails_is_reported(saved, monkeypatch):
    def fail(_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(folder.manifests, "digest", fail)
    with pytest.raises(InputError, match="text: cannot be read: Input/output error"):
        load(saved / "text")


# ------------------------------------------------------------------ what cannot be saved


def test_a_model_without_a_recipe_is_refused(tmp_path):
    model = selector(FACTS)
    del model.recipe
    with pytest.raises(InputError, match="this one has no recipe"):
        save(model, tmp_path / "model")


def test_a_model_with_other_tensors_is_refused(tmp_path):
    model = selector(FACTS)
    model.extra = torch.nn.Linear(1, 1)
    model.unembedding.weight = torch.nn.Parameter(torch.zeros(2, 2))
    with pytest.raises(
        InputError,
        match=r"extra.bias \(1,\), not there; .*unembedding.weight \(2, 2\), not \(9, 9\)",
    ):
        save(model, tmp_path / "model")


@pytest.mark.parametrize(
    ("convert", "reported"),
    [
        (lambda model: model.half(), "use a wider dtype"),
        (
            lambda model: model.embedding.double(),
            "must have one dtype; these have torch.float32, torch.float64",
        ),
        (lambda model: model.to(torch.complex64), "these are torch.complex64"),
    ],
)
@pytest.mark.filterwarnings("ignore:Complex modules")
def test_weights_in_a_dtype_that_cannot_come_back_are_refused(convert, reported, tmp_path):
    model = scalar_selector(FactTable.random_bijections(64, 1))
    convert(model)
    with pytest.raises(InputError, match=reported):
        save(model, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_weights_in_a_wider_dtype_come_back(tmp_path):
    model = scalar_selector(FACTS).double()
    save(model, tmp_path / "model")
    assert load(tmp_path / "model").embedding.weight.dtype == torch.float64


def test_a_model_whose_certificate_is_refused_is_not_saved(monkeypatch, tmp_path):
    def refuse(model):
        raise InputError("no claim holds")

    monkeypatch.setattr(folder, "certificate", refuse)
    with pytest.raises(InputError, match="no claim holds"):
        save(selector(FACTS), tmp_path / "model")
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------ overwriting


def test_a_model_replaces_a_model(tmp_path):
    for model in (
        selector(FACTS),
        key_value(PARTIAL, 2),
        selector(FACTS, codebook=Codebook(np.arange(7))),
    ):
        save(model, tmp_path / "model")
        assert_same(model, load(tmp_path / "model"))
        assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "model").mkdir()
    comes_back(selector(FACTS), tmp_path / "model")


def test_a_link_is_followed(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "model")
    for model in (selector(FACTS), selector(PARTIAL)):
        save(model, tmp_path / "link")
        assert_same(model, load(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["model"]


def a_file(path):
    path.write_text("mine")


def a_folder(path):
    path.mkdir()
    (path / "thesis.tex").write_text("mine")


def a_folder_with_a_manifest(path):
    a_folder(path)
    (path / "manifest.json").write_text('{"name": "an app"}')


def a_model_and_notes(path):
    save(selector(FACTS), path)
    (path / "notes.txt").write_text("mine")


@pytest.mark.parametrize(
    ("make", "reported"),
    [
        (a_file, "is no folder, and stays as it is"),
        (a_folder, "is not empty and not the folder of a model, so it stays as it is"),
        (
            a_folder_with_a_manifest,
            "is not empty and not the folder of a model, so it stays as it is",
        ),
        (
            a_model_and_notes,
            r"is not just the model that was saved, so it stays as it is; .*holds notes\.txt, which",
        ),
    ],
)
def test_what_is_no_model_is_never_overwritten(make, reported, tmp_path):
    path = tmp_path / "model"
    make(path)
    before = path.read_bytes() if path.is_file() else contents(path)
    with pytest.raises(InputError, match=reported):
        save(selector(PARTIAL), path)
    assert (path.read_bytes() if path.is_file() else contents(path)) == before
    assert [other.name for other in tmp_path.iterdir()] == ["model"]


def test_what_comes_while_the_model_is_written_is_not_overwritten(monkeypatch, tmp_path):
    for make in (a_file, a_folder, a_model_and_notes):
        path = tmp_path / make.__name__

        def describe(model, make=make, path=path):
            monkeypatch.undo()
            make(path)
            return folder._description(model)

        monkeypatch.setattr(folder, "_description", describe)
        with pytest.raises(InputError):
            save(selector(PARTIAL), path)
        assert path.is_file() or {"thesis.tex", "notes.txt"} & set(contents(path))
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(
    ("path", "reported"),
    [
        ("none/model", "there is no folder .*none; make it first"),
        ("a" * 250, "cannot be written: File name too long"),
        ("/proc/model", "/proc/model: cannot be written"),
        ("/", "give the name of a folder in it"),
        ("\0", "is no folder name"),
    ],
)
def test_a_place_that_cannot_be_written_is_reported(path, reported, tmp_path):
    if path.startswith("/proc") and not Path("/proc/self").exists():
        pytest.skip("no /proc")
    with pytest.raises(InputError, match=reported):
        save(selector(FACTS), tmp_path / path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), MemoryError()]
)
@pytest.mark.parametrize("place", ["write_tensors", "fact_lines", "_description"])
def test_a_save_that_fails_leaves_what_was_there(error, place, monkeypatch, tmp_path):
    save(selector(FACTS), tmp_path / "model")
    before = contents(tmp_path / "model")

    def fail(*_):
        raise error

    monkeypatch.setattr(folder, place, fail)
    reported = (
        "model: cannot be written: No space left on device" if isinstance(error, OSError) else None
    )
    with pytest.raises(InputError if reported else type(error), match=reported):
        save(selector(PARTIAL), tmp_path / "model")
    assert contents(tmp_path / "model") == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("library", [object(), "EINVAL", "EIO"])
def test_where_folders_cannot_be_exchanged_the_old_one_stays(library, monkeypatch, tmp_path):
    class Refuses:
        def renameat2(self, *_):
            ctypes.set_errno(getattr(errno, library))
            return -1

        renamex_np = renameat2

    save(selector(FACTS), tmp_path / "model")
    before = contents(tmp_path / "model")
    monkeypatch.setattr(
        ctypes, "CDLL", lambda *_, **__: Refuses() if isinstance(library, str) else library
    )
    reported = "Input/output error" if library == "EIO" else "remove the old folder first"
    with pytest.raises(InputError, match=reported):
        save(selector(PARTIAL), tmp_path / "model")
    assert contents(tmp_path / "model") == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


ORPHAN = ".model.0123456789abcdef.part"


def test_only_orphans_of_the_same_folder_are_swept(tmp_path):
    others = [
        ".other.0123456789abcdef.part",
        ".model.0123456789abcdef.part.bak",
        ".model.0123456789abcde.part",
        f".model.{os.getpid()}.0123abcd.part",
    ]
    for name in (ORPHAN, *others):
        (tmp_path / name).mkdir()
        (tmp_path / name / "facts.tsv").write_text("")
    save(selector(FACTS), tmp_path / "model")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, "model"])


@pytest.mark.parametrize("name", ["notes.txt", "weights.safetensors.bak", "facts.tsv"])
def test_what_no_save_has_left_is_not_swept(name, tmp_path):
    """A file of another name, and a folder of one; also in a whole model."""
    for i, make in enumerate((Path.mkdir, partial(save, selector(FACTS)))):
        orphan = tmp_path / ORPHAN.replace("f.part", f"{i}.part")
        make(orphan)
        (orphan / name).unlink(missing_ok=True)
        a_folder(orphan / name) if name == "facts.tsv" else a_file(orphan / name)
    before = {path: sorted(path.iterdir()) for path in tmp_path.iterdir()}
    save(selector(FACTS), tmp_path / "model")
    assert {
        path: sorted(path.iterdir()) for path in tmp_path.iterdir() if path.name != "model"
    } == before


# ------------------------------------------------------------------ killed


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_saves_that_are_killed_leave_the_old_or_the_new_model(tmp_path):
    """`kill_saves.py` checks the folder after each kill: at each step of a save, and KILLS times
    at a random moment.
    """
    count = os.environ.get("KILLS", "20")
    command = [sys.executable, ROOT / "tests" / "kill_saves.py", tmp_path, count, "5"]
    done = subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["everywhere"]["seen"]["old"] > 20
    assert found["everywhere"]["seen"]["new"] > 5
    # three files at least, each with none, half and all of its bytes
    assert found["in the middle"]["seen"]["old"] >= 9
    assert found["at random"]["kills"] == int(count)
    assert found["left"] == []
