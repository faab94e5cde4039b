"""Theorem 4.4: one set of weights for every length; every written token is checked; nothing but
its own words is fed.
"""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import all_queries, bijections, functions

from constructions import CATALOGUE, FactTable, InputError, chain_of_thought
from verify.queries import recall as recall_module
from verify.queries.recall import check_recall

TABLES = st.one_of(
    bijections(st.integers(1, 10), st.integers(1, 3)),
    functions(st.integers(1, 10), st.integers(1, 3)),
)


@st.composite
def cases(draw):
    longest = draw(st.integers(1, 4))
    return draw(TABLES), longest, draw(st.integers(1, min(longest, 3)))


@given(case=cases())
def test_one_set_of_weights_answers_paths_of_every_length(case):
    facts, longest, per_token = case
    model = chain_of_thought(facts, longest, hops_per_token=per_token)
    for hops in range(1, longest + 1):
        subjects, paths = all_queries(facts, hops)
        assert np.array_equal(model.answer(subjects, paths), facts.answer(subjects, paths))
        recall = check_recall(model, facts, hops, "both")
        assert (recall.queries, recall.wrong, recall.defect) == (len(subjects), 0, None)
        assert recall.margin == 2


@given(case=cases())
def test_every_intermediate_entity_is_written_and_then_end(case):
    facts, longest, per_token = case
    model = chain_of_thought(facts, longest, hops_per_token=per_token)
    for hops in range(1, longest + 1):
        subjects, paths = all_queries(facts, hops)
        written = model.generate(model.prompt(subjects, paths))
        steps = -(-hops // per_token)
        assert written.ended.all()
        assert written.tokens.shape[1] == steps + 1
        for step in range(1, steps + 1):
            wanted = model.vocabulary.answer_tokens(
                facts.answer(subjects, paths[:, : step * per_token])
            )
            assert np.array_equal(written.tokens[:, step - 1], wanted)
        assert (written.tokens[:, steps] == model.vocabulary.special("end")).all()


@given(case=cases())
@settings(max_examples=30)
def test_generation_equals_a_plain_forward_pass_of_what_was_written(case):
    """No cache, no batch trick: the whole sequence at once has each written token as the argmax
    before it.
    """
    facts, longest, per_token = case
    model = chain_of_thought(facts, longest, hops_per_token=per_token)
    subjects, paths = all_queries(facts, longest)
    prompt = model.prompt(subjects, paths)
    written = torch.from_numpy(model.generate(prompt).tokens)
    whole = torch.cat([prompt, written[:, :-1]], dim=1)
    with torch.no_grad():
        said = model(whole)[:, longest:].argmax(-1)
    assert torch.equal(said, written)


def test_paths_of_different_lengths_share_a_batch():
    facts = FactTable.random_functions(9, 2, seed=1, missing=0.2)
    model = chain_of_thought(facts, 4)
    prompts = torch.cat(
        [
            model.prompt(np.array([s]), np.array([[0, 1, 1, 0][:k]]))
            for s in range(9)
            for k in (1, 2, 3, 4)
        ]
    )
    written = model.generate(prompts)
    assert written.ended.all()
    for row, (s, k) in enumerate(itertools.product(range(9), (1, 2, 3, 4))):
        alone = model.generate(model.prompt(np.array([s]), np.array([[0, 1, 1, 0][:k]])))
        pad = model.vocabulary.special("pad")
        assert written.tokens[row].tolist() == alone.tokens[0].tolist() + [pad] * (4 - k)


def test_d_model_depends_on_the_longest_path_through_positions_alone():
    facts = FactTable.random_bijections(16, 3)
    m, r = 4, 3
    for longest in (1, 2, 3, 7, 15, 40):
        p = max(1, (2 * longest).bit_length())  # 2 K + 1 positions
        assert chain_of_thought(facts, longest).shape.d_model == r * m + m + r + 3 * p + 2


def test_a_step_of_several_hops_costs_trees():
    facts = FactTable.random_bijections(16, 3)
    model = chain_of_thought(facts, 6, hops_per_token=2)
    assert model.stream["words 2"].shape == (3, 3, 4)
    assert model.generate(model.prompt(np.array([0]), np.zeros((1, 5), int))).tokens.shape == (
        1,
        4,
    )


@given(
    n=st.integers(1, 9), r=st.integers(1, 3), longest=st.integers(1, 3), seed=st.integers(0, 99)
)
@settings(max_examples=30)
def test_install_changes_the_embedding_only(n, r, longest, seed):
    one, other = (FactTable.random_bijections(n, r, seed + i) for i in (0, 1000))
    model = chain_of_thought(one, longest)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    model.install(other)
    for name, weight in model.named_parameters():
        if name != "embedding.weight":
            assert torch.equal(weight, before[name]), name
    for hops in range(1, longest + 1):
        assert check_recall(model, other, hops, "both").wrong == 0


@given(case=cases(), data=st.data())
@settings(max_examples=30)
def test_relabelling_permutes_the_answers(case, data):
    facts, longest, per_token = case
    order = np.array(data.draw(st.permutations(range(facts.n_entities))))
    renamed = np.append(order, -1)
    relabelled = np.empty_like(facts.answers)
    relabelled[:, order] = renamed[facts.answers]
    subjects, paths = all_queries(facts, longest)
    one, other = (
        chain_of_thought(f, longest, hops_per_token=per_token)
        for f in (facts, FactTable(relabelled))
    )
    assert np.array_equal(
        other.answer(order[subjects], paths), renamed[one.answer(subjects, paths)]
    )


# ------------------------------------------------------------------ the check of chains, and its
# controls

FACTS = FactTable.random_bijections(8, 2, seed=2)


def fed_tokens(model, facts, hops, monkeypatch):
    """What check_recall feeds after the prompts, step by step."""
    fed = []
    real = recall_module._said

    def spy(model, batch, margins):
        said = real(model, batch, margins)
        fed.extend([said.clone()] * (not batch.last))
        return said

    with monkeypatch.context() as patch:
        patch.setattr(recall_module, "_said", spy)
        check_recall(model, facts, hops, "fast")
    return fed


@pytest.mark.parametrize("mode", ["fast", "full", "both"])
def test_the_model_is_fed_what_it_said_itself_never_the_truth(mode, monkeypatch):
    """Damage the first step of one subject: the chain goes on from the wrong entity, not from the
    right one.
    """
    model = chain_of_thought(FACTS, 2)
    slot = model.stream["words 1"].columns
    with torch.no_grad():
        model.embedding.weight[3, slot[0, 0]] = 1 - model.embedding.weight[3, slot[0, 0]]
    said = int(model.generate(model.prompt(np.array([3]), np.array([[0, 1]]))).tokens[0, 0])
    right = int(FACTS.answer(3, [0]))
    assert said != right
    fed = fed_tokens(model, FACTS, 2, monkeypatch)
    query = [
        tuple(q)
        for q in np.concatenate([all_queries(FACTS, 2)[0][:, None], all_queries(FACTS, 2)[1]], 1)
    ].index((3, 0, 1))
    assert fed[0][query] == said
    recall = check_recall(model, FACTS, 2, mode)
    # wrong are the paths from 3 by relation 0, and those that come to 3 and go on by relation 0
    through = FACTS.answer(*all_queries(FACTS, 1)).reshape(8, 2)
    assert recall.wrong == 2 + (through == 3).sum()


def test_teacher_forcing_would_be_noticed(monkeypatch):
    """The control: a check that feeds the truth finds fewer wrong paths than the model really gets
    wrong.
    """
    model = chain_of_thought(FACTS, 3)
    slot = model.stream["words 1"].columns
    with torch.no_grad():
        model.embedding.weight[3, slot[0]] = 0
    honest = fed_tokens(model, FACTS, 3, monkeypatch)
    monkeypatch.setattr(recall_module, "_said", lambda model, batch, margins: batch.answers)
    forced = fed_tokens(model, FACTS, 3, monkeypatch)
    assert any(not torch.equal(a, b) for a, b in zip(honest, forced, strict=True))


def still_at_the_subject(model):
    """The second step reads position 0 again, on top of the blocks of its own token."""
    pointer = torch.from_numpy(model.stream["entity_pointer"].columns)
    model.positions.weight[4, pointer] = model.positions.weight[3, pointer]


@pytest.mark.parametrize("mode", ["fast", "full", "both", "auto"])
@pytest.mark.parametrize(
    "corrupt",
    [
        lambda model: model.positions.weight.copy_(model.positions.weight.roll(1, 0)),
        # never stops
        lambda model: model.unembedding.weight[model.vocabulary.special("end")].zero_(),
        # stops at once
        lambda model: model.unembedding.weight[model.vocabulary.special("end")].fill_(50),
        lambda model: still_at_the_subject(model),
        lambda model: model.embedding.weight[model.vocabulary.special("pad")].copy_(
            model.embedding.weight[8]
        ),
        lambda model: model.layers[0].mlp.matrix(0).zero_(),
        lambda model: model.embedding.weight[:8].fill_(torch.nan),
    ],
    ids=[
        "positions",
        "no end",
        "end at once",
        "second pointer",
        "pad is a relation",
        "no units",
        "NaN",
    ],
)
def test_broken_models_are_noticed(corrupt, mode):
    model = chain_of_thought(FACTS, 3)
    with torch.no_grad():
        corrupt(model)
    recall = check_recall(model, FACTS, 2, mode)
    assert recall.wrong > 0 or recall.defect is not None


def test_a_model_that_never_stops_is_cut_off_and_has_no_answer():
    model = chain_of_thought(FACTS, 3)
    with torch.no_grad():
        model.unembedding.weight[model.vocabulary.special("end")] = -50
    written = model.generate(model.prompt(np.array([0]), np.array([[0]])))
    assert not written.ended.any()
    assert written.tokens.shape[1] == 4
    assert model.answer(0, [0]) == -1


def test_counterexamples_name_the_step():
    model = chain_of_thought(FACTS, 3)
    with torch.no_grad():
        model.unembedding.weight[model.vocabulary.special("end")] = -50
    recall = check_recall(model, FACTS, 2, "full")
    assert recall.counterexamples[0].startswith(
        "e0 r0 r0, written token 3: expected end, the model says"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: chain_of_thought(FACTS, 0), "max_hops must be an integer of at least 1"),
        (
            lambda: chain_of_thought(FACTS, 2, hops_per_token=3),
            "hops_per_token must be at most max_hops, 2; got 3",
        ),
        (
            lambda: chain_of_thought(FACTS, 2).answer(0, [0, 1, 0]),
            "paths of 1 to 2 relations; got 3",
        ),
        (
            lambda: chain_of_thought(FACTS, 2).answer(0, np.empty(0, int)),
            "paths of 1 to 2 relations; got 0",
        ),
        (
            lambda: check_recall(chain_of_thought(FACTS, 2), FACTS, 3),
            "paths of 1 to 2 relations; got 3",
        ),
        (
            lambda: chain_of_thought(FACTS, 2).install(FactTable([[-1] * 8, [0] * 8])),
            "has no code",
        ),
    ],
)
def test_bad_arguments_get_their_message(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_the_catalogue_builds_it_with_its_options():
    model = CATALOGUE["chain_of_thought"].build(FACTS, 3, {"max_hops": 5, "hops_per_token": 2})
    assert (model.hops, model.hops_per_token) == (5, 2)
    assert CATALOGUE["chain_of_thought"].build(FACTS, 3).hops == 4
