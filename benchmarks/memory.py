"""How much memory building, saving, loading and proving take, as multiples of the model.

    python benchmarks/memory.py                      # models of about 500 MB, some minutes
    python benchmarks/memory.py --megabytes 250 --only selector save

Each step runs in a process of its own, which makes ready what the step begins with (the table of
facts, and for `save` the model), then resets the kernel's count of its largest resident set and
takes the step. What is shown is that count, less the resident set once torch and the modules that
are needed are imported, less the table (8 bytes a pair of entity and relation), divided by the
bytes of all weights: so 1.0 is a step that holds the weights once and nothing else. Pages of files
that are mapped count. `facts` is all of `python -m verify NAME`: building, saving, proving, and
running a sample. Linux alone.
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

STEPS = ("build", "save", "load", "check", "facts")
COPIED = "copied"
"""A build that holds its model twice: what the measurement must notice."""


class Case(NamedTuple):
    """A construction at a size.

    Attributes:
        name: in the catalogue.
        relations, hops: R and k.
        options: of the construction.
        missing: the share of facts that is missing.
    """

    name: str
    relations: int
    hops: int = 1
    options: tuple[tuple[str, int], ...] = ()
    missing: float = 0.0


CASES = {
    "selector": Case("selector", 28),
    "selector, partial": Case("selector", 28, missing=0.25),
    "superposition": Case("superposition", 28),
    "key_value_rows": Case("key_value_rows", 4, 2),
    "precomputed": Case("precomputed", 6, 2),
    "hybrid": Case("hybrid", 4, 3, (("looked_up", 2),)),
    "meet_in_the_middle": Case("meet_in_the_middle", 4, 4),
    "chain_of_thought": Case("chain_of_thought", 28, 2),
}


def resident(peak: bool = False) -> int:
    """Bytes of this process in memory now, or at most since `reset`."""
    wanted = "VmHWM:" if peak else "VmRSS:"
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(wanted):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"/proc/self/status has no line {wanted}")


def reset() -> None:
    """Let the largest resident set be counted anew."""
    Path("/proc/self/clear_refs").write_text("5")


def entities_for(case: Case, size: int) -> int:
    """N, for which a model takes about so many bytes."""
    from bounds.sizes import predicted_for_bijections
    from constructions.catalogue import construction

    entry, low, high = construction(case.name), 2, 2**26
    while high - low > 1:
        middle = (low + high) // 2
        at = (middle, case.relations, case.hops, dict(case.options))
        taken = 4 * predicted_for_bijections(entry, *at).parameters
        low, high = (middle, high) if taken <= size else (low, middle)
    return low


def measured(step: str, case: Case, entities: int, folder: Path) -> dict[str, float]:
    """Take a step in this process, and say what it took."""
    import torch

    torch.set_num_threads(1)
    torch.ones(8, 8) @ torch.ones(8, 8)
    for module in ("constructions.saved.folder", "verify.cells.verifying"):
        import_module(module)
    baseline = resident() + 8 * entities * case.relations
    ready = prepared(step, case, entities, folder)
    reset()
    started = time.perf_counter()
    ready()
    seconds = time.perf_counter() - started
    return {"bytes": resident(peak=True) - baseline, "seconds": seconds}


def prepared(step: str, case: Case, entities: int, folder: Path) -> Callable[[], object]:
    """What a step does, once all is ready that it begins with."""
    import constructions
    from constructions.catalogue import construction

    if step == "load":
        return lambda: constructions.load(folder)
    if step == "check":
        from verify.checking.check import check

        return lambda: require_pass(check(folder).verdict)
    entry = construction(case.name)
    if case.missing:
        facts = entry.random_partial_facts(entities, case.relations, 0, case.missing)
    else:
        facts = entry.random_facts(entities, case.relations, 0)
    if step == "facts":
        from verify.cells.verifying import verify_facts

        return lambda: require_pass(
            verify_facts(entry, facts, case.hops, dict(case.options))[0].verdict
        )
    if step == "build":
        return lambda: entry.build(facts, case.hops, dict(case.options))
    if step == COPIED:
        return lambda: copy.deepcopy(entry.build(facts, case.hops, dict(case.options)))
    model = entry.build(facts, case.hops, dict(case.options))
    return lambda: constructions.save(model, folder)


def require_pass(verdict: str) -> None:
    """Raise where a proof fails: its memory would mean nothing."""
    if verdict != "PASS":
        raise RuntimeError(f"the verdict is {verdict}")


def weights_of(folder: Path) -> int:
    """Bytes of all weights of a saved model."""
    manifest = json.loads((folder / "manifest.json").read_text())
    width = 8 if manifest["dtype"] == "float64" else 4
    return width * int(manifest["sizes"]["parameters"])


def in_a_process(step: str, name: str, entities: int, folder: Path) -> dict[str, float]:
    """Take a step in a process of its own."""
    words = [sys.executable, __file__, "--step", step, name, str(entities), str(folder)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"{step} of {name} has failed:\n{ended.stderr}")
    return dict(json.loads(ended.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=500, help="of a model, about")
    parser.add_argument("--only", nargs="+", default=[], help="these cases and steps")
    parser.add_argument("--step", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        step, name, entities, folder = options.step
        print(json.dumps(measured(step, CASES[name], int(entities), Path(folder))))
        return
    names = [name for name in CASES if name in options.only] or list(CASES)
    steps = [step for step in STEPS if step in options.only] or list(STEPS)
    print(f"{'model':22}{'entities':>10}{'MB':>6}", *(f"{step:>14}" for step in steps), sep="")
    for name in names:
        entities = entities_for(CASES[name], options.megabytes * 10**6)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "model"
            found = {"save": in_a_process("save", name, entities, folder)}
            size = weights_of(folder)
            for step in steps:
                if step != "save":
                    found[step] = in_a_process(step, name, entities, folder)
        shown = "".join(
            f"{found[step]['bytes'] / size:6.2f}{found[step]['seconds']:6.1f} s" for step in steps
        )
        print(f"{name:22}{entities:>10,}{size / 10**6:>6.0f}{shown}", flush=True)


if __name__ == "__main__":
    main()
