"""Path-star graphs of 50,001 and 90,001 nodes by construction: built, saved, proven, run.

    python benchmarks/path_star.py                    # both graphs; some minutes on two cores
    python benchmarks/path_star.py --degree 1000      # smaller ones
    python benchmarks/path_star.py --geometry         # how geometric the codes are, in seconds

The task of Noroozizadeh et al. (arXiv 2510.26745): D paths of l nodes, which share the first; a
leaf is given, and the first node of its path after the centre is to be said. With the one relation
`parent` it is the answer of l - 2 hops. What is proven and run, and how energies are measured:
docs/path-star.md. Seconds are of one core (CPU time), so that other processes do not count. The
largest model has 57.6 million float64 weights; 3.2 GiB of memory and .5 GB of disk are needed.
"""

import argparse
import math
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from constructions import CATALOGUE, DoesNotFit, FactTable, construction, save
from constructions.facts.codes import bits_needed, sign_codes
from constructions.facts.paths import Paths
from verify.checking.check import check
from verify.queries.capacity import capacity
from verify.queries.recall import check_recall

ROOT = Path(__file__).resolve().parent.parent
PATH_CODE = construction(f"{ROOT / 'docs' / 'path_code.py'}:mine")
MULTI_HOP = (
    *(CATALOGUE[name] for name in ("key_value_rows", "key_value_rows_shared")),
    *(CATALOGUE[name] for name in ("chain_of_thought", "precomputed")),
    PATH_CODE,
)
ONE_HOP = (CATALOGUE["selector"], PATH_CODE)
PUBLISHED = ((6, 384), (10, 784))
"""Length and width; 12 layers, MLPs 4 times as wide, input and output embeddings tied."""
LINE = "{:<21}{:>4}{:>7}{:>6}{:>7}{:>7}{:>8}{:>5}{:>7}{:>7}{:>6}{:>8}"
TITLE = ("construction", "d", "width", "steps", "params", "bits", "B_T", "MB", "build", "proof",
         "run", "nodes")  # fmt: skip


def star_bits(degree: int, length: int) -> float:
    """log2 of how many path-stars there are on N numbered nodes: N! / D!."""
    nodes = degree * (length - 1) + 1
    return (math.lgamma(nodes + 1) - math.lgamma(degree + 1)) / math.log(2)


def built(entry, facts, hops):
    """The model in float32, or in float64 where float32 does not hold its numbers."""
    given = {} if entry.longest_path is None else {entry.longest_path.name: hops}
    try:
        return entry.build(facts, hops, given)
    except DoesNotFit:
        return entry.build(facts, hops, given, dtype=torch.float64)


def timed(work):
    """What a function returns, and its CPU seconds."""
    started = time.process_time()
    found = work()
    return found, time.process_time() - started


def asked_of(entry, facts, paths):
    """The subjects that are run through the module: all nodes; of `key_value_rows` and its shared
    form, whose hidden layers are as wide as the graph, each tenth leaf.
    """
    is_wide = entry.builder_name == "key_value_rows"
    return paths.nodes[::10, -1] if is_wide else np.arange(facts.n_entities)


def measured(entry, facts, hops, folder) -> tuple[object, ...]:
    """A row of the table."""
    paths = Paths.of(facts.answers[0])
    model, building = timed(lambda: built(entry, facts, hops))
    shape, bits = model.shape, capacity(model)
    save(model, folder)
    size = sum(file.stat().st_size for file in folder.iterdir())
    proof, proving = timed(lambda: check(folder))
    assert proof.verdict == "PASS", proof
    assert proof.margin == 2
    subjects = asked_of(entry, facts, paths)
    recall, running = timed(lambda: check_recall(model, facts, hops, subjects=subjects))
    assert (recall.wrong, recall.unknown, recall.defect) == (0, 0, None), recall
    leaves = check_recall(model, facts, hops, "full", subjects=paths.nodes[::10, -1])
    assert (leaves.wrong, leaves.unknown, leaves.defect) == (0, 0, None), leaves
    tokens = shape.d_vocab * (bits.embedding_bits + bits.unembedding_bits)
    steps = shape.depth * (hops + 1 if model.hops_per_token else 1)
    return (
        entry.name, shape.d_model, f"{shape.d_mlp:,}", steps,
        f"{shape.n_parameters() / 1e6:.2f}M", f"{(tokens + bits.internal_bits) / 1e6:.1f}M",
        f"{bits.internal_bits / 1e6:.3f}M", f"{size / 1e6:.0f}", f"{building:.1f}",
        f"{proving:.1f}", f"{running:.1f}",
        f"{len(subjects):,}",
    )  # fmt: skip


def rows(entries, facts, hops):
    """The rows of some constructions, printed one by one."""
    print(LINE.format(*TITLE))
    for entry in entries:
        with TemporaryDirectory() as folder:
            print(LINE.format(*measured(entry, facts, hops, Path(folder) / "model")), flush=True)


def path_stars(degree: int, lengths: list[int], seed: int) -> None:
    """A table for each graph; for the first one, a table with two relations as well."""
    for place, length in enumerate(lengths):
        facts = FactTable.path_star(degree, length, seed)
        hops, least = length - 2, star_bits(degree, length)
        print(
            f"degree {degree:,}, length {length}: {facts.n_entities:,} nodes; parent, {hops} hops;"
            f" log2(N!/D!) = {least / 1e6:.2f}M bits"
        )
        rows(MULTI_HOP, facts, hops)
        for _, width in (one for one in PUBLISHED if one[0] == length):
            count = 12 * 12 * width**2 + facts.n_entities * width
            print(LINE.format("published, trained", width, f"{4 * width:,}", 12,
                              f"{count / 1e6:.0f}M", *["-"] * 7))  # fmt: skip
        if place == 0:
            two_relations(facts)
        print()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"largest memory of the process: {peak:.1f} GiB")


def two_relations(facts: FactTable) -> None:
    """The first node as a relation of its own, asked in one hop."""
    paths = Paths.of(facts.answers[0])
    first = paths.relation(np.array([-1, *[1] * (paths.length - 1)]))
    print("two relations, parent and first, one hop:")
    both = FactTable([facts.answers[0], first], relation_names=["parent", "first"])
    rows(ONE_HOP, both, 1)


# -------------------------------------------------------------------- geometry


def energy(table: np.ndarray, paths: Paths) -> float:
    """The share of a centred embedding in the leading eigenvectors of the random-walk Laplacian.

    These are, for D >= 3 paths of L edges each, the functions `b_i sin(pi j / 2L)` of path i and
    depth j with `sum b_i = 0`, all of one eigenvalue.
    """
    centred = table - table.mean(axis=0)
    longest = paths.length - 1
    profile = np.sin(np.pi * np.arange(1, longest + 1) / (2 * longest))
    along = np.tensordot(profile, centred[paths.nodes[:, 1:]], axes=(0, 1))
    along = along - along.mean(axis=0)
    return float((along**2).sum() / (profile**2).sum() / (centred**2).sum())


def leaves_near(table: np.ndarray, paths: Paths, at_once: int = 1000) -> float:
    """The share of leaves to which, of all first nodes, that of their own path is the nearest, by
    the cosine; ties are wrong.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        rows = table / np.linalg.norm(table, axis=1, keepdims=True)
    right = 0
    for start in range(0, paths.n_paths, at_once):
        chosen = np.arange(start, min(start + at_once, paths.n_paths))
        cosines = rows[paths.nodes[chosen, -1]] @ rows[paths.nodes[:, 1]].T
        own = cosines[np.arange(len(chosen)), chosen]
        cosines[np.arange(len(chosen)), chosen] = -np.inf
        right += int((own > cosines.max(axis=1)).sum())
    return right / paths.n_paths


def rays(paths: Paths) -> np.ndarray:
    """Each path a ray: `c(i)` in the first j of l - 1 blocks for the node at depth j of path i."""
    deep = np.arange(1, paths.length) <= paths.depth[:, None]
    signs = sign_codes(np.maximum(paths.path, 0), bits_needed(paths.n_paths))
    return (deep[:, :, None] * signs[:, None]).reshape(len(deep), -1).astype(np.float32)


def numbered_by_depth(paths: Paths) -> np.ndarray:
    """The signs of numbers that are path + depth * 2^a: what `key_value` writes where nodes have
    these numbers.
    """
    a = bits_needed(paths.n_paths)
    numbers = np.maximum(paths.path, 0) + (paths.depth << a)
    return sign_codes(numbers, a + bits_needed(paths.length)).astype(np.float32)


def geometry(degree: int, lengths: list[int], seed: int) -> None:
    """Energies and nearest first nodes of all codes."""
    line = "{:<42}{:>4}{:>8}{:>10}{:>8}{:>12}{:>8}"
    order = np.random.default_rng(seed)
    for length in lengths:
        facts = FactTable.path_star(degree, length, seed)
        paths = Paths.of(facts.answers[0])
        chance = (degree - 1) / (facts.n_entities - 1)
        print(f"degree {degree:,}, length {length}: {facts.n_entities:,} nodes")
        print(line.format("code of a node", "d", "energy", "shuffled", "chance", "leaf-first",
                          "chance"))  # fmt: skip
        tables = {}
        for name in ("key_value", "precomputed", "chain_of_thought"):
            if name == "key_value":  # that of key_value_rows, too; without a unit for each node
                table = sign_codes(np.arange(len(paths.depth)), bits_needed(len(paths.depth) + 1))
            else:
                model = built(CATALOGUE[name], facts, length - 2)
                table = model.embedding.weight[: facts.n_entities].detach().numpy()
            tables[f"{name}, random numbers"] = table
        tables["key_value, numbered by path and depth"] = numbered_by_depth(paths)
        model = built(PATH_CODE, facts, length - 2)
        tables["path_code"] = model.embedding.weight[: facts.n_entities].detach().numpy()
        tables["rays (not built)"] = rays(paths)
        for name, table in tables.items():
            used = table[:, np.ptp(table, axis=0) > 0].astype(np.float32)
            null = energy(order.permutation(used), paths)
            print(line.format(name, used.shape[1], f"{energy(used, paths):.3f}",
                              f"{null:.3f}", f"{chance:.3f}",
                              f"{leaves_near(used, paths):.4f}",
                              f"{1 / degree:.4f}"), flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--degree", type=int, default=10_000, help="paths")
    parser.add_argument(
        "--lengths", type=int, nargs="+", default=[6, 10], help="nodes of a path, with the centre"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the numbers of the nodes")
    parser.add_argument("--geometry", action="store_true", help="how geometric the codes are")
    options = parser.parse_args()
    if options.degree < 3 or min(options.lengths) < 3:
        parser.error("give at least 3 paths of at least 3 nodes")
    torch.set_num_threads(1)
    measure = geometry if options.geometry else path_stars
    measure(options.degree, options.lengths, options.seed)


if __name__ == "__main__":
    main()
