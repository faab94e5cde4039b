"""Facts beyond memory: a model is built, saved, proven and asked by a process that may hold less
than its weights.

    python benchmarks/beyond_memory.py                    # 10^8 facts under 4 GiB, a minute
    python benchmarks/beyond_memory.py --construction selector        # a minute and a half
    python benchmarks/beyond_memory.py --entities 100000 --relations 32 --gigabytes 1

A table of random functions is written to a file, relation by relation, and mapped. The model is
`digit_selector` in float32, an answer in three numbers; or `selector` in float16, an answer in
ceil(log2 N) of them. It is saved from its plan, in shards; `check` proves it; a question is asked
of the mapped model. Each step runs in a process of its own, with RLIMIT_DATA set: it bounds what
the process holds that no file has, whereas pages of mapped files may go whenever the system needs
room (RLIMIT_AS would count these maps, and Linux does not heed RLIMIT_RSS). Shown are seconds, the
largest resident set, pages of files included, and what a question has read of the weights.
Beside it: the seconds that the same bytes take to be hashed and written alone. Linux alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from shutil import rmtree

import numpy as np

STEPS = ("save", "check", "ask")
HELD = "held"
"""To build the model in memory: what the limit must not allow."""
SHARD_BYTES = 5 * 10**9
RELATION = 1
DIGITS = 3
CONSTRUCTIONS = ("digit_selector", "selector")


def write_table(path: Path, entities: int, relations: int) -> None:
    """Random functions, as the file of an array of int64."""
    table = np.lib.format.open_memmap(path, "w+", np.int64, (relations, entities))
    rng = np.random.default_rng(0)
    for answers in table:
        answers[:] = rng.integers(entities, size=entities)
    table.flush()


def status(name: str) -> int:
    """A number of bytes that the kernel has of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"/proc/self/status has no line {name}")


def weights_resident() -> int:
    """Bytes of mapped files of weights that this process has in memory."""
    found, of_weights = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        word = line.split()
        if "-" in word[0] and not word[0].endswith(":"):
            of_weights = "/model/" in line
        elif of_weights and word[0] == "Rss:":
            found += 1024 * int(word[1])
    return found


def options_of(construction: str, entities: int) -> dict[str, object]:
    """The arguments with which a construction is built of so many entities."""
    import torch

    if construction == "selector":
        return {"dtype": torch.float16}
    bits = max(1, -(-(entities - 1).bit_length() // DIGITS))
    return {"dtype": torch.float32, "bits_per_coordinate": bits}


def step(
    name: str, place: Path, limit: int, construction: str = "selector"
) -> dict[str, float | str]:
    """Take a step in this process, under a limit, and say what it took. A limit below 0 is that
    of what is held beside the libraries.
    """
    import torch

    torch.set_num_threads(1)
    for module in ("constructions.saved.folder", "verify.queries.sampled"):
        import_module(module)
    import constructions
    from verify.queries.sampled import check_and_sample

    if limit < 0:
        limit = status("VmData") - limit
    before = status("VmHWM")
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    table, folder = np.load(place / "answers.npy", mmap_mode="r"), place / "model"
    build = getattr(constructions, construction)
    options = options_of(construction, table.shape[1])
    started, said = time.perf_counter(), ""
    read = 0
    if name == "save":
        plan = build.plan(constructions.FactTable(table), **options)
        constructions.save(plan, folder, shard_bytes=SHARD_BYTES)
    elif name == HELD:
        build(constructions.FactTable(table), **options)
    elif name == "check":
        proven, sample = check_and_sample(folder)
        said = f"{proven.verdict}, {proven.queries:,} queries; sample: " + (
            "none" if sample is None else sample.in_words()
        )
    else:
        model = constructions.load(folder, mapped=True)
        subject = table.shape[1] // 2
        weights = weights_resident()
        answer = int(model.answer(subject, [RELATION]))
        right = "right" if answer == table[RELATION, subject] else "WRONG"
        read = weights_resident() - weights
        said = f"{right}; {read:,} bytes of the weights came into memory for it"
    seconds = time.perf_counter() - started
    resident = status("VmHWM")
    return {
        "seconds": seconds,
        "resident": resident,
        "more": resident - before,
        "said": said,
        "read": read,
    }


def weights_of(folder: Path) -> int:
    """Bytes of all weights of a saved model in float16."""
    return 2 * int(json.loads((folder / "manifest.json").read_text())["sizes"]["parameters"])


def in_a_process(
    name: str,
    place: Path,
    limit: int,
    program: str = __file__,
    construction: str = "selector",
) -> dict[str, float | str]:
    """Take a step in a process of its own."""
    words = [sys.executable, program, "--step", name, str(place), str(limit)]
    words += ["--construction", construction]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"{name} has failed:\n{ended.stderr}")
    return dict(json.loads(ended.stdout))


def bytes_alone(path: Path, size: int) -> float:
    """The seconds in which so many bytes are hashed and written to the disk, and nothing else."""
    block, digest, started = os.urandom(2**22), hashlib.sha256(), time.perf_counter()
    with path.open("wb", buffering=0) as file:
        for start in range(0, size, len(block)):
            some = block[: size - start]
            digest.update(some)
            file.write(some)
        os.fsync(file.fileno())
    path.unlink()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entities", type=int, default=1_562_500)
    parser.add_argument("--relations", type=int, default=64)
    parser.add_argument("--gigabytes", type=float, default=4, help="GiB of the limit")
    parser.add_argument("--construction", choices=CONSTRUCTIONS, default=CONSTRUCTIONS[0])
    parser.add_argument("--place", type=Path, help="where the folder is made, and removed")
    parser.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        name, place, limit = options.step
        print(json.dumps(step(name, Path(place), int(limit), options.construction)))
        return
    limit = int(options.gigabytes * 2**30)
    with tempfile.TemporaryDirectory(dir=options.place) as temporary:
        place = Path(temporary)
        started = time.perf_counter()
        write_table(place / "answers.npy", options.entities, options.relations)
        facts = options.entities * options.relations
        print(f"{facts:,} facts; their table: {time.perf_counter() - started:.1f} s", flush=True)
        total = 0.0
        for name in STEPS:
            found = in_a_process(name, place, limit, construction=options.construction)
            total += float(found["seconds"])
            held = float(found["resident"]) / 2**30
            print(f"{name:8}{found['seconds']:8.1f} s{held:8.2f} GiB resident  {found['said']}")
            sys.stdout.flush()
        size = sum(path.stat().st_size for path in (place / "model").iterdir())
        print(f"{'all':8}{total:8.1f} s   under {limit / 2**30:g} GiB of {size / 2**30:.2f} GiB")
        (place / "answers.npy").unlink()
        rmtree(place / "model")  # the disk need not hold the same bytes twice
        alone = bytes_alone(place / "bytes", size)
        print(f"{'bytes':8}{alone:8.1f} s   hashed and written alone")


if __name__ == "__main__":
    main()
