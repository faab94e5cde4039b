"""The proof of a saved model of sets: what is right is proven, what is damaged is refused."""

import hashlib
import json

import numpy as np
import pytest
import safetensors.torch
import torch
from hand_made import files_of
from hypothesis import given, settings
from strategies import set_tables

from constructions import InputError, SetTable, load, save, selector, sets_of_answers, standard
from constructions.facts.tsv import fact_lines
from constructions.saved.manifest import canonical
from verify.attacking.target import Target
from verify.checking.check import check, check_files
from verify.kernel.verdict import Undecided
from verify.queries.sampled import check_and_sample, sample
from verify.sets.folder import step_tables
from verify.sets.proof import prove

FACTS = SetTable.random(7, 3, most=4, seed=2)


@pytest.fixture(scope="module")
def files():
    return files_of(sets_of_answers(FACTS))


def listed(files, **changed):
    """The folder with some files changed, and a manifest that lists them as they are."""
    files = files | {name.replace("__", "."): raw for name, raw in changed.items()}
    manifest = json.loads(files["manifest.json"])
    for name in manifest["files"]:
        raw = files[name]
        digest = hashlib.sha256(raw).hexdigest()
        manifest["files"][name] = {"bytes": len(raw), "sha256": digest}
    return files | {"manifest.json": canonical(manifest)}


def weights(files):
    return safetensors.torch.load(files["weights.safetensors"])


@settings(max_examples=8)
@given(set_tables())
def test_every_table_of_sets_is_proven(facts):
    found = check_files(files_of(sets_of_answers(facts)))
    assert (found.verdict, found.reason) == ("PASS", "")
    assert found.queries == facts.n_entities * facts.n_relations
    assert (found.not_claimed, found.margin, found.exact) == (0, 2, "float32")
    assert 0 < 2 - found.real_margin < 1e-9
    assert found.by == "kernel"


@given(set_tables())
def test_the_tables_of_the_steps_are_answers_then_end_then_nothing(facts):
    tables = step_tables(facts.triples, facts.n_entities, facts.n_relations)
    assert len(tables) == facts.most.max() + 1
    for subject in range(facts.n_entities):
        for relation in range(facts.n_relations):
            answers = facts.answer_set(subject, relation)
            end, never = facts.n_entities, facts.n_entities + 1
            wanted = [*answers, end, *[never] * (len(tables) - len(answers) - 1)]
            assert tables[:, relation, subject].tolist() == wanted


def test_a_saved_model_of_sets_is_loaded_and_asked(tmp_path):
    save(sets_of_answers(FACTS), tmp_path / "model")
    model = load(tmp_path / "model")
    assert model.facts == FACTS
    assert all(
        model.answer_set(s, r) == FACTS.answer_set(s, r) for s in range(7) for r in range(3)
    )
    proven, ran = check_and_sample(tmp_path / "model")
    assert (proven.verdict, ran.verdict, ran.queries, ran.wrong) == ("PASS", "PASS", 21, 0)
    assert ran.margin == 2


@pytest.mark.parametrize("place", range(6))
def test_a_model_with_one_altered_answer_is_refused(place, files):
    rng = np.random.default_rng(place)
    changed = weights(files)
    row, column = rng.integers(7), rng.integers(FACTS.places * 3)
    changed["embedding.weight"][row, column] = 1 - changed["embedding.weight"][row, column]
    found = check_files(listed(files, weights__safetensors=safetensors.torch.save(changed)))
    assert found.verdict == "FAIL"
    assert "is not above all others" in found.reason


@pytest.mark.parametrize("how", ["a fact more", "a fact less", "another object"])
def test_a_model_of_other_facts_is_refused(how, files):
    triples = FACTS.triples.copy()
    if how == "a fact less":
        triples = triples[1:]
    elif how == "a fact more":
        empty = np.argwhere(FACTS.sizes == 0)[0]
        triples = np.concatenate([triples, [[empty[1], empty[0], 0]]])
    else:
        own = triples[(triples[:, :2] == triples[0, :2]).all(axis=1), 2]
        triples[0, 2] = next(node for node in range(7) if node not in own)
    text = "".join(fact_lines(SetTable(triples, 7, 3))).encode()
    found = check_files(listed(files, facts__tsv=text))
    assert found.verdict == "FAIL"


@pytest.mark.parametrize("parameter", ["embedding", "positions", "unembedding", "query", "units"])
def test_a_change_of_any_tensor_that_matters_is_refused(parameter, files):
    changed, names = weights(files), {"query": "attention.query", "units": "mlp.weights.0"}
    (name,) = (name for name in changed if f".{names.get(parameter, parameter)}." in f".{name}")
    changed[name] = changed[name].roll(1, dims=0)
    found = check_files(listed(files, weights__safetensors=safetensors.torch.save(changed)))
    assert found.verdict in ("FAIL", "UNKNOWN")


def test_a_model_that_reads_the_tokens_that_it_has_written_is_not_proven(files):
    """Without the head that takes the own token away answers depend on what was written."""
    changed = weights(files)
    half = FACTS.places * 3
    changed["layers.0.attention.value.weight"][half:] = 0
    found = check_files(listed(files, weights__safetensors=safetensors.torch.save(changed)))
    assert found.verdict in ("FAIL", "UNKNOWN")


def test_too_few_positions_are_refused(files):
    changed, manifest = weights(files), json.loads(files["manifest.json"])
    changed["positions.weight"] = changed["positions.weight"][:-1].clone()
    manifest["sizes"]["positions"] -= 1
    manifest["sizes"]["parameters"] -= manifest["sizes"]["d_model"]
    raw = safetensors.torch.save(changed)
    files = files | {"manifest.json": json.dumps(manifest).encode()}
    found = check_files(listed(files, weights__safetensors=raw))
    assert found.verdict == "FAIL"
    assert "positions are too few to write 5 tokens" in found.reason


@pytest.mark.parametrize(
    ("edit", "reported"),
    [
        (lambda lines: [*lines, lines[-1]], "stands twice"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "not in the order of the ids"),
        (lambda lines: [], "is no name of vocabulary"),
        (lambda lines: ["e0\tr0\n", *lines], "is not subject<TAB>relation<TAB>object"),
    ],
)
def test_a_text_of_sets_that_save_does_not_write_is_refused_by_both_readers(
    edit, reported, files, tmp_path
):
    lines = edit(files["facts.tsv"].decode().splitlines(keepends=True))
    damaged = listed(files, facts__tsv="".join(lines).encode())
    found = check_files(damaged)
    assert found.verdict == "FAIL"
    assert reported in found.reason
    for name, raw in damaged.items():
        (tmp_path / name).write_bytes(raw)
    with pytest.raises(InputError, match=r"facts\.tsv"):
        load(tmp_path)


def packed():
    """A table that no text holds: a subject begins with #."""
    return SetTable([[0, 0, 1], [0, 0, 2], [1, 0, 0]], 3, 1, ["#a", "b", "c"])


def test_sets_that_no_text_holds_are_a_tensor(tmp_path):
    save(sets_of_answers(packed()), tmp_path / "model")
    assert (tmp_path / "model" / "facts.safetensors").exists()
    assert load(tmp_path / "model").facts == packed()
    assert check(tmp_path / "model").verdict == "PASS"


@pytest.mark.parametrize(
    "facts",
    [
        [[0, 0, 2], [0, 0, 1], [1, 0, 0]],
        [[0, 0, 1], [0, 0, 1], [1, 0, 0]],
        [[0, 0, 1], [0, 0, 2], [1, 0, 3]],
        [[0, 0, 1], [0, 0, 2], [-1, 0, 0]],
        [[0, 0, 1], [0, 1, 2], [1, 0, 0]],
        [[0, 0], [0, 0], [1, 0]],
        np.zeros((0, 3), int),
    ],
)
def test_a_tensor_of_sets_that_save_does_not_write_is_refused_by_both_readers(facts, tmp_path):
    tensor = torch.tensor(np.asarray(facts), dtype=torch.int32)
    files = files_of(sets_of_answers(packed()))
    damaged = listed(files, facts__safetensors=safetensors.torch.save({"facts": tensor}))
    assert check_files(damaged).verdict == "FAIL"
    for name, raw in damaged.items():
        (tmp_path / name).write_bytes(raw)
    with pytest.raises(InputError, match=r"facts\.safetensors"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("queries", "all"), ("specials", ["unknown"]), ("hops", 2), ("queries", "stored")],
)
def test_what_does_not_go_with_sets_is_refused_by_both_readers(key, value, files, tmp_path):
    manifest = json.loads(files["manifest.json"])
    (manifest["sizes"] if key == "hops" else manifest)[key] = value
    damaged = listed(files | {"manifest.json": json.dumps(manifest).encode()})
    assert check_files(damaged).verdict == "FAIL"
    for name, raw in damaged.items():
        (tmp_path / name).write_bytes(raw)
    with pytest.raises(InputError, match="is expected where queries"):
        load(tmp_path)


def test_a_certificate_of_another_task_is_refused(files):
    for old, new in (('"queries": "sets"', '"queries": "all"'), ('"layer": 1', '"layer": 2')):
        text = files["certificate.json"].decode()
        assert old in text
        damaged = listed(files, certificate__json=text.replace(old, new).encode())
        assert check_files(damaged).verdict == "FAIL"
    more = text.rstrip("]\n") + ",\n" + text.splitlines()[-2] + "\n]\n"
    found = check_files(listed(files, certificate__json=more.encode()))
    assert found.verdict == "FAIL"


def test_sets_are_proven_by_the_kernel_alone(files):
    assert check_files(files, "kernel").verdict == "PASS"
    for by in ("symbolic", "both"):
        found = check_files(files, by)
        assert found.verdict == "UNKNOWN"
        assert "sets of answers are proven by the kernel alone" in found.reason


def test_a_long_proof_is_made_where_it_is_asked_for_alone(files, monkeypatch):
    monkeypatch.setattr("verify.sets.proof.MOST_WORK", 10)
    manifest = json.loads(files["manifest.json"])
    with pytest.raises(Undecided, match="multiplications, which are made for --by kernel alone"):
        prove(files, manifest)
    assert prove(files, manifest, unasked=False).verdict == "PASS"


def test_a_sample_finds_sets_that_are_written_wrong(tmp_path):
    model = sets_of_answers(FACTS)
    save(model, tmp_path / "right")
    proven = check(tmp_path / "right")
    with torch.no_grad():
        model.embedding.weight[:7] = model.embedding.weight[:7].roll(1, dims=0)
    save(model, tmp_path / "wrong")
    found = sample(tmp_path / "wrong", proven)
    assert found.verdict == "FAIL"
    assert found.wrong > 0


def test_what_is_made_for_paths_refuses_a_model_of_sets(tmp_path):
    model = sets_of_answers(FACTS)
    save(model, tmp_path / "model")
    with pytest.raises(InputError, match="attacks are made of models that answer paths"):
        Target(tmp_path / "model")
    with pytest.raises(InputError, match="forms, decoders and exports are made of models that"):
        standard(model)
    standard(selector(SetTable([[0, 0, 0]], 1, 1).functions))
