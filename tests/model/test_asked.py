"""Models that are asked in words say what the table has, one by one and many at once."""

import numpy as np
import pytest
import torch
from strategies import all_queries

from constructions import (
    CATALOGUE,
    AmbiguousQuestion,
    Answered,
    FactTable,
    InputError,
    MissingFact,
    QuestionError,
    answers_to,
    chain_of_thought,
    change_basis,
    normalize,
    selector,
    sparse_selector,
)

NAMES = [
    "Ann",
    "Ann Lee",
    "C\u00f4te d\u2019Ivoire",
    "\U0001f1eb\U0001f1f7",
    "x",
    "PASS: all",
    "r",
]
RELATIONS = ["born in", "r", "Lee born in"]


def table(missing=0.0):
    facts = FactTable.random_functions(len(NAMES), len(RELATIONS), 5, missing)
    return FactTable(facts.answers, NAMES, RELATIONS)


def questions(facts, hops):
    """All questions of k hops, the names between TABs."""
    subjects, paths = all_queries(facts, hops)
    texts = [
        "\t".join([facts.entity_name(subject), *map(facts.relation_name, path)])
        for subject, path in zip(subjects.tolist(), paths.tolist(), strict=True)
    ]
    return texts, facts.answer(subjects, paths)


@pytest.mark.parametrize(
    ("name", "hops", "options"),
    [
        ("selector", 1, {}),
        ("chain_of_thought", 2, {"max_hops": 3}),
        ("chain_of_thought", 3, {"max_hops": 4, "hops_per_token": 2}),
        ("key_value", 2, {}),
        ("sparse_selector", 1, {}),
    ],
)
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_all_questions_are_answered_as_the_table_has_it(name, hops, options, missing):
    facts = table(missing)
    model = CATALOGUE[name].build(facts, hops, options)
    texts, known = questions(facts, hops)
    found = answers_to(model, texts)
    wanted = [None if answer < 0 else facts.entity_name(answer) for answer in known.tolist()]
    assert [one.answer for one in found] == [one.known for one in found] == wanted
    assert [type(one.error) for one in found] == [
        MissingFact if answer is None else type(None) for answer in wanted
    ]
    assert all(
        one.is_as_known and one.question == text for one, text in zip(found, texts, strict=True)
    )
    stored = [text for text, answer in zip(texts, wanted, strict=True) if answer is not None]
    assert model.ask(stored) == [answer for answer in wanted if answer is not None]
    step = model.hops_per_token
    for one in found:  # the entities on the way, up to a missing fact
        read = range(step, hops, step) if step else ()
        way = [
            int(facts.answer(facts.entity_id(one.subject), ids(facts, one.path[:n]))) for n in read
        ]
        upto = (*way, -1).index(-1)
        assert one.written == tuple(map(facts.entity_name, way[:upto]))


def ids(facts, names):
    return np.array([facts.relation_id(name) for name in names], dtype=np.int64)


def test_many_questions_are_answered_as_each_alone(monkeypatch):
    facts = table(0.3)
    model = chain_of_thought(facts, max_hops=3)
    texts = [text for hops in (1, 2, 3) for text in questions(facts, hops)[0]]
    texts += ["Ann Lee born in", "Anm r", "", "Ann", "x r r r r"]
    order = np.random.default_rng(0).permutation(len(texts))
    mixed = [texts[i] for i in order]
    alone = [answers_to(model, [text])[0] for text in mixed]

    def same(found):
        return [(one.answer, one.written, one.known, str(one.error)) for one in found]

    together = answers_to(model, mixed)
    assert same(together) == same(alone)
    monkeypatch.setattr("constructions.model.answering.MOST_BYTES", 10_000)
    passes = []
    run = model.states
    model.states = lambda *given: passes.append(len(given[0])) or run(*given)
    assert same(answers_to(model, mixed)) == same(alone)
    assert 1 < max(passes) < 100 < sum(passes), "several batches of several questions"


def test_one_question_gets_a_name_and_several_a_list():
    facts = table()
    model = selector(facts)
    assert (
        model.ask("C\u00f4te d\u2019Ivoire born in")
        == model.ask(["Co\u0302te d\u2019Ivoire born in"])[0]
    )
    assert model.ask([]) == []
    assert model.ask(("x\tr", "x  r")) == [model.ask("x r")] * 2
    for given in (3, None, [3], ["x r", None], b"x r", {"x r"}):
        with pytest.raises(InputError, match=r"a sequence of texts.*got"):
            model.ask(given)


def test_what_is_not_answered_is_raised_and_the_first_of_many():
    facts = FactTable.from_triples([("Ann", "son", "Ben"), ("Ben", "son", "Carl")])
    model = chain_of_thought(facts, max_hops=2)
    assert model.ask("Ann son son") == "Carl"
    with pytest.raises(MissingFact, match=r"'Ann son son son'|'Carl' has no 'son'") as error:
        model.ask(["Ann son", "Ben son son", "Bem son"])
    assert error.value.question == "Ben son son"
    with pytest.raises(QuestionError, match=r"'Bem'.*did you mean 'Ben'"):
        model.ask(["Ann son", "Bem son", "Ben son son"])
    with pytest.raises(QuestionError, match="paths of 1 to 2 relations; got 3"):
        model.ask("Ann son son son")
    with pytest.raises(AmbiguousQuestion, match="2 readings"):
        selector(FactTable([[0, 1]] * 2, ["a", "a b"], ["c", "b c"])).ask("a b c")


def test_a_model_that_claims_stored_facts_alone_is_not_asked_for_others():
    facts = FactTable.from_triples([("Ann", "son", "Ben"), ("Ben", "wife", "Dora")])
    model = sparse_selector(facts)
    (found,) = answers_to(model, ["Ann wife"])
    assert found.answer is None
    assert "'Ann' has no 'wife'; stored facts alone are claimed" in str(found.error)
    assert not found.stored
    assert answers_to(model, ["Ann son"])[0].stored


def test_a_model_that_is_wrong_says_so():
    """The control: weights that were changed answer otherwise than the table, and are not
    corrected.
    """
    facts = table()
    model = selector(facts)
    texts, _ = questions(facts, 1)
    with torch.no_grad():
        model.unembedding.weight[[0, 1, 2, 3, 4, 5, 6]] = model.unembedding.weight[
            [1, 2, 3, 4, 5, 6, 0]
        ]
    found = answers_to(model, texts)
    assert any(one.answer != one.known and not one.is_as_known for one in found)
    with torch.no_grad():
        model.unembedding.weight.zero_()[model.vocabulary.unknown] = 0
        model.unembedding.weight[:, -1] = 0
        model.unembedding.weight[model.vocabulary.unknown] = model.embedding.weight[-1]
    for one in answers_to(model, texts):
        if one.answer is None:
            assert "the model says unknown, but all facts are stored" in str(one.error)
            assert not one.is_as_known


def test_forms_and_standard_decoders_are_asked_as_well():
    facts = table()
    model = selector(facts)
    texts, _ = questions(facts, 1)
    wanted = model.ask(texts)
    assert normalize(model).ask(texts) == wanted
    turned = torch.linalg.qr(torch.randn(model.shape.d_model, model.shape.d_model))[0]
    assert change_basis(model, turned).ask(texts) == wanted


def test_a_compiled_model_is_asked_and_its_pass_is_one_graph():
    facts = table()
    model = selector(facts)
    texts, _ = questions(facts, 1)
    wanted = model.ask(texts)
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    assert compiled.ask(texts) == wanted
    calls = []

    def backend(graph, _):
        calls.append(graph)
        return graph.forward

    model.states = torch.compile(model.states, fullgraph=True, backend=backend)
    assert model.ask(texts) == wanted
    assert len(calls) == 1


def test_an_answer_is_a_value():
    assert Answered("a b") == Answered("a b")
    assert not Answered("a b").stored
