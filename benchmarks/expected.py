"""The seconds that `python -m verify plan FILE` expects, beside those that it then takes.

    python benchmarks/expected.py                              # some minutes
    python benchmarks/expected.py -N 80000 -R 12 selector digit_selector

For a random table of functions, a fifth of whose facts are missing: each construction is planned,
then built, saved, proven and asked. The ratio is true / expected.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from constructions import FactTable, save
from constructions.catalogue import construction
from constructions.facts.answers import MISSING
from verify.cells.expected import expected
from verify.cells.verifying import build
from verify.checking.check import check

NAMES = ("selector", "digit_selector", "scalar_selector", "precomputed", "chain_of_thought")


def timed(step: Callable[[], object]) -> tuple[float, object]:
    """The seconds that a step takes, and what it returns."""
    started = time.perf_counter()
    found = step()
    return time.perf_counter() - started, found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=NAMES, help="constructions of one hop")
    parser.add_argument("-N", type=int, default=20_000, help="entities")
    parser.add_argument("-R", type=int, default=12, help="relations")
    options = parser.parse_args()
    facts = FactTable.random_functions(options.N, options.R, seed=1, missing=0.2)
    subject, relation = divmod(int((facts.answers.T != MISSING).argmax()), facts.n_relations)
    print(f"{facts.n_facts:,} facts: seconds expected, true, and their ratio")
    print(f"{'construction':24}{'MB':>6}{'build':>20}{'save, prove':>20}{'ask':>20}")
    planned = {one.entry.name: one for one in expected(facts)}
    for name in options.names:
        one = planned[name]
        if one.seconds is None:
            print(f"{name:24} {one.why_not}")
            continue
        built, model = timed(lambda name=name: build(construction(name), facts))
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "model"
            proven = timed(lambda m=model, f=folder: save(m, f))[0]
            proven += timed(lambda f=folder: check(f))[0]
        asked = min(timed(lambda m=model: m.answer(subject, [relation]))[0] for _ in range(3))
        said = (one.seconds.build, one.seconds.prove or float("nan"), one.seconds.ask)
        shown = "".join(
            f"{say:8.2g}{true:7.2g}{true / say:5.1f}"
            for say, true in zip(said, (built, proven, asked), strict=True)
        )
        print(f"{name:24}{one.bytes / 10**6:>6.0f}{shown}", flush=True)


if __name__ == "__main__":
    main()
