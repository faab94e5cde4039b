"""What a folder claims is part of its certificate, and of its manifest: neither can be changed
without being refused, or without the verdict saying so.
"""

import copy
from pathlib import Path

import pytest
import torch
from hand_made import built, claims_of, files_of, with_claims, with_manifest
from saved_models import assert_same
from stored_models import STORED, claiming, sparse_facts, stored_selector

from constructions import (
    Codebook,
    Draft,
    FactTable,
    Holds,
    InputError,
    MarginClaim,
    Readout,
    Signs,
    Space,
    Vocabulary,
    load,
    save,
    selector,
)
from verify.attacking.attack import attack, is_right, some_attacks, target_of
from verify.attacking.kinds import KINDS
from verify.checking.check import check_files
from verify.cli.reports.checks import check_as_json, check_line
from verify.queries.recall import check_recall

FACTS = sparse_facts()
IGNORED = pytest.mark.filterwarnings(
    "ignore::constructions.model.answering.NotStoredWarning"
)  # all queries are asked, to see that the models are the same


def written(files, folder):
    folder.mkdir()
    for name, data in files.items():
        (Path(folder) / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("make", [stored_selector, selector])
def test_a_certificate_that_claims_other_queries_than_the_manifest_is_refused(make, tmp_path):
    files = files_of(make(FACTS))
    mine = "stored" if make is stored_selector else "all"
    other, own = ("all", STORED) if mine == "stored" else ("stored", None)
    assert claims_of(files)[0]["queries"] == mine
    for number, forged in enumerate((claiming(files, other, mine), claiming(files, mine, other))):
        for by in ("auto", "kernel", "symbolic"):
            found = check_files(forged, by)
            assert found.verdict == "FAIL"
            assert "queries are claimed, by certificate.json" in found.reason
        if number:  # the manifest is another one than the builder makes
            with pytest.raises(InputError, match=f"queries is '{other}', but .* makes '{mine}'"):
                load(written(forged, tmp_path / f"{number}"), own)


def test_a_model_that_claims_all_and_is_edited_to_claim_less_is_reported_as_claiming_less(
    tmp_path,
):
    """What is stated then is true, and weaker; `load` refuses the folder."""
    honest = files_of(selector(FACTS))
    proven, others = check_files(honest), FACTS.answers.size - FACTS.n_facts
    assert (proven.verdict, proven.queries, proven.not_claimed) == ("PASS", FACTS.answers.size, 0)
    assert "not claimed" not in check_line(proven, None)
    forged = claiming(honest, "stored")
    weaker = check_files(forged)
    assert (weaker.verdict, weaker.queries, weaker.not_claimed) == ("PASS", FACTS.n_facts, others)
    assert check_line(weaker, None).endswith(f"; the other {others} queries are not claimed")
    assert f'"not_claimed": {others}' in check_as_json(weaker, None)
    with pytest.raises(InputError, match=r"queries is 'stored', but .*selector makes 'all'"):
        load(written(forged, tmp_path / "forged"))


@pytest.mark.parametrize("queries", ["some", "", 0, True, None, ["all"], "ALL"])
def test_no_other_queries_can_be_claimed(queries, tmp_path):
    files = files_of(stored_selector(FACTS))
    for number, forged in enumerate(
        (claiming(files, queries, "stored"), claiming(files, queries))
    ):
        for by in ("auto", "both", "kernel", "symbolic"):
            assert check_files(forged, by).verdict == "FAIL", by
        if number:
            with pytest.raises(InputError, match=r"'all' or 'stored' or 'sets' is expected"):
                load(written(forged, tmp_path / "forged"))


def test_a_claim_of_nothing_is_none(tmp_path):
    files = files_of(stored_selector(FACTS))
    (task, *claims) = claims_of(files)
    del task["queries"]
    for by in ("auto", "both", "kernel", "symbolic"):
        assert check_files(with_claims(files, [task, *claims]), by).verdict == "FAIL"
    forged = with_manifest(files, lambda manifest: manifest.pop("queries"))
    assert check_files(forged).verdict == "FAIL"
    with pytest.raises(InputError, match="the key 'queries' is missing"):
        load(written(forged, tmp_path / "forged"))


@IGNORED
def test_a_model_comes_back_as_it_was_saved(tmp_path):
    model = stored_selector(FACTS)
    save(model, tmp_path / "model")
    loaded = load(tmp_path / "model", STORED)
    assert loaded.stored_only
    assert_same(model, loaded)
    again = copy.deepcopy(model).double()
    assert again.margin.real == 2  # made again from its recipe
    model.stored_only = False
    with pytest.raises(InputError, match="stored_only is False, and was True"):
        _ = model.margin


@IGNORED
def test_facts_are_installed_in_it_like_in_any_other(tmp_path):
    other = sparse_facts(seed=9)
    book = Codebook.of(FACTS, other, stored_only=True)
    model = stored_selector(FACTS, codebook=book)
    model.install(other)
    found = check_recall(model, other)
    assert (found.verdict, found.queries) == ("PASS", other.n_facts)
    proven = check_files(files_of(model))
    assert (proven.verdict, proven.queries) == ("PASS", other.n_facts)
    save(model, tmp_path / "model")
    assert_same(model, load(tmp_path / "model", STORED))


@pytest.mark.parametrize("stored_only", [True, False])
def test_columns_of_missing_facts_are_0_in_any_code(stored_only):
    book = Codebook.of(FACTS, stored_only=stored_only)
    stream = Space(attributes=(FACTS.n_relations, book.bits), one=())
    draft = Draft("own", Vocabulary(FACTS.n_entities, FACTS.n_relations), stream)
    draft.entities(Holds(stream["attributes"], words=1, code=Signs(book)))
    draft.layer().head("read", copy=stream["attributes"], to=stream["attributes"])
    readout = Readout((), rest=1 * stream["one"])
    claim = MarginClaim.exactly(1)
    plan = draft.plan(FACTS, readout, claim, torch.float32, stored_only=stored_only)
    rows = plan.build().embedding.weight[: FACTS.n_entities][:, :-1].reshape(12, 5, -1)
    missing = torch.from_numpy(FACTS.answers.T.copy() < 0)
    assert (rows[~missing].abs() == 1).all()
    assert bool((rows[missing] == 0).all()) is stored_only
    if not stored_only:  # where *unknown* is claimed, it needs a code
        without = Codebook.of(FACTS, stored_only=True)
        with pytest.raises(InputError, match="token 17 is an answer of this table but has no"):
            selector(FACTS, codebook=without)


def test_a_table_without_a_fact_is_refused():
    nothing = FactTable.random_functions(4, 2, 0, 1.0)
    reported = "claims the answers to stored facts alone, and this table has none"
    with pytest.raises(InputError, match=reported):
        stored_selector(nothing, codebook=Codebook.of(FACTS))
    model = stored_selector(sparse_facts(4, 2))
    with pytest.raises(InputError, match=reported):
        model.install(nothing)


def test_attacks_that_change_no_claimed_answer_are_harmless(tmp_path):
    """And none is taken for one that the checker has missed."""
    save(stored_selector(sparse_facts(6, 3)), tmp_path / "model")
    for tally in attack(tmp_path / "model", 60, own=STORED):
        assert tally.verdict == "PASS", (tally.kind, tally.fooled)
        assert tally.killed > 0
        assert tally.harmless > 0 or tally.kind == "flips"


def test_what_is_proven_in_real_arithmetic_alone_is_judged_in_float64(tmp_path, monkeypatch):
    """A weight that is so large that float32 rounds takes no proven answer."""
    family = [("anna", "likes", "ben"), ("anna", "son", "carl"), ("ben", "likes", "carl")]
    save(stored_selector(FactTable.from_triples(family)), tmp_path / "model")
    target = target_of(tmp_path / "model", STORED)
    weights = {name: tensor.clone() for name, tensor in target.model.state_dict().items()}
    weights["unembedding.weight"].view(-1)[6] = -(2.0**33)
    files, model = target.with_weights(weights)
    proven = check_files(files)
    assert (proven.verdict, proven.exact) == ("PASS", None)
    assert not is_right(model, target.facts)
    attacks = [("a large weight", files, model, target.facts)]
    monkeypatch.setitem(KINDS, "weights", lambda target, rng: iter(attacks))
    tally = some_attacks(target, "weights", 0, 0, 1)
    assert (tally.generated, tally.harmless, tally.fooled) == (1, 1, [])


def test_a_model_of_the_catalogue_claims_all():
    for name in ("selector", "key_value", "chain_of_thought"):
        model = built(name)
        assert not model.stored_only
        assert claims_of(files_of(model))[0]["queries"] == "all"
