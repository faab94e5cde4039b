"""What each piece of work takes, beside the least that could be asked of the machine for it.

    python benchmarks/ratios.py                     # two minutes
    python benchmarks/ratios.py --only bound plan   # these rows
    python benchmarks/ratios.py --large             # 16.8 million facts, all characters: ten
                                                    # minutes, 9 GiB of memory, 3 GiB of disk

One table, a row for each piece of work:

    work      what is done
    size      of it
    seconds   that it takes, the median
    beside    what it is held against: the least that the machine must do for it
    seconds   that this takes, the median
    ratio     of the two, the median of all pairs
    least     ratio of any pair
    most      ratio of any pair

Work and what stands beside it are timed one after the other, in turns which comes first, after a
pair that is not counted: so both meet the same disturbances, and what is left of them is the
spread. What stands beside is: for `build`, filling as many bytes of new memory as the weights
have; for `save`, writing and flushing to the disk the very bytes of the folder; for `proof`, one
sum over the file of weights, mapped; for `fast pass`, as many multiplications as the tokens that
the queries end with take in the layers, at the rate of a large product of matrices on as many
threads; for a command, the same program asked for its version, and there seconds are those of the
processor, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
ROWS = ("facts", "bound", "plan", "build", "save", "proof", "fast pass")
TITLE = f"{'work':<10}{'size':<28}{'seconds':>8}  {'beside':<20}{'seconds':>8}"
TITLE += f"{'ratio':>8}{'least':>7}{'most':>7}"


@dataclass(frozen=True)
class Size:
    """How much is done.

    Attributes:
        characters: of Unicode, whose facts are read, built, proven and asked: those below this.
        entities, relations: of the model that is built, saved and proven.
        passed: the entities of the model of which all queries are run, and its relations.
        planned: R and k of `bound` and `plan`.
        matrix: rows and columns of the product whose rate is the machine's.
    """

    characters: int
    entities: int
    relations: int
    passed: tuple[int, int]
    planned: tuple[int, int]
    matrix: int = 2048


SMALL = Size(0x10000, 2**16, 16, (2**14, 16), (1000, 64))
LARGE = Size(sys.maxunicode + 1, 2**18, 64, (2**16, 16), (1000, 64))


@dataclass(frozen=True)
class Pair:
    """A piece of work and what stands beside it; each call of one says the seconds that count."""

    work: str
    size: str
    run: Callable[[], float]
    beside: str
    least: Callable[[], float]


def timed(run: Callable[[], object]) -> Callable[[], float]:
    """The seconds that something takes."""

    def seconds() -> float:
        started = time.perf_counter()
        run()
        return time.perf_counter() - started

    return seconds


def command(*words: str) -> Callable[[], float]:
    """The seconds of processor time of a command of this program, in a process of its own."""

    def run() -> float:
        before = os.times()
        ended = subprocess.run(
            [sys.executable, "-m", "verify", *words],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        if ended.returncode:
            raise SystemExit(f"verify {' '.join(words)} has failed:\n{ended.stdout}{ended.stderr}")
        after = os.times()
        return sum(after[2:4]) - sum(before[2:4])

    return run


def commands(size: Size, folder: Path, wanted: list[str]) -> Iterator[Pair]:
    """Commands, as they are typed."""
    beside = ("verify --version", command("--version"))
    if "facts" in wanted:
        from verify.cli.examples import unicode_facts

        table = folder / "unicode.tsv"
        (facts := unicode_facts(size.characters)).to_tsv(table)
        asked = command("facts", str(table), "--ask", "U+0041 lowercase")
        yield Pair("facts", f"{facts.n_facts:,} facts", asked, *beside)
    r, k = size.planned
    for word in ("bound", "plan"):
        if word in wanted:
            asked = command(word, "-N", "1e6", "-R", str(r), "-k", str(k))
            yield Pair(word, f"N = 10^6, R = {r:,}, k = {k}", asked, *beside)


def stored(size: Size, folder: Path, wanted: list[str]) -> Iterator[Pair]:
    """A selector is built, saved and proven."""
    from constructions import FactTable, save, selector
    from verify.checking.check import check

    facts = FactTable.random_bijections(size.entities, size.relations)
    model, at = selector(facts), folder / "model"
    save(model, at)
    weights, files = at / "weights.safetensors", sorted(at.iterdir())
    with weights.open("rb") as file:
        start = 8 + int.from_bytes(file.read(8), "little")
    count = (weights.stat().st_size - start) // 4

    def again() -> float:
        """Save to a new folder, which is then deleted."""
        with tempfile.TemporaryDirectory(dir=folder) as other:
            return timed(lambda: save(model, Path(other) / "model"))()

    def copied() -> float:
        """The bytes of that folder, which are in memory, written to one file and flushed."""
        held = [path.read_bytes() for path in files]
        with tempfile.TemporaryFile(dir=folder) as file:

            def write() -> None:
                for content in held:
                    file.write(content)
                file.flush()
                os.fsync(file.fileno())

            return timed(write)()

    def proven() -> None:
        if (found := check(at)).verdict != "PASS":
            raise SystemExit(f"the model is not proven: {found.reason}")

    what = f"{facts.n_facts:,} facts, {count * 4 / 1e6:,.0f} MB"
    built, filled = timed(lambda: selector(facts)), timed(lambda: torch.ones(count))
    read = timed(lambda: np.memmap(weights, np.float32, "r", offset=start).sum())
    pairs = (
        Pair("build", what, built, "fill as many bytes", filled),
        Pair("save", what, again, "write these bytes", copied),
        Pair("proof", what, timed(proven), "sum the weights once", read),
    )
    yield from (pair for pair in pairs if pair.work in wanted)


def passes(size: Size, wanted: list[str]) -> Iterator[Pair]:
    """All queries of a selector, each decided by its final state."""
    if "fast pass" not in wanted:
        return
    from constructions import FactTable, selector
    from verify.queries.recall import check_recall

    facts = FactTable.random_bijections(*size.passed)
    model = selector(facts)
    shape = model.shape
    inside = shape.n_parameters() - 2 * shape.d_vocab * shape.d_model
    queries = facts.n_queries(1)
    one = torch.ones(size.matrix, size.matrix)

    def run() -> None:
        if check_recall(model, facts, logits="fast").verdict != "PASS":
            raise SystemExit("an answer is wrong")

    def at_peak() -> float:
        """The seconds that these multiplications would take in such products."""
        times, seconds, product = 0, 0.0, timed(lambda: one @ one)
        while seconds < 0.3:
            times, seconds = times + 1, seconds + product()
        return seconds / (times * size.matrix**3) * inside * queries

    yield Pair("fast pass", f"{queries:,} queries", timed(run), "at matrix peak", at_peak)


def measured(pair: Pair, repeat: int) -> str:
    """The row of a pair."""
    took: list[tuple[float, float]] = []
    for turn in range(repeat + 1):
        if turn % 2:
            took.append((pair.run(), pair.least()))
        else:
            least = pair.least()
            took.append((pair.run(), least))
    run, least = (statistics.median(column) for column in zip(*took[1:], strict=True))
    ratios = [a / b for a, b in took[1:]]
    row = f"{pair.work:<10}{pair.size:<28}{run:8.2f}  {pair.beside:<20}{least:8.3f}"
    return row + f"{statistics.median(ratios):8.1f}{min(ratios):7.1f}{max(ratios):7.1f}"


def table(size: Size, repeat: int, wanted: list[str]) -> Iterator[str]:
    """The lines of the table, one after the other as they are measured."""
    yield f"{torch.get_num_threads()} threads, {repeat} pairs for each row"
    yield TITLE
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for pair in commands(size, folder, wanted):
            yield measured(pair, repeat)
        if {"build", "save", "proof"} & set(wanted):
            for pair in stored(size, folder, wanted):
                yield measured(pair, repeat)
        for pair in passes(size, wanted):
            yield measured(pair, repeat)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--large", action="store_true", help="models and tables of many facts")
    parser.add_argument("--repeat", type=int, default=5, help="pairs for each row (default 5)")
    parser.add_argument("--only", nargs="+", choices=ROWS, default=ROWS, help="these rows")
    options = parser.parse_args()
    for line in table(LARGE if options.large else SMALL, options.repeat, list(options.only)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
