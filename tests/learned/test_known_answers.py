"""The pack of known answers: what it says of each decoder is so, comes back, and is scored."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
from export_tools import needs
from page_blocks import ROOT, python_of

from constructions.guards.errors import InputError
from verify.__main__ import main
from verify.learned.adapters import of
from verify.learned.claimed import answers_of
from verify.learned.decoder import table_of_answers
from verify.learned.finding import find
from verify.learned.known_answers import INDEX, lines, load, scores, write
from verify.learned.recall import derangement, recall
from verify.learned.structure import Structure, from_json, score

PLANTED = ["axis-aligned", "rotated", "widened", "noisy", "normalized", "trained"]
PAGE = "docs/known-answers.md"


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("known") / "pack"
    write(folder)
    return folder


@pytest.fixture(scope="module")
def models(pack):
    return {known.name: known for known in load(pack)}


def exchanged(known, relation, basis):
    """The share of subjects that answer as they should when what all rows hold in one relation's
    subspace is another subject's: the donor's answer for it, their own for all others.
    """
    decoder, answers = of(known.decoder, known.facts), answers_of(known.facts)
    donor = derangement(decoder.n_entities, np.random.default_rng(0))
    rows = decoder.rows()
    changed = rows + (rows[donor] - rows) @ basis.T @ basis
    wanted = answers.copy()
    wanted[relation] = answers[relation, donor]
    said = table_of_answers(decoder.with_rows(changed))
    return (said == wanted).all(axis=0).mean()


def test_all_grades_are_there_and_recall_everything(models):
    assert [*models] == [*PLANTED, "memory"]
    assert [known.difficulty for known in models.values()] == [1, 2, 3, 4, 5, 6, 0]
    for known in models.values():
        assert recall(of(known.decoder, known.facts), answers_of(known.facts)).value == 1


@pytest.mark.parametrize("name", PLANTED)
def test_the_planted_subspaces_are_what_answers_come_from(name, models):
    known = models[name]
    assert sorted(known.truth.subspaces) == list(range(4))
    for relation, basis in known.truth.subspaces.items():
        assert exchanged(known, relation, basis) == 1
        assert exchanged(known, (relation + 1) % 4, basis) < 0.2, "the control"


@pytest.mark.parametrize("name", PLANTED)
def test_the_planted_units_are_off_for_their_relation_alone(name, models):
    known = models[name]
    decoder = of(known.decoder, known.facts)
    subjects = np.arange(decoder.n_entities)
    active = np.stack([decoder.units(subjects, np.full_like(subjects, r)) for r in range(4)])
    assert len(known.truth.units) == 16
    for unit, relation in known.truth.units:
        others = np.arange(4) != relation
        assert active[relation, :, unit].max() < 0.2
        assert active[others, :, unit].min() > 0.8


def test_what_is_planted_is_found(pack):
    for known, scored in scores(load(pack)):
        if known.name == "memory":
            assert scored["subspaces"].precision is None
            assert scored["subspaces"].recall is None
            assert scored["units"] is None
            continue
        least = 0.9 if known.name == "trained" else 0.999
        assert scored["subspaces"].precision > least
        assert scored["subspaces"].recall > least
        assert (scored["units"].precision, scored["units"].recall) == (1, 1)
        assert lines(scored)[0].startswith("subspaces: precision ")


def test_the_page_shows_what_is_found(models):
    """Of the trained one, whose weights depend on the machine, to two hundredths."""
    text = (ROOT / PAGE).read_text()
    ((_, scored),) = scores([models["trained"]])
    (shown,) = re.findall(r"^trained: .*\n    subspaces: precision (\S+), recall", text, re.M)
    assert float(shown) == pytest.approx(scored["subspaces"].precision, abs=0.02)
    for name, known in models.items():
        (row,) = re.findall(rf"^\| `{name}` \| (\d) \| (\d+) \|", text, re.M)
        assert row == (str(known.difficulty), str(known.decoder.shape.d_model))


def test_a_wrong_finding_scores_less(models):
    """Directions of the axes, in the rotated one; the true ones of another relation; a unit of
    another relation; and something found in the memory.
    """
    known = models["rotated"]
    axes = Structure({r: np.eye(17)[4 * r : 4 * r + 4] for r in range(4)})
    assert score(axes, models["axis-aligned"].truth)["subspaces"].recall == pytest.approx(1)
    assert score(axes, known.truth)["subspaces"].recall < 0.5
    moved = Structure(
        {(r + 1) % 4: basis for r, basis in known.truth.subspaces.items()},
        frozenset((unit, (relation + 1) % 4) for unit, relation in known.truth.units),
    )
    scored = score(moved, known.truth)
    assert scored["subspaces"].recall == pytest.approx(0, abs=1e-9)
    assert scored["units"].recall == 0
    assert len(scored["units"].missed) == len(scored["units"].wrong) == 16
    something = Structure({0: np.eye(275)[:1]})
    assert score(something, models["memory"].truth)["subspaces"].precision == 0


def test_a_pack_comes_back_as_it_was_written(pack, models):
    index = json.loads((pack / INDEX).read_text("utf-8"))
    assert (index["format"], index["version"], index["seed"]) == ("known-answers", 1, 0)
    assert index["about"].keys() == {"prompt", "subspaces", "units"}
    for described in index["models"]:
        truth, known = from_json(described["truth"]), models[described["name"]]
        assert truth.units == known.truth.units
        assert (pack / described["weights"]).is_file()
        assert np.array_equal(described["facts"]["answers"], known.facts.answers)
        assert described["shape"]["d_model"] == known.decoder.shape.d_model


def test_the_page_runs(pack, monkeypatch, capsys):
    monkeypatch.chdir(pack.parent)
    first, second, third, fourth = python_of(PAGE)
    exec(compile(first, PAGE, "exec"), {})
    assert capsys.readouterr().out.count("Score(") == 13
    exec(compile(second, PAGE, "exec"), {})
    assert "bridge_of(" in third
    assert "of_module(" in fourth


@needs("transformerlens")
def test_they_run_in_transformerlens(pack, monkeypatch, models):
    monkeypatch.chdir(pack.parent)
    tokens = torch.tensor([[5, 257], [17, 256]])
    names = {"load": load, "prompts": tokens}
    for block in python_of(PAGE)[2:]:
        exec(compile(block, PAGE, "exec"), names)
    decoder = models["axis-aligned"].decoder
    assert torch.allclose(names["logits"], decoder(tokens), atol=1e-4)
    rows = decoder.embedding.weight[tokens[:, 0]] + decoder.positions.weight[0]
    assert torch.allclose(names["rows"], rows, atol=1e-4)


def tensors_of_the_page():
    """The tensors that the page lists, by their names with i for the number of a block: the sizes
    of their axes in words, and whether they are there with norms alone.
    """
    listed = {}
    for names, axes, said in re.findall(
        r"^\| (`\S+\.weight`.*?) \| \((.+)\) \|(.*)\|$", (ROOT / PAGE).read_text(), re.M
    ):
        first, *others = re.findall(r"`(\S+)`", names)
        stem = first.removesuffix(".weight").rpartition(".")[0]
        for name in (first, *(stem + other for other in others)):
            listed[name] = (axes.rstrip(",").split(", "), "`normalized` alone" in said)
    return listed


def test_the_page_lists_every_tensor_and_its_shape(pack, models):
    from safetensors.numpy import load_file

    listed = tensors_of_the_page()
    for name, known in models.items():
        shape = known.decoder.shape
        expected = {
            tensor.replace("blocks.i.", f"blocks.{i}."): tuple(
                shape.n_heads * shape.d_head if axis == "H" else getattr(shape, axis)
                for axis in axes
            )
            for tensor, (axes, of_norms) in listed.items()
            for i in range(shape.n_layers)
            if name == "normalized" or not of_norms
        }
        stored = load_file(pack / f"{name}.safetensors")
        assert {tensor: array.shape for tensor, array in stored.items()} == expected


def test_every_model_is_computed_as_the_page_says(pack, models):
    """By hand, from the tensors in the files, norms included: every fact is answered."""
    from safetensors.numpy import load_file

    for name, known in models.items():
        weights, shape = load_file(pack / f"{name}.safetensors"), known.decoder.shape
        subjects = np.arange(0, known.facts.n_entities, 16)
        for relation in range(known.facts.n_relations):
            for subject in subjects:
                tokens = [subject, known.facts.n_entities + relation]
                logits = by_hand(weights, shape, tokens)
                assert logits.argmax() == known.facts.answer(int(subject), [relation])


def by_hand(weights, shape, tokens):
    """The logits of the last position, as the page has the formulas."""

    def norm(x, gain):
        if shape.norm is None:
            return x
        eps = np.finfo(x.dtype).eps
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * weights[f"{gain}.weight"]

    x = weights["embedding.weight"][tokens] + weights["positions.weight"][: len(tokens)]
    for i in range(shape.n_layers):
        read = norm(x, f"blocks.{i}.attention_norm")
        query, key, value = (
            (read @ weights[f"blocks.{i}.attention.{part}.weight"].T)
            .reshape(len(tokens), shape.n_heads, shape.d_head)
            .swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        scores = query @ key.swapaxes(1, 2) / np.sqrt(shape.d_head)
        scores[:, np.triu(np.ones(scores.shape[1:], bool), 1)] = -np.inf
        pattern = np.exp(scores - scores.max(-1, keepdims=True))
        pattern /= pattern.sum(-1, keepdims=True)
        mixed = (pattern @ value).swapaxes(0, 1).reshape(len(tokens), -1)
        x = x + mixed @ weights[f"blocks.{i}.attention.output.weight"].T
        read = norm(x, f"blocks.{i}.mlp_norm")
        first, second = (weights[f"blocks.{i}.mlp.weights.{j}.weight"] for j in (0, 1))
        x = x + np.maximum(read @ first.T, 0) @ second.T
    return weights["unembedding.weight"] @ norm(x, "final_norm")[-1]


def test_nothing_is_overwritten_and_no_other_folder_is_read(pack, tmp_path):
    with pytest.raises(InputError, match="is not empty"):
        write(pack)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        write(tmp_path / "file")
    with pytest.raises(InputError, match="in an existing one"):
        write(tmp_path / "no" / "pack")
    with pytest.raises(InputError, match="no pack of known answers"):
        list(load(tmp_path))


@pytest.mark.parametrize("defect", ["version", "shape", "weights", "truth"])
def test_a_damaged_pack_is_refused(defect, pack, tmp_path):
    copy = shutil.copytree(pack, tmp_path / "copy")
    index = json.loads((copy / INDEX).read_text("utf-8"))
    if defect == "version":
        index["version"] = 2
    elif defect == "shape":
        index["models"][0]["shape"]["d_model"] = 18
    elif defect == "weights":
        (copy / "axis-aligned.safetensors").write_bytes(b"no")
    else:
        index["models"][0]["truth"]["subspaces"][0]["basis"][0][0] = 2.0
    (copy / INDEX).write_text(json.dumps(index), "utf-8")
    with pytest.raises(InputError):
        list(load(copy))


def test_the_memory_holds_nothing_in_its_rows(models):
    known = models["memory"]
    found = find(of(known.decoder, known.facts), answers_of(known.facts))
    assert found.subspaces == {}


@pytest.mark.parametrize("seed", [2**63, 10**26 - 1])
def test_a_seed_that_is_too_large_is_refused_before_anything_is_written(seed, tmp_path, capsys):
    assert main(["known-answers", str(tmp_path / "out"), "--seed", str(seed)]) == 2
    assert "seed must be an integer from 0 to 9,223,372,036,854,775,807" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
