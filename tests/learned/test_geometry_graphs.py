"""Graphs, edge lists, and the ends of their spectra."""

import networkx
import numpy as np
import pytest

from constructions.guards.errors import InputError
from verify.learned.geometry.edge_lists import read_edges
from verify.learned.geometry.graphs import Graph, cycle, grid, irregular, path_star
from verify.learned.geometry.laplacian import leading, spectrum, trailing
from verify.learned.geometry.on_graph import OnGraph


def test_a_path_star_counts_the_root_in_the_length_of_a_path():
    star = path_star(4, 5)
    assert (star.n_nodes, len(star.edges)) == (17, 16)
    assert star.degrees[0] == 4
    assert star.first_nodes.tolist() == [1, 5, 9, 13]
    assert star.leaves.tolist() == [4, 8, 12, 16]
    assert (star.degrees[star.leaves] == 1).all()
    assert star.adjacency[0, star.first_nodes].all()
    assert OnGraph("path-star", (10_000, 6), "node2vec", 1).n_nodes == 50_001


@pytest.mark.parametrize(
    ("name", "sizes", "edges"),
    [
        ("path-star", (4, 5), 16),
        ("grid", (4, 4), 24),
        ("grid", (2, 5), 13),
        ("cycle", (15,), 15),
        ("irregular", (16, 20), 20),
    ],
)
def test_a_point_knows_the_sizes_of_its_graph(name, sizes, edges):
    point = OnGraph(name, sizes, "node2vec", 8)
    graph = point.of_seed(3)
    assert (graph.n_nodes, len(graph.edges)) == (point.n_nodes, edges)
    assert int(graph.adjacency.sum()) == point.queries == 2 * edges
    assert networkx.is_connected(networkx.from_numpy_array(graph.adjacency))


def test_irregular_graphs_follow_their_seed():
    first, again, other = (irregular(16, 20, seed).edges.tolist() for seed in (0, 0, 1))
    assert first == again != other
    assert len(irregular(5, 10, 0).edges) == 10  # all pairs
    assert len(irregular(5, 4, 0).edges) == 4  # a tree
    for edges in (3, 11):
        with pytest.raises(InputError, match="n_edges"):
            irregular(5, edges, 0)


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([], "nothing to memorise"),
        ([(0, 0)], "itself"),
        ([(0, 3)], "none of"),
        ([(0, 1)], "alone"),
    ],
)
def test_what_is_no_graph_is_refused(edges, message):
    with pytest.raises(InputError, match={"alone": "no neighbour"}.get(message, message)):
        Graph.of(3, edges)


def test_an_edge_list_is_read(tmp_path):
    path = tmp_path / "edges.txt"
    path.write_text("# towns\nNew York\tBoston\n\nBoston\tNew York\nBoston\tSalem\n")
    graph = read_edges(path)
    assert graph.edges.tolist() == [[0, 1], [1, 2]]
    path.write_text("a b\nb c\nc a\n")
    assert read_edges(path).degrees.tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b\na\n", ":2: the names of two nodes"),
        ("a b c\n", ":1: the names of two nodes"),
        ("a\t\n", ":1: the names of two nodes"),
        ("a b\nc c\n", ":2: .* to itself"),
        ("# nothing\n", "holds no edge"),
        ("a b\n", "has 2 nodes; .* need 3"),
    ],
)
def test_a_line_that_is_no_edge_is_refused_with_its_number(tmp_path, text, message):
    path = tmp_path / "edges.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_edges(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_edges(tmp_path / "none.txt")


@pytest.mark.parametrize("graph", [path_star(4, 5), grid(3, 4), cycle(7), irregular(9, 12, 0)])
def test_eigenvectors_are_those_of_the_random_walk(graph):
    values, vectors = spectrum(graph)
    laplacian = np.eye(graph.n_nodes) - graph.adjacency / graph.degrees[:, None]
    assert np.allclose(laplacian @ vectors, vectors * values)
    assert (np.diff(values) > -1e-9).all()
    assert np.allclose(vectors[:, 0], vectors[0, 0])


def test_how_many_eigenvectors_lead():
    """By hand: functions along the paths whose sum over the paths is 0; cosine and sine."""
    assert leading(path_star(16, 6)).shape == (81, 15)
    assert leading(cycle(15)).shape == (15, 2)
    assert leading(grid(4, 4)).shape == (16, 2)
    angles = 2 * np.pi * np.arange(15) / 15
    plane = np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.sqrt(2 / 15)
    basis = leading(cycle(15))
    assert np.allclose(basis @ (basis.T @ plane), plane)
    assert np.allclose(trailing(cycle(15)).T @ plane, 0)


def test_of_a_graph_in_two_pieces_the_pieces_lead():
    """The constant vector is left out, and not another one of the same eigenvalue."""
    two = Graph.of(6, [(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3)])
    values, vectors = spectrum(two)
    assert np.allclose(vectors[:, 0], vectors[0, 0])
    assert np.allclose(values, [0, 0, 1.5, 1.5, 1.5, 1.5])
    piece = np.array([1, 1, 1, -1, -1, -1]) / np.sqrt(6)
    basis = leading(two)
    assert np.allclose(basis @ (basis.T @ piece), piece)
