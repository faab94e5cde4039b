"""`benchmarks/path_star.py`: its measures of geometry, beside what eigenvectors say."""

import re
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from own_files import ROOT
from strategies import seeds

from constructions import FactTable
from constructions.facts.paths import Paths
from verify.learned.geometry.energy import energy
from verify.learned.geometry.graphs import path_star
from verify.learned.geometry.laplacian import leading as leading_eigenvectors
from verify.learned.geometry.nearest import leaves_near


@pytest.fixture(scope="module")
def program():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import path_star
    finally:
        sys.path.pop(0)
    return path_star


def star(degree, length, seed=0):
    return Paths.of(FactTable.path_star(degree, length, seed).answers[0])


def leading(paths):
    """The centred eigenvectors of the least eigenvalue of the random-walk Laplacian after 0, from
    the adjacency matrix: an orthonormal basis, a column each.
    """
    n = len(paths.depth)
    adjacency = np.zeros((n, n))
    adjacency[paths.nodes[:, 1:], paths.nodes[:, :-1]] = 1
    adjacency += adjacency.T
    scale = adjacency.sum(axis=0) ** -0.5
    values, vectors = np.linalg.eigh(np.eye(n) - scale[:, None] * adjacency * scale)
    chosen = (scale[:, None] * vectors)[:, np.isclose(values, values[1])]
    return np.linalg.qr(chosen - chosen.mean(axis=0))[0]


@settings(max_examples=10)
@given(degree=st.integers(3, 6), length=st.integers(3, 6), seed=seeds)
def test_the_energy_is_that_of_the_eigenvectors(program, degree, length, seed):
    paths = star(degree, length, seed)
    table = np.random.default_rng(seed).normal(size=(len(paths.depth), 3))
    basis, centred = leading(paths), table - table.mean(axis=0)
    assert basis.shape[1] == degree - 1
    wanted = ((basis.T @ centred) ** 2).sum() / (centred**2).sum()
    assert program.energy(table, paths) == pytest.approx(wanted)
    assert program.energy(basis, paths) == pytest.approx(1)


@given(degree=st.integers(3, 8), length=st.integers(4, 6), seed=seeds)
def test_measures_are_those_of_learned_geometry(program, degree, length, seed):
    graph = path_star(degree, length)
    parents = np.full(graph.n_nodes, -1)
    parents[graph.paths[:, 0]], parents[graph.paths[:, 1:]] = 0, graph.paths[:, :-1]
    paths, table = Paths.of(parents), np.random.default_rng(seed).normal(size=(graph.n_nodes, 5))
    theirs = energy(table, graph, leading_eigenvectors(graph))
    assert program.energy(table, paths) == pytest.approx(theirs.value)
    assert program.leaves_near(table, paths) == float(leaves_near(table, graph).value)


def test_codes_with_geometry_have_energy_and_shuffled_ones_do_not(program):
    paths = star(40, 6)
    shuffle = np.random.default_rng(0).permutation
    chance = 39 / 200
    for table in (program.rays(paths), program.numbered_by_depth(paths)):
        assert program.energy(table, paths) > 2.5 * chance
        shuffled = [program.energy(shuffle(table), paths) for _ in range(50)]
        assert np.mean(shuffled) == pytest.approx(chance, abs=0.02)
        assert program.leaves_near(table, paths, at_once=7) == 1
        assert program.leaves_near(shuffle(table), paths) < 0.5


@pytest.mark.parametrize("length", [3, 6, 10])
def test_the_energy_of_path_code_is_that_of_the_page(program, length):
    facts, steps, a = FactTable.path_star(256, length, seed=1), length - 1, 8
    model = program.built(program.PATH_CODE, facts, length - 2)
    codes = model.embedding.weight[: facts.n_entities, : a + length].detach().numpy()
    profile = np.sin(np.pi * np.arange(1, length) / (2 * steps))
    rho = 2 * profile.sum() ** 2 / (steps * length)
    expected = rho * a / (a + (steps**2 - 1) / (6 * steps))
    assert program.energy(codes, Paths.of(facts.answers[0])) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize("length", [3, 6, 10])
def test_squared_distances_of_rays_are_those_of_the_graph(program, length):
    """On one path exactly; between paths but for what their sign codes have in common."""
    paths = star(16, length)
    table, a = program.rays(paths), 4
    gram = table @ table.T
    squares = np.diag(gram)[:, None] + np.diag(gram) - 2 * gram
    same = paths.path[:, None] == paths.path
    deep = paths.depth
    along = np.where(same, abs(deep[:, None] - deep), deep[:, None] + deep)
    signs = table[paths.nodes[:, 1], :a]
    shared = (signs @ signs.T)[paths.path][:, paths.path]
    common = np.where(same | (deep[:, None] * deep == 0), 0, shared)
    assert (squares == a * along - 2 * common * np.minimum(deep[:, None], deep)).all()


def test_ties_are_not_nearest(program):
    paths = star(5, 4)
    assert program.leaves_near(np.ones((16, 2)), paths) == 0
    assert program.leaves_near(np.zeros((16, 2)), paths) == 0


def test_the_number_of_path_stars(program):
    """By hand: on 3 nodes 3 stars of two paths of one edge, 6 paths of two edges."""
    assert 2 ** program.star_bits(2, 2) == pytest.approx(3)
    assert 2 ** program.star_bits(1, 3) == pytest.approx(6)


def test_the_tables_of_a_small_star_are_printed(program, capsys):
    program.path_stars(5, [4], seed=0)
    program.geometry(5, [4], seed=0)
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) < 100
    for name in ("key_value_rows_shared", "chain_of_thought", "precomputed", "path_code"):
        assert re.search(rf"^{name} ", printed, re.M), name
    assert "degree 5, length 4: 16 nodes; parent, 2 hops" in printed
