"""The checkpoints of Noroozizadeh et al. (arXiv 2510.26745), measured with our measures.

    python benchmarks/published_geometry.py PATH

PATH is a clone of github.com/Shahriarnz14/Geometric_Memory. Printed are, of their frozen and
learned linear memories of three tiny graphs: the figure of their notebooks (`diagonal`: the share
of nodes with a neighbour on top after the matrix was made diagonal), edge recall by the memory's
own logits, and energy. docs/geometric-memory.md discusses them.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from verify.learned.geometry.diagonal import diagonal_top1
from verify.learned.geometry.edge_recall import edge_recall
from verify.learned.geometry.energy import energy
from verify.learned.geometry.graphs import Graph
from verify.learned.geometry.laplacian import leading

NOTEBOOKS = "tiny_graphs_notebooks"
DATA = f"{NOTEBOOKS}/data/datasets/in_weights_graphs"
CHECKPOINTS = f"{NOTEBOOKS}/experiment_notebooks/saved_artifacts/checkpoints"
GRAPHS = {
    "star": ("star_graphs_randomized/star_deg_4_deg_tree_1_path_5_nodes_17", "D32"),
    "grid": ("grid_graphs_randomized/grid_rows_4_cols_4_nodes_16", "D32"),
    "cycle": ("cycle_graphs_randomized/cycle_N_15", None),
}
MEMORIES = {"frozen": ("associative", "D15"), "learned": ("feedforward_plain", "D512")}
"""Part of the file name, and the dimension for the cycle."""
AT = 1
"""The node's position in a prompt, after the token [EDGE]."""


def graph_of(clone, name):
    """The graph on which they trained: a line for each directed edge."""
    path = clone / DATA / f"{GRAPHS[name][0]}_sd_00_fb_11_selfedge_0_pretrain.txt"
    edges = [tuple(map(int, line.split("="))) for line in path.read_text().split()]
    return Graph.of(1 + max(map(max, edges)), edges)


def weights_of(clone, name, memory):
    """The parameters of a checkpoint, as float64."""
    part, of_cycle = MEMORIES[memory]
    pattern = f"*-{GRAPHS[name][1] or of_cycle}-*_{part}_*selfedge0*_final.pt"
    (path,) = (clone / CHECKPOINTS / name).glob(pattern)
    state = torch.load(path, map_location="cpu", weights_only=True)
    return {key: value.double().numpy() for key, value in state.items()}


def row(clone, name, memory):
    """A line of the table."""
    graph, weights = graph_of(clone, name), weights_of(clone, name, memory)
    table, matrix = weights["embed_tokens.weight"], weights["layers.0.mlp.fc1.weight"]
    bias = weights["layers.0.mlp.fc1.bias"]
    nodes = table[: graph.n_nodes]
    at = weights["pos_encoding.weight"][AT] if "pos_encoding.weight" in weights else 0
    logits = ((nodes + at) @ matrix.T + bias) @ table.T
    found = (
        diagonal_top1(table, matrix, graph),
        edge_recall(logits, graph),
        energy(nodes, graph, leading(graph)),
    )
    positions = "yes" if np.any(at) else "no"
    cells = "".join(f"{float(one.value):>10.3f}" for one in found)
    return f"{name:7}{memory:9}{table.shape[1]:>5}{positions:>11}{cells}{found[2].null:>10.3f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("clone", type=Path)
    clone = parser.parse_args().clone
    print(
        f"{'':16}{'d':>5}{'positions':>11}{'diagonal':>10}{'edges':>10}{'energy':>10}{'chance':>10}"
    )
    for name in GRAPHS:
        for memory in MEMORIES:
            print(row(clone, name, memory))


if __name__ == "__main__":
    main()
