"""`benchmarks/seeding.py`: where its decoders begin, and what its ways of training do."""

import re
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
MARGINS = {"margin 2": 2, "margin 128": 128, "rest 0.4, closed, 128": 128}
"""Of rows that are not seeded with a margin of 16."""
BEGINNINGS = [
    "seeded, margin 16",
    "random basis",
    "two copies",
    "closed",
    "rest 0.4",
    *MARGINS,
]


@pytest.fixture
def benchmark(monkeypatch):
    """Imports a file of benchmarks/, which is no package."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    for loaded in [one for one in sys.modules if one.startswith("seeding")]:
        monkeypatch.delitem(sys.modules, loaded)
    return __import__


def least_margin(model, task):
    """The answer's logit minus the largest other one, over all facts."""
    with torch.no_grad():
        logits = model(task[0])[:, -1]
    answer = logits.gather(1, task[1][:, None])
    others = logits.scatter(1, task[1][:, None], -torch.inf).amax(1, keepdim=True)
    return (answer - others).min().item()


@pytest.mark.parametrize("name", BEGINNINGS)
def test_every_beginning_has_the_margin_that_its_row_states(benchmark, name):
    way, tasks = benchmark("seeding_ways").WAYS[name], benchmark("seeding_tasks")
    (model,) = way.begin([3], None)
    expected = MARGINS.get(name, 16)
    exact = name != "random basis"
    found = least_margin(model, tasks.bijections(3)[1])
    assert found == expected if exact else found == pytest.approx(expected, rel=1e-2)


def test_a_basis_and_sizes_of_another_decoder_change_no_logit(benchmark):
    beginnings, tasks = benchmark("seeding_beginnings"), benchmark("seeding_tasks")
    like = beginnings.random(5)
    model = beginnings.turned(3, like, unembedding_scale=8)
    assert least_margin(model, tasks.bijections(3)[1]) == pytest.approx(16, rel=1e-2)
    size = beginnings._size
    columns = model.embedding_map.columns
    assert size(model.embedding.weight[:, columns]) < 2 * size(like.embedding.weight)
    unturned = beginnings.seeded(3, unembedding_scale=8).embedding.weight[:, columns]
    assert size(unturned) > 4 * size(like.embedding.weight)  # a control
    block = model.block_sequence()[0]
    assert size(block.mlp.matrix(0)) == pytest.approx(size(block.mlp.matrix(1)), rel=0.1)


@pytest.mark.parametrize("options", [{}, {"stream_scale": 8}])
def test_raised_bits_change_no_logit(benchmark, options):
    beginnings, tasks = benchmark("seeding_beginnings"), benchmark("seeding_tasks")
    tokens = tasks.bijections(3)[1][0]
    found = [
        beginnings.seeded(3, offset, **options)(tokens)[:, -1, : tasks.N_OWN]
        for offset in (0, 0.5, 1)
    ]
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_training_together_is_training_alone(benchmark):
    """Three steps of AdamW on each model by itself, on the same batches."""
    training, tasks = benchmark("seeding_training"), benchmark("seeding_tasks")
    beginnings, seeds = benchmark("seeding_beginnings"), [3, 4]
    models = [beginnings.seeded(seed) for seed in seeds]
    second = [tasks.additions(seed) for seed in seeds]
    facts = [tasks.bijections(seed)[1] for seed in seeds]
    found = training.train(
        models, seeds, second, facts, training.Training(share=0.1), rate=1e-3, steps=3, batch=8, at=[3]
    )  # fmt: skip
    for seed, model, (tokens, answers), end in zip(
        seeds, models, second, found.models, strict=True
    ):
        generator = torch.Generator().manual_seed(seed)
        optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0)
        model.slow_construction(optimizer, 0.1)
        for _ in range(3):
            index = torch.randint(len(answers), (8,), generator=generator)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(
                model(tokens[index])[:, -1], answers[index]
            ).backward()
            optimizer.step()
        for name, weight in model.named_parameters():
            torch.testing.assert_close(end.get_parameter(name), weight, rtol=1e-4, atol=1e-4)
    assert found.at == [0, 3]
    assert found.after(0, "facts").tolist() == [1, 1]


@pytest.mark.parametrize("kind", ["held", "adapters", "one table"])
def test_what_is_not_to_move_does_not(benchmark, kind):
    training, tasks = benchmark("seeding_training"), benchmark("seeding_tasks")
    model = benchmark("seeding_beginnings").seeded(3)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    how = {
        "held": training.Training(share=0.0),
        "adapters": training.Training(rank=2),
        "one table": training.Training(only=("embedding.weight", 5)),
    }[kind]
    task = tasks.bijections(4)[1] if kind == "one table" else tasks.second_table(3)
    found = training.train(
        [model], [3], [task], [tasks.bijections(3)[1]], how,
        rate=1e-2, steps=2, batch=64, at=[],
    ).models[0]  # fmt: skip
    moved = {name: found.get_parameter(name) != weight for name, weight in before.items()}
    if kind == "held":
        masks = model.construction_entries()
        assert not any(moved[name][mask].any() for name, mask in masks.items())
        assert moved["unembedding.weight"][~masks["unembedding.weight"]].any()
    elif kind == "one table":
        others = [name for name in moved if name != "embedding.weight"]
        assert not any(moved[name].any() for name in others)
        assert moved["embedding.weight"][:5].any()
        assert not moved["embedding.weight"][5:].any()
    else:
        change = found.unembedding.weight - before["unembedding.weight"]
        assert 0 < torch.linalg.matrix_rank(change.double(), rtol=1e-3) <= 2


def test_the_half_that_is_watched_is_not_replayed(benchmark):
    training, tasks = benchmark("seeding_training"), benchmark("seeding_tasks")
    facts = training.stacked_tasks([tasks.bijections(seed)[1] for seed in (3, 4)])
    shown, watched = training.halves(facts, [3, 4])
    for model in range(2):
        parts = [{tuple(query.tolist()) for query in part[0][model]} for part in (shown, watched)]
        assert parts[0].isdisjoint(parts[1])
        assert len(parts[0] | parts[1]) == tasks.N * tasks.R


def test_the_page_shows_the_rows_of_now(benchmark):
    """In the order in which they are printed."""
    ways = benchmark("seeding_ways")
    page = (ROOT / "docs" / "seeding.md").read_text()
    (block,) = re.findall(
        r"^```console\n(\$ python benchmarks/seeding.py.*?)^```", page, re.M | re.S
    )
    names = [re.split(r"  +", line)[0] for line in block.splitlines()]
    rows = [name for name in names if name in ways.WAYS]
    news = ["seeded, margin 16", "taught", "random"]
    assert rows == [*ways.WAYS, *ways.SHORT, *ways.SHORT, *ways.RELATED, *news]
