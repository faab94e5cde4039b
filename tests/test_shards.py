"""A plan is saved as its model would be, without holding it; and weights in shards are what their
index says.
"""

import hashlib
import json
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from folder_edits import edit, reseal
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from strategies import construction_and_facts
from tiers import few

from constructions import (
    CATALOGUE,
    DoesNotFit,
    FactTable,
    InputError,
    digit_selector,
    load,
    save,
    scalar_selector,
    selector,
)
from constructions.model.nearest import nearest
from constructions.saved.weight_files import INDEX, Blocks, weight_files, write_weights
from constructions.writing import token_rows
from verify.__main__ import main
from verify.checking.check import check
from verify.queries.sampled import check_and_sample

FACTS = FactTable.random_functions(9, 3, seed=2, missing=0.2)
FIRST, SECOND = (f"model-0000{i}-of-00008.safetensors" for i in (1, 2))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def turn_a_byte(file):
    """Change the last bit of what a file of weights holds."""
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """So that small tables are made in many blocks of rows."""
    monkeypatch.setattr(token_rows, "NUMBERS_AT_ONCE", 40)


@given(data=st.data())
def test_a_saved_plan_has_the_bytes_of_the_model_that_it_builds(tmp_path_factory, data):
    name, facts = data.draw(construction_and_facts())
    entry, shards = CATALOGUE[name], data.draw(st.none() | st.integers(1, 3000))
    hops = data.draw(st.integers(1, 3)) if entry.multi_hop else 1
    dtype = data.draw(st.sampled_from([torch.float64, torch.float32, torch.float16]))
    folder = tmp_path_factory.mktemp("saved")
    try:
        model = entry.build(facts, hops, dtype=dtype)
    except (DoesNotFit, InputError):
        return
    save(model, folder / "built", shard_bytes=shards)
    save(entry.plan(facts, hops, dtype=dtype), folder / "planned", shard_bytes=shards)
    assert contents(folder / "planned") == contents(folder / "built")
    mapped = load(folder / "planned", mapped=True).state_dict()
    assert all(torch.equal(mapped[name], one) for name, one in model.state_dict().items())
    file = data.draw(st.sampled_from(weight_files(contents(folder / "planned"))))
    turn_a_byte(folder / "planned" / file)
    assert check(folder / "planned").verdict == "FAIL"
    # a shard of tensors that hold nothing is all header
    with pytest.raises(InputError, match=r"SHA-256|is refused by safetensors"):
        load(folder / "planned")


def test_a_block_of_other_rows_is_noticed(tmp_path, monkeypatch):
    save(selector(FACTS), tmp_path / "built")
    fill = token_rows.FactRows.fill
    monkeypatch.setattr(
        token_rows.FactRows, "fill", lambda self, rows, start: fill(self, rows, max(0, start - 1))
    )
    save(selector.plan(FACTS), tmp_path / "planned")
    assert contents(tmp_path / "planned") != contents(tmp_path / "built")
    assert check(tmp_path / "planned").verdict == "FAIL"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_files_of_weights_have_the_bytes_that_the_library_writes(tmp_path, dtype):
    tensors = {"b": torch.arange(6).reshape(2, 3), "a.x": torch.ones(4, 1), "c": torch.ones(0, 3)}
    tensors = {name: one.to(dtype) for name, one in tensors.items()}
    digests = write_weights(tmp_path, {name: Blocks.of(one) for name, one in tensors.items()})
    save_file(tensors, tmp_path / "library")
    written = contents(tmp_path)
    assert written["weights.safetensors"] == written["library"]
    assert digests == {"weights.safetensors": hashlib.sha256(written["library"]).hexdigest()}


def test_shards_are_read_as_hugging_face_reads_them(tmp_path):
    model = selector(FACTS)
    save(model, tmp_path / "model", shard_bytes=1)
    index = json.loads((tmp_path / "model" / INDEX).read_text())
    held = {
        name: load_file(tmp_path / "model" / file)[name]
        for name, file in index["weight_map"].items()
    }
    assert held.keys() == model.state_dict().keys()
    assert all(torch.equal(held[name], one) for name, one in model.state_dict().items())
    sizes = sum(one.numel() * one.itemsize for one in held.values())
    assert index["metadata"] == {"total_size": sizes}


@pytest.mark.parametrize("name", few(["selector", "key_value", "chain_of_thought"], "selector"))
def test_models_in_shards_are_proven_loaded_and_asked(tmp_path, name):
    entry = CATALOGUE[name]
    hops = 2 if entry.multi_hop else 1
    save(entry.plan(FACTS, hops), tmp_path / "model", shard_bytes=200)
    proven, sample = check_and_sample(tmp_path / "model")
    assert (proven.verdict, proven.by, sample.verdict) == ("PASS", "kernel and symbolic", "PASS")
    subjects, paths = np.arange(9)[:, None], np.stack([np.arange(3)] * hops, axis=1)
    for model in (load(tmp_path / "model"), load(tmp_path / "model", mapped=True)):
        assert np.array_equal(model.answer(subjects, paths), FACTS.answer(subjects, paths))


def in_index(change):
    def defect(path):
        index = json.loads((path / INDEX).read_text())
        change(index)
        (path / INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")
        reseal(path)

    return defect


def damaged(path):
    turn_a_byte(path / FIRST)


def swapped(path):
    one, other = (path / name for name in (FIRST, SECOND))
    held = one.read_bytes(), other.read_bytes()
    one.write_bytes(held[1]), other.write_bytes(held[0])
    reseal(path)


def missing_everywhere(path):
    (path / SECOND).unlink()
    edit(path, lambda manifest: manifest["files"].pop(SECOND))


def without_index(path):
    (path / INDEX).unlink()
    edit(path, lambda manifest: manifest["files"].pop(INDEX))


def beside_a_single_file(path):
    (path / "weights.safetensors").write_bytes((path / FIRST).read_bytes())
    edit(path, lambda manifest: manifest["files"].update({"weights.safetensors": {}}))
    reseal(path)


def twice(path):
    tensors = {**load_file(path / FIRST), **load_file(path / SECOND)}
    save_file(tensors, path / SECOND)
    reseal(path)


DEFECTS = {
    "damaged": (damaged, "SHA-256"),
    "missing": (lambda path: (path / SECOND).unlink(), SECOND),
    "missing everywhere": (missing_everywhere, "is one of 8"),
    "swapped": (swapped, "says weight_map"),
    "no index": (without_index, f"but no {INDEX}"),
    "both": (beside_a_single_file, "weights.safetensors"),
    "a tensor twice": (twice, "and so does"),
    "wrong map": (
        in_index(lambda index: index["weight_map"].update({"embedding.weight": SECOND})),
        "says weight_map",
    ),
    "a tensor more": (
        in_index(lambda index: index["weight_map"].update({"x": FIRST})),
        "says weight_map",
    ),
    "a tensor less": (
        in_index(lambda index: index["weight_map"].pop("embedding.weight")),
        "says weight_map",
    ),
    "another size": (
        in_index(lambda index: index["metadata"].update({"total_size": 7})),
        "total_size",
    ),
    "no map": (in_index(lambda index: index.pop("weight_map")), "weight_map"),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_shards_that_are_not_as_listed_are_refused_by_checker_and_loader(tmp_path, name):
    defect, reported = DEFECTS[name]
    save(selector(FACTS), tmp_path / "model", shard_bytes=1)
    assert check(tmp_path / "model").verdict == "PASS"
    defect(tmp_path / "model")
    found = check(tmp_path / "model")
    assert found.verdict == "FAIL"
    assert reported in found.reason
    with pytest.raises(InputError, match=reported):
        load(tmp_path / "model")


CODED = [
    selector,
    scalar_selector,
    *(partial(digit_selector, bits_per_coordinate=bits) for bits in (1, 2, 3)),
]
"""Constructions that answer by sign codes, by numbers and by vectors of numbers."""


@pytest.mark.parametrize("build", CODED)
def test_the_nearest_token_is_the_one_with_the_largest_logit(build):
    model = build(FACTS)
    subjects, paths = model.queries(np.arange(model.n_queries(1)), 1)
    states, _ = model.states(model.prompt(subjects, paths))
    found = nearest(model.readout, model.unembedding.weight, states[:, -1])
    assert torch.equal(found, model.unembedding(states[:, -1]).argmax(-1))


@pytest.mark.parametrize("build", CODED)
def test_of_states_that_are_anything_none_is_decided_that_has_another_best_token(build):
    """Integers, halves, and what is no number; the control: halves of numbers are not decided."""
    model, rng = build(FACTS, dtype=torch.float64), np.random.default_rng(0)
    weight, decided = model.unembedding.weight, 0
    scales = (0.5, 0), (1, 0), (2.0**40, 0), (1e300, 0), (1, math.inf), (1, math.nan)
    for scale, entry in scales:
        most = rng.choice([1, 2, 9], size=(300, 1))
        drawn = float(scale) * rng.integers(-1, most + 1, size=(300, weight.shape[1]))
        drawn[:, 0] = entry or drawn[:, 0]
        for state in torch.from_numpy(drawn):
            found = nearest(model.readout, weight, state[None])
            if found is not None:
                logits = weight @ state
                assert (logits == logits.max()).nonzero().ravel().tolist() == found.tolist()
                decided += 1
    assert decided > 0
    states, _ = model.states(model.prompt(np.array([0, 1]), np.array([[0], [0]])))
    read = torch.from_numpy(model.readout.fields[0].read.matrix()[0] != 0)
    between = states[:, -1].detach() + 0.5 * read
    assert build is selector or nearest(model.readout, weight, between) is None


@pytest.mark.parametrize("build", CODED)
def test_a_row_of_the_answer_that_is_not_as_declared_is_not_taken_on_trust(build, tmp_path):
    save(build(FACTS), tmp_path / "model", shard_bytes=1)
    index = json.loads((tmp_path / "model" / INDEX).read_text())["weight_map"]
    file = tmp_path / "model" / index["unembedding.weight"]
    weight = load_file(file)["unembedding.weight"]
    answer = int(
        FACTS.answer(*next(iter([(i, [0]) for i in range(9) if FACTS.answer(i, [0]) >= 0])))
    )
    weight[answer] = -weight[answer]
    save_file({"unembedding.weight": weight}, file)
    subject = int(np.flatnonzero(FACTS.answers[0] == answer)[0])
    model = load(tmp_path / "model", mapped=True)
    assert model.answer(subject, [0]) != answer


def test_more_shards_than_names_can_count_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("constructions.saved.weight_files.MOST_SHARDS", 3)
    with pytest.raises(InputError, match="are 8 files; at most 3"):
        save(selector(FACTS), tmp_path / "model", shard_bytes=1)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("shard_bytes", [0, -1, True, 2.0, "9"])
def test_bytes_of_shards_are_a_positive_integer(tmp_path, shard_bytes):
    with pytest.raises(InputError, match="shard_bytes"):
        save(selector(FACTS), tmp_path / "model", shard_bytes=shard_bytes)
    save(selector(FACTS), tmp_path / "model", shard_bytes=np.int8(9))


def test_a_plan_that_no_builder_has_recorded_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"a plan is saved as a public builder makes it"):
        save(replace(selector.plan(FACTS), recipe=None), tmp_path / "model")


def test_a_table_that_is_mapped_is_not_copied(tmp_path):
    np.save(tmp_path / "answers.npy", FACTS.answers)
    mapped = np.load(tmp_path / "answers.npy", mmap_mode="r")
    facts = FactTable(mapped)
    assert np.shares_memory(facts.answers, mapped)
    assert facts == FACTS
    assert not np.shares_memory(FactTable(np.array(mapped)).answers, mapped)
    np.save(tmp_path / "wrong.npy", np.where(FACTS.answers == 3, 9, FACTS.answers))
    with pytest.raises(InputError, match="= 9 is no entity"):
        FactTable(np.load(tmp_path / "wrong.npy", mmap_mode="r"))


def test_facts_are_written_in_shards_proven_and_asked_on_the_command_line(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    FACTS.to_tsv("facts.tsv")
    words = ["facts", "facts.tsv", "--save", "model", "--shard-bytes", "1KB"]
    assert main(words) == 2
    assert "takes --by none and --save FOLDER" in capsys.readouterr().err
    assert main([*words, "--by", "none", "--ask", "e0 r1"]) == 0
    assert (tmp_path / "model" / INDEX).is_file()
    assert main(["check", "model"]) == 0
    capsys.readouterr()
    assert main(["ask", "model", "e0 r1"]) == 0
    asked = capsys.readouterr().out
    facts = FactTable.from_tsv("facts.tsv")
    answer = facts.entity_name(int(facts.answer(facts.entity_id("e0"), [facts.relation_id("r1")])))
    assert asked == f"e0 r1 -> {answer}\n"
