"""Few facts a subject: random sparse tables, what gates near D cost, a knowledge graph's shape.

    python benchmarks/sparse.py              # 20 tables, each built, saved and proven
    python benchmarks/sparse.py --gates      # numbers, precision and draws as g approaches D
    python benchmarks/sparse.py --graph      # 14,541 subjects and 237 relations, as in FB15k-237

`d` and `bits` (of an entity's row: d times the bits of an entry) stand beside those that the
formulas say of `selector` for the same table, and beside `D log2 a`, the bits of the facts of a
subject that has D of them with a possible answers.
"""

import argparse
import math
import sys
import time

import numpy as np
import torch

from bounds.sizes import predicted
from constructions import CATALOGUE, Codebook, FactTable, InputError
from constructions.theorems.lemmas.sharing_gates import Design
from constructions.theorems.lemmas.sums_through_gates import Solved
from verify.cells.verifying import saved_and_checked
from verify.queries.recall import check_recall

TABLES = tuple(
    (n, r, d)
    for n, r, most in (
        (64, 50, 4),
        (256, 100, 8),
        (1024, 237, 16),
        (2048, 500, 32),
        (4096, 1000, 64),
    )
    for d in (1, most // 4 + 1, most // 2, most)
)


def sparse(entities: int, relations: int, facts: int, seed: int) -> FactTable:
    """Exactly so many facts for each subject: random relations, random answers."""
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.tile(np.arange(relations), (entities, 1)), axis=1)
    answers = rng.integers(entities, size=(entities, relations))
    return FactTable(np.where(order < facts, answers, -1).T)


def graph(entities: int, relations: int, mean: float, most: int, seed: int) -> FactTable:
    """Few facts for most subjects: a geometric number of relations, at most `most`, drawn without
    putting back with weights 1 / (rank + 10), and random answers.
    """
    rng = np.random.default_rng(seed)
    counts = np.minimum(rng.geometric(1 / mean, entities), most)
    weights = 1 / (np.arange(relations) + 10)
    # the smallest of exponential numbers with these rates are a draw with these weights
    order = (rng.exponential(size=(entities, relations)) / weights).argsort(axis=1).argsort(axis=1)
    answers = rng.integers(entities, size=(entities, relations))
    return FactTable(np.where(order < counts[:, None], answers, -1).T)


def most_facts(facts: FactTable) -> int:
    """D."""
    return int((facts.answers != -1).sum(axis=0).max())


def built(name: str, facts: FactTable):
    """The model in float64, and the seconds that it takes."""
    started = time.perf_counter()
    model = CATALOGUE[name].constructor()(facts, dtype=torch.float64)
    return model, time.perf_counter() - started


def row_bits(name: str, facts: FactTable, model) -> int:
    """B_e, by the formulas."""
    entry = CATALOGUE[name]
    return predicted(entry, facts, 1, entry.settled(model)).embedding_bits


def twenty_tables() -> None:
    """All stored facts of random tables, proven."""
    line = "{:>6}{:>6}{:>3}{:>8}{:>4}{:>4}{:>3}{:>7}{:>6}{:>9}{:>9}{:>9}{:>8}{:>7}{:>7}"
    title = ("N", "R", "D", "facts", "d", "g", "z", "margin", "bits", "D log2 a", "selector",
             "its bits", "verdict", "build", "proof")  # fmt: skip
    print(line.format(*title))
    for seed, (n, r, d) in enumerate(TABLES):
        facts = sparse(n, r, d, seed)
        model, seconds = built("sparse_selector", facts)
        started = time.perf_counter()
        proven, sample = saved_and_checked(model)
        proving = time.perf_counter() - started
        assert proven.queries == facts.n_facts, proven.reason
        assert sample is not None
        assert sample.wrong == 0
        other = predicted(CATALOGUE["selector"], facts)
        options, answers = model.recipe.options, len(Codebook.of(facts, stored_only=True))
        print(
            line.format(
                f"{n:,}", f"{r:,}", d, f"{facts.n_facts:,}", model.shape.d_model,
                options["n_gates"], options["excess_bits"], int(model.margin.real),
                f"{row_bits('sparse_selector', facts, model):,}",
                f"{d * math.log2(answers):,.0f}", f"{other.d_model:,}",
                f"{other.embedding_bits:,}", proven.verdict, f"{seconds:.2f}", f"{proving:.2f}",
            ),
            flush=True,
        )  # fmt: skip


def gates_near_D(draws: int) -> None:
    """How large numbers are, and how many draws hold the facts, with a few gates more."""
    line = "{:>6}{:>6}{:>4}{:>5}{:>6}{:>9}{:>10}{:>4}{:>9}{:>9}{:>10}{:>19}"
    title = ("N", "R", "D", "g", "D/g", "of draws", "|x| / h", "p", "margin", "of 2^p",
             "log2 sums", "d bits / D log2 a")  # fmt: skip
    print(line.format(*title))
    for n, r, d in ((4096, 1000, 64), (4096, 1000, 16), (4096, 1000, 4), (1024, 237, 32)):
        facts = sparse(n, r, d, 0)
        book = Codebook.of(facts, stored_only=True)
        for more in (0, 1, 2, 3, 4, 6, 8, 12, 16, 32, 64):
            held = []
            for seed in range(draws):
                design = Design(book, r, d + more, 0, seed, False).widest(2**52 - 1)
                found = design.solved(facts)
                if isinstance(found, Solved):
                    held.append((np.abs(found.rows).max(), design.narrowest(found), found))
            if not held:
                print(line.format(n, r, d, d + more, f"{d / (d + more):.2f}", f"0/{draws}",
                                  *["-"] * 6))  # fmt: skip
                continue
            largest, design, found = min(held, key=lambda one: one[0])
            size = largest / design.unit / (len(book) // 2)
            margin = design.margin(facts, found)
            bits = (d + more + 1) * (4 * design.half - 1).bit_length()
            print(
                line.format(
                    n, r, d, d + more, f"{d / (d + more):.2f}", f"{len(held)}/{draws}",
                    f"{size:.3g}", design.unit.bit_length() - 1, margin,
                    f"{margin / design.unit:.2f}", f"{math.log2(design.largest_sum):.1f}",
                    f"{bits / (d * math.log2(len(book))):.2f}",
                ),
                flush=True,
            )  # fmt: skip


def knowledge_graph(mean: float, most: int) -> None:
    """A table of the shape of FB15k-237, drawn: not its facts."""
    facts = graph(14541, 237, mean, most, 0)
    counts = (facts.answers != -1).sum(axis=0)
    print(
        f"{facts.n_facts:,} facts of 14,541 subjects and 237 relations; of a subject"
        f" {counts.min()} to {counts.max()}, median {np.median(counts):.0f}, mean"
        f" {counts.mean():.1f}"
    )
    for name in ("selector", "scalar_selector"):
        said = predicted(CATALOGUE[name], facts)
        print(f"{name}: d = {said.d_model:,}, {said.embedding_bits:,} bits a row, by the formulas")
    for name in ("sparse_selector", "sparse_selector_unknown"):
        model, seconds = built(name, facts)
        print(
            f"{name}: d = {model.shape.d_model}, {row_bits(name, facts, model):,} bits a row,"
            f" {model.recipe.options}, margin {model.margin.real}, built in {seconds:.1f} s"
        )
        started = time.perf_counter()
        recall = check_recall(model, facts)
        seconds = time.perf_counter() - started
        print(
            f"  {recall.queries:,} queries run, {recall.wrong} wrong, margin {recall.margin:g},"
            f" {seconds:.1f} s"
        )
        if model.stored_only:
            started = time.perf_counter()
            proven, _ = saved_and_checked(model)
            seconds = time.perf_counter() - started
            print(f"  {proven.verdict} {proven.reason}: proven in {seconds:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gates", action="store_true", help="what gates near D cost")
    parser.add_argument("--draws", type=int, default=8, help="of gates, with --gates")
    parser.add_argument("--graph", action="store_true", help="the shape of FB15k-237")
    parser.add_argument("--mean", type=float, default=10, help="facts of a subject, with --graph")
    parser.add_argument("--most", type=int, default=64, help="D, with --graph")
    options = parser.parse_args()
    if options.draws < 1:
        parser.error(f"--draws {options.draws}: give at least 1")
    if options.mean < 1:
        parser.error(f"--mean {options.mean:g}: a subject has at least 1 fact")
    if not 1 <= options.most <= 237:
        parser.error(f"--most {options.most}: give 1 to 237, the number of relations")
    try:
        if options.gates:
            gates_near_D(options.draws)
        elif options.graph:
            knowledge_graph(options.mean, options.most)
        else:
            twenty_tables()
    except InputError as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
