"""The kernel beside the symbolic checker: the same folders, proven by each.

    python benchmarks/checkers.py

A line is a model: seconds by each, the median of some runs, and how many times as long the kernel
takes. `work` is what the kernel has to do, in multiplications; unasked it does up to
`verify.checking.work.MOST_WORK`.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

MODELS = (
    ("selector", 64, 4, 1),
    ("selector", 1024, 8, 1),
    ("selector", 4096, 16, 1),
    ("key_value_rows", 64, 4, 3),
    ("key_value_rows", 512, 4, 3),
    ("key_value_rows", 1024, 8, 3),
    ("chain_of_thought", 16, 3, 4),
    ("chain_of_thought", 64, 3, 40),
    ("chain_of_thought", 1024, 8, 8),
)


def main() -> None:
    from constructions import CATALOGUE, save
    from verify import symbolic
    from verify.checking.work import work
    from verify.kernel import proof as kernel

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=3, help="runs of each, of which the median")
    options = parser.parse_args()
    title = ("construction", "N", "R", "k", "work", "symbolic s", "kernel s", "kernel / symbolic")
    print("{:18}{:>6}{:>4}{:>4}{:>10}{:>12}{:>10}{:>19}".format(*title))
    for name, *sizes in MODELS:
        n, r, k = sizes
        entry = CATALOGUE[name]
        model = entry.build(entry.random_facts(n, r, 0), k, entry.settings(r, k))
        with tempfile.TemporaryDirectory() as temporary:
            save(model, Path(temporary) / "model")
            paths = (Path(temporary) / "model").iterdir()
            files = {path.name: np.frombuffer(path.read_bytes(), np.uint8) for path in paths}
        manifest = json.loads(files["manifest.json"].tobytes())
        median = {}
        for one in (symbolic, kernel):
            seconds = []
            for _ in range(options.repeat):
                started = time.perf_counter()
                verdict = one.prove(files, manifest)
                seconds.append(time.perf_counter() - started)
            assert verdict.verdict == "PASS", verdict.reason
            median[one] = float(np.median(seconds))
        done = work(files, manifest)
        figures = (done, median[symbolic], median[kernel], median[kernel] / median[symbolic])
        print("{:18}{:6,}{:4}{:4}".format(name, *sizes), end="")
        print("{:10.1e}{:12.3f}{:10.3f}{:19.1f}".format(*figures), flush=True)


if __name__ == "__main__":
    main()
