"""Time and memory of deciding every query, fast against full logits, in one run.

    python benchmarks/recall.py                     # selector, N = 65,536, R = 16: 1,048,576 facts
    python benchmarks/recall.py -N 16384 -R 8 --sample 64

`fast` runs every query through the real module and decides from the final state; its time includes
the check of the unembedding. `full` computes all logits of the same states, on a random sample of
the subjects. The ratio is that of the times per query. Peak memory is that of the whole process:
after building, after `fast`, after `full`.
"""

import argparse
import resource
import time

import numpy as np
import torch

from constructions import CATALOGUE
from verify.queries.recall import check_recall


def peak() -> str:
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--construction", choices=list(CATALOGUE), default="selector")
    parser.add_argument("-N", type=int, default=65536)
    parser.add_argument("-R", type=int, default=16)
    parser.add_argument("--sample", type=int, default=256, help="subjects for the full pass")
    parser.add_argument(
        "--repeat", type=int, default=3, help="runs of each; the median is printed"
    )
    options = parser.parse_args()

    entry = CATALOGUE[options.construction]
    facts = entry.random_facts(options.N, options.R, 0)
    started = time.perf_counter()
    model = entry.constructor()(facts)
    built = time.perf_counter() - started
    print(
        f"{entry.name}, N = {options.N:,}, R = {options.R}, d_model = {model.shape.d_model}, ",
        end="",
    )
    print(f"{model.shape.n_parameters():,} parameters, {torch.get_num_threads()} threads")
    print(f"build   {built:8.2f} s {' ':28} peak memory {peak()}")

    sample = np.sort(
        np.random.default_rng(0).choice(options.N, min(options.sample, options.N), replace=False)
    )
    per_query = {}
    for mode, subjects in (("fast", None), ("full", sample)):
        seconds = []
        for _ in range(options.repeat):
            started = time.perf_counter()
            recall = check_recall(model, facts, logits=mode, subjects=subjects)
            seconds.append(time.perf_counter() - started)
            assert recall.verdict == "PASS", recall.counterexamples or recall.reason
            assert recall.defect is None, recall.defect
        median = float(np.median(seconds))
        per_query[mode] = median / recall.queries * 1e6
        print(
            f"{mode}    {median:8.2f} s {recall.queries:>12,} queries {per_query[mode]:9.2f} us"
            " each, ",
            end="",
        )
        print(f"margin {recall.margin:g}, peak memory {peak()}")
    print(f"ratio full / fast per query: {per_query['full'] / per_query['fast']:.0f}")


if __name__ == "__main__":
    main()
