"""Node2Vec by its formula, and what memories of small graphs learn."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from constructions.learning.stacking import Stack
from verify.learned.geometry.energy import FAR
from verify.learned.geometry.energy import NAME as ENERGY
from verify.learned.geometry.first_hops import NAME as HELD_OUT
from verify.learned.geometry.first_hops import SEEN
from verify.learned.geometry.graphs import grid
from verify.learned.geometry.measured import of_graph
from verify.learned.geometry.memories import Linear, memory, tables_of
from verify.learned.geometry.node2vec import coefficients, loss, step, walk_of
from verify.learned.geometry.on_graph import OnGraph
from verify.learned.geometry.questions import Questions
from verify.learned.geometry.trained import trained

N2V = OnGraph("cycle", (9,), "node2vec", 6, rate=0.1, steps=400, initial_scale=0.01, seeds=(0, 1))
SMALL = OnGraph("path-star", (8, 4), "one-layer", 16, 16, steps=120, seeds=(0, 1))
LINEAR = OnGraph("grid", (3, 3), "linear", 12, rate=0.02, warm_up=0, steps=150, seeds=(0, 1))


def test_a_step_of_node2vec_is_gradient_descent():
    walk = walk_of(torch.from_numpy(grid(3, 3).adjacency), torch.float64)
    table = torch.randn(9, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    table.requires_grad_()
    loss(table, walk).backward()
    with torch.no_grad():
        assert torch.allclose(coefficients(table, walk) @ table, -table.grad)
        assert torch.allclose(step(table, walk, 0.1), table - 0.1 * table.grad)
        assert torch.allclose(walk.sum(-1), torch.ones(9, dtype=torch.float64))


def test_coefficients_of_two_nodes_by_hand():
    """V = 0: P is 1/2 everywhere, the walk swaps the nodes."""
    walk = walk_of(torch.tensor([[False, True], [True, False]]))
    found = coefficients(torch.zeros(2, 3), walk)
    assert torch.equal(found, torch.tensor([[-1.0, 1.0], [1.0, -1.0]]))


def test_node2vec_of_a_cycle_becomes_the_circle():
    found = of_graph(N2V)
    assert all(one.value > 0.99 for one in found.measures[ENERGY])
    assert all(one.control < 0.6 for one in found.measures[ENERGY])
    assert all(one.value < 0.01 for one in found.measures[FAR])
    assert found.recalled == (18, 18)
    assert found.edges == 18
    angles = np.unwrap([np.arctan2(y, x) for x, y in found.along.plane])
    assert np.allclose(np.abs(np.diff(angles)), 2 * np.pi / 9, atol=0.05)


def test_learned_rows_take_up_the_graph_and_frozen_ones_cannot():
    frozen = of_graph(replace(SMALL, d_model=32, d_mlp=64, frozen=True, initial_scale=0.18))
    learned = of_graph(SMALL)
    chance = learned.measures[ENERGY][0].null
    assert min(float(one.value) for one in learned.measures[ENERGY]) > 1.8 * chance
    for one in frozen.measures[ENERGY]:
        assert one.value == one.control  # not moved at all
    assert set(frozen.recalled) == {frozen.edges}
    assert learned.along.steps == (0, 10, 25, 50, 75, 100, 120)
    assert all(len(of) == 7 for of in learned.along.values.values())


def test_first_hops_that_are_held_out_are_not_trained_on():
    point = replace(SMALL, held_out=0.25)
    questions = Questions.of(point)
    assert questions.held_out.sum(axis=1).tolist() == [2, 2]
    assert (questions.held_out[0] != questions.held_out[1]).any()
    weights = questions.weights.numpy()
    assert np.allclose(weights.sum(axis=(1, 2)), 1)
    for of_one, held, graph in zip(weights, questions.held_out, questions.graphs, strict=True):
        hops = of_one[graph.n_nodes :]
        assert (hops.sum(axis=1) > 0).tolist() == (~held).tolist()
        asked = hops[np.arange(8), graph.first_nodes]
        assert np.allclose(asked[~held], of_one[0, 1])  # as much as an edge
    found = of_graph(point)
    assert all(one.value > 0.9 for one in found.measures[SEEN])
    assert {HELD_OUT, SEEN} <= found.along.values.keys()


def test_the_loss_is_the_mean_cross_entropy_of_the_examples():
    questions = Questions.of(replace(SMALL, seeds=(0,)))
    n = questions.graphs[0].n_nodes
    logits = torch.randn(1, n, n, generator=torch.Generator().manual_seed(0))
    edges = questions.graphs[0].edges
    both = torch.from_numpy(np.concatenate([edges, edges[:, ::-1]]).copy())
    each = torch.nn.functional.cross_entropy(logits[0, both[:, 0]], both[:, 1])
    assert torch.allclose(questions.losses(logits)[0], each, atol=1e-6)


def test_a_seed_learns_the_same_beside_others():
    together, alone = of_graph(LINEAR), of_graph(replace(LINEAR, seeds=(1,)))
    for name, values in alone.measures.items():
        assert float(values[0].value) == pytest.approx(
            float(together.measures[name][1].value), abs=0.12
        )


@pytest.mark.parametrize(
    "point",
    [
        LINEAR,
        SMALL,
        replace(SMALL, tied=False),
        replace(SMALL, memory="transformer"),
        replace(SMALL, memory="transformer", tied=False),
    ],
)
def test_frozen_tables_stay_and_everything_else_moves(point):
    point = replace(point, frozen=True, steps=3, warm_up=0)
    questions = Questions.of(point)
    before = Stack([memory(point, seed) for seed in point.seeds]).parameters
    seen = list(trained(point, questions, {0, 3}))
    assert np.array_equal(seen[0].tables, seen[1].tables)
    assert not np.array_equal(seen[0].logits, seen[1].logits)
    assert set(tables_of(point)) <= before.keys()
    moved = list(trained(replace(point, frozen=False), questions, {0, 3}))
    assert not np.array_equal(moved[0].tables, moved[1].tables)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kind", ["one-layer", "transformer"])
def test_tables_begin_at_the_initial_scale(kind, tied):
    point = replace(SMALL, memory=kind, tied=tied, initial_scale=0.05, sizes=(30, 6), d_model=32)
    parameters = dict(memory(point, 0).named_parameters())
    for name in tables_of(point):
        assert float(parameters[name].detach().std()) == pytest.approx(0.05, rel=0.05)
    assert len(tables_of(point)) == (1 if tied else 2)


def test_a_linear_memory_by_hand():
    model = Linear(2, 2, 1.0)
    with torch.no_grad():
        model.table.copy_(torch.arange(22.0).reshape(11, 2))
        model.matrix.copy_(torch.tensor([[0.0, 1.0], [2.0, 0.0]]))
        model.bias.copy_(torch.tensor([1.0, -1.0]))
    logits = model(torch.tensor([[1, 0]]))  # E[1] = (2, 3); W E = (3, 4); + b = (4, 3)
    assert logits[0].tolist() == [4 * 2 * i + 3 * (2 * i + 1) for i in range(11)]
