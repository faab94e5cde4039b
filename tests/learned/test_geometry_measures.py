"""Each measure on embeddings of which the answer is known, and on ones where it must fail."""

from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest

from verify.learned.geometry.diagonal import diagonal_top1, top1
from verify.learned.geometry.edge_recall import edge_recall
from verify.learned.geometry.energy import FAR, energy, in_the_plane
from verify.learned.geometry.first_hops import first_hops
from verify.learned.geometry.graphs import cycle, grid, path_star
from verify.learned.geometry.laplacian import leading, trailing
from verify.learned.geometry.nearest import leaves_near, neighbours_nearest

STAR = path_star(8, 5)
GRAPHS = [STAR, grid(4, 4), cycle(15)]


def random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("graph", GRAPHS)
def test_energy_of_eigenvectors_is_1_and_of_what_is_orthogonal_0(graph):
    basis = leading(graph)
    table = basis @ random(basis.shape[1], 6) + random(6)  # a shift of all rows changes nothing
    assert energy(table, graph, basis).value == pytest.approx(1)
    centred = random(graph.n_nodes, 6)
    centred -= centred.mean(axis=0)
    rest = centred - basis @ (basis.T @ centred)
    assert energy(rest, graph, basis).value == pytest.approx(0)
    if len(set(graph.degrees.tolist())) == 1:  # else eigenvectors are not orthogonal
        assert energy(table, graph, trailing(graph), FAR).value == pytest.approx(0)


@pytest.mark.parametrize("graph", GRAPHS)
def test_energy_of_random_rows_and_of_shuffled_nodes_is_its_null(graph):
    basis = leading(graph)
    drawn = [energy(random(graph.n_nodes, 8, seed=s), graph, basis) for s in range(200)]
    assert np.mean([one.value for one in drawn]) == pytest.approx(drawn[0].null, abs=0.02)
    orders = [np.random.default_rng(s).permutation(graph.n_nodes) for s in range(400)]
    shuffled = [energy(basis[order], graph, basis).value for order in orders]
    assert np.mean(shuffled) == pytest.approx(drawn[0].null, abs=0.03)


def test_the_null_of_energy_is_exact_over_all_orders_of_the_nodes():
    graph = path_star(2, 3)
    basis, table = leading(graph), random(5, 3)
    orders = [list(order) for order in permutations(range(5))]
    found = [energy(table[order], graph, basis) for order in orders]
    assert np.mean([one.value for one in found]) == pytest.approx(found[0].null)
    assert found[0].null == 2 / 4


def test_rows_that_are_all_alike_have_no_energy():
    assert energy(np.ones((15, 3)), cycle(15), leading(cycle(15))).refused
    assert energy(np.full((15, 3), np.nan), cycle(15), leading(cycle(15))).refused


@pytest.mark.parametrize("d", [16, 512])
def test_the_plane_shows_eigenvectors_and_nothing_of_random_rows(d):
    """The control is what misleads: with many coordinates, random rows draw any graph."""
    graph = cycle(15)
    plane = leading(graph)

    def shown(found):
        found = found - found.mean(axis=0)
        return ((plane.T @ found) ** 2).sum() / (found**2).sum()

    assert shown(in_the_plane(plane @ random(2, d), graph)) == pytest.approx(1)
    tables = [random(15, d, seed=seed) for seed in range(20)]
    assert np.mean([shown(in_the_plane(table, graph)) for table in tables]) < 0.5
    naive = [table @ (table.T @ plane) for table in tables]
    assert np.mean([shown(one) for one in naive]) > (0.6 if d == 16 else 0.95)


def test_leaves_lie_near_their_first_node_or_by_chance():
    """Rows that say the path alone; rows of leaves that are dealt to the next path."""
    paths = np.zeros((STAR.n_nodes, 8))
    paths[STAR.paths] = np.eye(8)[:, None]
    assert leaves_near(paths, STAR).value == 1
    dealt = paths.copy()
    dealt[STAR.leaves] = np.roll(paths[STAR.leaves], 1, axis=0)
    assert leaves_near(dealt, STAR).value == 0
    drawn = [leaves_near(random(STAR.n_nodes, 8, seed=s), STAR) for s in range(100)]
    assert np.mean([float(one.value) for one in drawn]) == pytest.approx(1 / 8, abs=0.03)
    assert drawn[0].null == Fraction(1, 8)


def test_ties_are_not_near():
    assert leaves_near(np.ones((STAR.n_nodes, 3)), STAR).value == 0
    assert leaves_near(np.zeros((STAR.n_nodes, 3)), STAR).value == 0
    assert neighbours_nearest(np.ones((15, 3)), cycle(15)).value == 0
    assert leaves_near(random(15, 2), cycle(15)).refused
    assert leaves_near(random(9, 2), path_star(8, 2)).refused  # a leaf is its own first node
    assert leaves_near(random(17, 2), path_star(8, 3)).refused  # an edge joins them


def test_neighbours_are_nearest_on_a_circle_and_not_in_random_order():
    graph = cycle(15)
    circle = leading(graph)
    assert neighbours_nearest(circle, graph).value == 1
    second = np.cos(2 * np.pi * np.outer(np.arange(15), [2, 2]) / 15 + [0, np.pi / 2])
    assert neighbours_nearest(second, graph).value == 0  # the next but six lies nearer
    drawn = [neighbours_nearest(random(15, 4, seed=s), graph) for s in range(200)]
    assert np.mean([float(one.value) for one in drawn]) == pytest.approx(1 / 7, abs=0.03)
    assert drawn[0].null == Fraction(1, 7)


def test_edge_recall_counts_edges_by_hand():
    graph = path_star(2, 2)  # 1 - 0 - 2
    logits = np.array([[0.0, 2, 1], [1, 0, 0], [1, 1, 0]])
    assert edge_recall(logits, graph).value == Fraction(3, 4)  # 2 -> 0 ties with 2 -> 1
    logits[0, 0] = 1.5  # above the neighbour 2
    assert edge_recall(logits, graph).value == Fraction(2, 4)
    assert edge_recall(logits, graph, own=False).value == Fraction(3, 4)
    further = np.concatenate([logits, [[9], [0], [0]]], axis=1)  # a token that is no node
    assert edge_recall(further, graph).value == Fraction(1, 4)
    logits[1] = np.nan
    assert edge_recall(logits, graph).value == Fraction(1, 4)


def test_edge_recall_of_random_logits_is_its_null():
    graph = grid(3, 3)
    for own in (True, False):
        drawn = [edge_recall(random(9, 9, seed=s), graph, own) for s in range(400)]
        mean = np.mean([float(one.value) for one in drawn])
        assert mean == pytest.approx(float(drawn[0].null), abs=0.02)
    assert edge_recall(graph.adjacency.astype(float), graph).value == 1


def test_first_hops_are_counted_strictly_and_beside_their_null():
    logits = np.eye(6)[:4]
    answers = np.arange(4)
    found = first_hops(logits, answers, 16)
    assert (found.value, found.null) == (1, Fraction(1, 16))
    assert first_hops(np.roll(logits, 1, axis=0), answers, 16).value == 0
    assert first_hops(np.zeros((4, 6)), answers, 16).value == 0
    assert first_hops(np.full((4, 6), np.inf), answers, 16).value == 0
    assert first_hops(logits[:0], answers[:0], 16).refused


def test_who_answers_one_first_node_to_all_has_the_null_of_that():
    logits = np.zeros((4, 6))
    logits[:, 2] = 1
    found = first_hops(logits, np.arange(4), 16)
    assert found.value == found.null == Fraction(1, 4)


def test_a_diagonal_matrix_loses_nothing_and_a_lookup_nearly_all():
    graph = cycle(16)
    angles = 2 * np.pi * np.arange(16) / 16
    circle = np.stack([np.cos(angles), np.sin(angles), np.ones(16)], axis=1) / np.sqrt(8)
    opposed = circle * np.cos(8 * angles)[:, None]  # own logit lowest: neighbours at the top
    # of another length, since the directions of equal singular values would be any mixture
    table = np.concatenate([circle, 0.9 * opposed], axis=1)
    matrix = np.diag([1.0, 1, 1, -1, -1, -1])
    whole = table @ matrix @ table.T
    assert top1(whole, graph).value == 1
    assert diagonal_top1(table, matrix, graph).value == 1
    lost = []
    for seed in range(20):
        rows = random(16, 16, seed=seed)
        back = np.linalg.inv(rows)
        lookup = back @ graph.adjacency @ back.T  # exact: rows W rows^T is the adjacency
        assert top1(rows @ lookup @ rows.T - 0.5 * np.eye(16), graph).value == 1
        lost.append(float(diagonal_top1(rows, lookup, graph).value))
    assert np.mean(lost) < 0.4
    assert diagonal_top1(table, np.full((6, 6), np.nan), graph).refused
