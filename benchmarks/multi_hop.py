"""Time to build and to verify many-hop constructions against N, R and k, and how it grows with the
number of queries.

    python benchmarks/multi_hop.py                          # about a minute on two cores
    python benchmarks/multi_hop.py --construction hybrid

Every query is decided from its final state, as in `python -m verify ... --logits fast`. For each
construction the last line compares, for one and the same model, the time per query of all subjects
with that of a sixteenth of them, each the median of three runs: verification that is linear in the
number of queries has a ratio near 1.
"""

import argparse
import time

import numpy as np

from constructions import CATALOGUE
from verify.queries.recall import check_recall

SIZES = [
    (256, 3, 3),
    (1024, 3, 3),
    (4096, 3, 3),
    (1024, 2, 3),
    (1024, 4, 3),
    (1024, 3, 2),
    (1024, 3, 4),
]


def timed(model, facts, hops, subjects, runs=3):
    """The number of queries about some subjects, and the median of the seconds that deciding them
    takes.
    """
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        recall = check_recall(model, facts, hops, "fast", subjects=subjects)
        seconds.append(time.perf_counter() - started)
        assert recall.verdict == "PASS", recall.counterexamples or recall.reason
        assert recall.defect is None, recall.defect
    return recall.queries, float(np.median(seconds))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [name for name, entry in CATALOGUE.items() if entry.multi_hop]
    parser.add_argument(
        "--construction", choices=names, action="append", help="default: four of them"
    )
    options = parser.parse_args()
    default = ["key_value_rows", "precomputed", "meet_in_the_middle", "chain_of_thought"]
    titles = f"{'construction':<22}{'N':>6}{'R':>4}{'k':>3}{'d_model':>9}{'build s':>9}"
    print(f"{titles}{'queries':>11}{'verify s':>10}{'us/query':>10}")
    for name in options.construction or default:
        for n, r, k in SIZES:
            facts = CATALOGUE[name].random_facts(n, r, 0)
            started = time.perf_counter()
            model = CATALOGUE[name].build(facts, k)
            built = time.perf_counter() - started
            queries, seconds = timed(model, facts, k, np.arange(n))
            print(
                f"{name:<22}{n:>6}{r:>4}{k:>3}{model.shape.d_model:>9}{built:>9.2f}{queries:>11,}",
                end="",
            )
            print(f"{seconds:>10.2f}{seconds / queries * 1e6:>10.2f}", flush=True)
            if n == max(size[0] for size in SIZES):
                few, fewer_seconds = timed(model, facts, k, np.arange(n // 16))
                ratio = (seconds / queries) / (fewer_seconds / few)
        print(f"{name}: 16 times the queries take {ratio:.2f} times as long per query")


if __name__ == "__main__":
    main()
