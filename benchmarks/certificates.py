"""Time and memory of proving a saved model, against one numpy pass over its bytes and against the
exhaustive passes.

    python benchmarks/certificates.py                               # selector, N = 262,144, R = 64
    python benchmarks/certificates.py --construction chain_of_thought -N 65536 -R 16 -k 8

The model is built and saved in one process and proven in another, whose peak memory is printed
(mapped files count). `numpy pass` sums the weights file, mapped as the checker maps it; `SHA-256`
is the part of the check that binds the files to their manifest. The exhaustive passes run on a
sample of subjects and are extrapolated by the number of queries; what one subject takes is counted
once, as the unembedding is checked once. `fast` decides by the final state, `full` by all logits.
For a chain of K hops the sample has paths of two hops, which write three tokens and not K + 1: its
time per query is too low, so that the ratios are, if anything, too small.
"""

import argparse
import hashlib
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

MEASURE = "import benchmarks.certificates as b; b.prove({!r}, {!r})"


def timed(run):
    started = time.perf_counter()
    return run(), time.perf_counter() - started


def peak() -> str:
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB"


def prove(folder: str, repeat: int) -> None:
    """In a process of its own: the numpy pass, the digests and the proof, each the median of some
    runs.
    """
    from verify.checking.check import check

    paths = sorted(Path(folder).iterdir())
    weights = Path(folder) / "weights.safetensors"
    start = 8 + int.from_bytes(weights.open("rb").read(8), "little")
    runs = {
        "numpy pass": lambda: np.memmap(weights, np.float32, "r", offset=start).sum(),
        "SHA-256": lambda: [hashlib.file_digest(path.open("rb"), "sha256") for path in paths],
        "proof": lambda: check(folder),
    }
    median = {}
    for _ in range(repeat):
        for name, run in runs.items():
            found, seconds = timed(run)
            median.setdefault(name, []).append(seconds)
    median = {name: float(np.median(seconds)) for name, seconds in median.items()}
    assert found.verdict == "PASS", found.reason
    size = sum(path.stat().st_size for path in paths)
    print(f"folder       {size / 2**30:10.2f} GiB")
    for name, seconds in median.items():
        print(f"{name:12} {seconds:10.2f} s   {seconds / median['numpy pass']:8.1f} numpy passes")
    print(f"proven       {found.queries:,} queries, exact in {found.exact}; peak memory {peak()}")
    print(f"=proof {median['proof']} {found.queries}")


def main() -> None:
    from constructions import CATALOGUE, save
    from verify.queries.recall import check_recall

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--construction", choices=list(CATALOGUE), default="selector")
    parser.add_argument("-N", type=int, default=262144)
    parser.add_argument("-R", type=int, default=64)
    parser.add_argument("-k", type=int, default=1)
    parser.add_argument(
        "--sample",
        type=int,
        default=32,
        help="subjects for the full pass; at least 16 times as many for the fast",
    )
    parser.add_argument(
        "--repeat", type=int, default=3, help="runs of each; the median is printed"
    )
    options = parser.parse_args()

    entry = CATALOGUE[options.construction]
    facts = entry.random_facts(options.N, options.R, 0)
    model, built = timed(lambda: entry.build(facts, options.k))
    print(
        f"{entry.name}, N = {options.N:,}, R = {options.R}, k = {options.k}: {facts.n_facts:,}"
        " facts, ",
        end="",
    )
    print(f"{model.shape.n_parameters():,} parameters")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        _, saved = timed(lambda: save(model, folder))
        print(f"build        {built:10.2f} s")
        print(
            f"save         {saved:10.2f} s   peak memory of building and saving {peak()}",
            flush=True,
        )
        command = [sys.executable, "-c", MEASURE.format(str(folder), options.repeat)]
        reported = subprocess.run(
            command, check=True, capture_output=True, text=True
        ).stdout.splitlines()
    print("\n".join(reported[:-1]))
    proof, queries = float(reported[-1].split()[1]), int(reported[-1].split()[2])
    hops = min(options.k, 2)

    def passed(mode, subjects):
        recall, seconds = timed(lambda: check_recall(model, facts, hops, mode, subjects=subjects))
        assert recall.verdict == "PASS", recall.counterexamples or recall.reason
        return recall.queries, seconds

    order = np.random.default_rng(0).permutation(options.N)
    for mode, many in (("fast", 16 * options.sample), ("full", options.sample)):
        passed(mode, order[:1])  # the first is slower
        few, once = passed(mode, order[:1])
        run, seconds = passed(mode, np.sort(order[:many]))
        # until it is the queries that take the time
        while seconds < 2 * once and many < options.N:
            many *= 4
            run, seconds = passed(mode, np.sort(order[:many]))
        whole = once + (seconds - once) / (run - few) * queries
        print(
            f"{mode:5} pass   {whole:10.4g} s   extrapolated from {run:,} queries in"
            f" {seconds:.1f} s; ",
            end="",
        )
        print(f"{whole / proof:.4g} times as long as the proof")


if __name__ == "__main__":
    main()
