"""Questions a second, by name: models beside an sqlite look-up of the same table, and beside ONNX
Runtime where that is installed.

    python benchmarks/serving.py                         # N = 50,000, R = 20: 10^6 facts
    python benchmarks/serving.py --small                 # in seconds

Everybody gets the same texts, such as "e17 r3 r5", and is to give the names of the answers, which
are compared with the table. `ask` reads all of them, runs them in batches, and names the answers.
sqlite has the table in memory, indexed by subject and relation. It is asked by a prepared
statement for each question, from Python, and by one join of all questions; the text is split
before. ONNX Runtime gets token ids and gives all logits, of which the largest is taken. It is
asked of one hop alone: it does not write chains of thought, and the several hidden layers of
`key_value_rows` become blocks of their width, with N x N weights, in the decoder exported.

Each is asked `--repeat` times, in turns. The table has the median, the slowest and the fastest,
and how many times as many questions sqlite answers in the same time, in its faster way.
"""

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from constructions import CATALOGUE, FactTable
from constructions.guards.extras import installing

MODELS = ((1, "selector"), (2, "key_value_rows"), (2, "chain_of_thought"))
"""Hops, and a construction."""
MORE = 20
"""So many times as many questions are asked of sqlite, which is done with them sooner."""
Server = Callable[[list[str]], list[str]]


def questions(facts: FactTable, hops: int, count: int) -> tuple[list[str], list[str]]:
    """Texts, drawn at random, and the right answers."""
    rng = np.random.default_rng(hops)
    subjects = rng.integers(facts.n_entities, size=count)
    paths = rng.integers(facts.n_relations, size=(count, hops))
    texts = [
        " ".join([facts.entity_name(subject), *map(facts.relation_name, path)])
        for subject, path in zip(subjects.tolist(), paths.tolist(), strict=True)
    ]
    return texts, [facts.entity_name(answer) for answer in facts.answer(subjects, paths).tolist()]


def look_ups(before: str, subject: str, relations: list[str]) -> str:
    """A query that follows relations from a subject. CROSS JOIN keeps the order of the tables:
    each look-up begins where the one before has ended.
    """
    tables = [f"facts f{hop}" for hop in range(len(relations))]
    begun = [subject, *(f"f{hop}.object" for hop in range(len(relations) - 1))]
    conditions = [
        f"f{hop}.subject = {begun[hop]} AND f{hop}.relation = {relation}"
        for hop, relation in enumerate(relations)
    ]
    return (
        f"SELECT f{len(relations) - 1}.object FROM {before}{' CROSS JOIN '.join(tables)}"
        f" WHERE {' AND '.join(conditions)}"
    )


def sqlite(facts: FactTable, hops: int) -> dict[str, Server]:
    """Look-ups in an indexed table: one for each question, and all of them in one join."""
    base = sqlite3.connect(":memory:")
    base.execute(
        "CREATE TABLE facts (subject TEXT, relation TEXT, object TEXT,"
        " PRIMARY KEY (subject, relation)) WITHOUT ROWID"
    )
    base.executemany("INSERT INTO facts VALUES (?, ?, ?)", facts.rows())
    columns = [f"r{hop}" for hop in range(hops)]
    base.execute(f"CREATE TABLE asked (place INTEGER PRIMARY KEY, subject, {', '.join(columns)})")
    one = look_ups("", "?1", [f"?{hop + 2}" for hop in range(hops)])
    many = look_ups("asked CROSS JOIN ", "asked.subject", [f"asked.{name}" for name in columns])

    def alone(texts: list[str]) -> list[str]:
        cursor = base.cursor()
        return [cursor.execute(one, text.split()).fetchone()[0] for text in texts]

    def at_once(texts: list[str]) -> list[str]:
        base.execute("DELETE FROM asked")
        places = f"?{', ?' * (hops + 1)}"
        asked = ((place, *text.split()) for place, text in enumerate(texts))
        base.executemany(f"INSERT INTO asked VALUES ({places})", asked)
        return [answer for (answer,) in base.execute(f"{many} ORDER BY asked.place")]

    return {"sqlite, one by one": alone, "sqlite, all in a join": at_once}


def onnx_runtime(model, facts: FactTable, folder: Path) -> Server:
    """The exported graph, in batches that take as much memory as those of `ask`."""
    import onnxruntime

    from constructions.export import onnx_graph
    from constructions.model.answering import MOST_BYTES

    onnx_graph.write(model, folder / "model.onnx")
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(
        folder / "model.onnx", settings, providers=["CPUExecutionProvider"]
    )
    ids = {name: i for i, name in enumerate(facts.entity_names)}
    ids |= {name: facts.n_entities + r for r, name in enumerate(facts.relation_names)}
    at_once = max(1, MOST_BYTES // (8 * (model.hops + 1) * model.shape.d_vocab))

    def ask(texts: list[str]) -> list[str]:
        tokens = np.array([[ids[name] for name in text.split()] for text in texts])
        found = []
        for start in range(0, len(texts), at_once):
            (logits,) = session.run(None, {"tokens": tokens[start : start + at_once]})
            found += logits[:, -1].argmax(-1).tolist()
        return [facts.entity_names[answer] for answer in found]

    return ask


def speeds(servers: dict[str, tuple[Server, int]], texts, wanted, repeat: int):
    """Questions a second of each in each turn, after one turn of a few questions; all answers are
    compared.
    """
    found: dict[str, list[float]] = {name: [] for name in servers}
    for turn in range(-1, repeat):
        for name, (ask, most) in servers.items():
            count = most if turn >= 0 else min(most, 32)
            started = time.perf_counter()
            answers = ask(texts[:count])
            seconds = time.perf_counter() - started
            if answers != wanted[:count]:
                raise SystemExit(f"FAIL: {name} answers otherwise than the table")
            if turn >= 0:
                found[name].append(count / seconds)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-N", type=int, default=50_000, help="entities")
    parser.add_argument("-R", type=int, default=20, help="relations")
    parser.add_argument("--hops", type=int, choices=(1, 2), help="by default both")
    parser.add_argument("--questions", type=int, default=2000, help="that a model is asked a turn")
    parser.add_argument("--repeat", type=int, default=3, help="turns")
    parser.add_argument("--small", action="store_true", help="N = 200, R = 4, 200 questions")
    options = parser.parse_args()
    if options.small:
        options.N, options.R, options.questions = 200, 4, 200
    facts = FactTable.random_functions(options.N, options.R, seed=0)
    print(
        f"N = {facts.n_entities:,}, R = {facts.n_relations}: {facts.n_facts:,} facts;"
        f" {torch.get_num_threads()} threads; {options.questions:,} questions a turn,"
        f" {MORE * options.questions:,} of sqlite; {options.repeat} turns"
    )
    print(
        f"{'hops':4} {'who':30} {'a second':>10} {'slowest':>10} {'fastest':>10} {'sqlite is':>12}"
    )
    missing = ""
    for hops in [options.hops] if options.hops else sorted({hops for hops, _ in MODELS}):
        texts, wanted = questions(facts, hops, MORE * options.questions)
        data_bases = sqlite(facts, hops)
        servers = {name: (ask, len(texts)) for name, ask in data_bases.items()}
        with tempfile.TemporaryDirectory() as folder:
            for name in [name for k, name in MODELS if k == hops]:
                entry = CATALOGUE[name]
                longest = {entry.longest_path.name: hops} if entry.longest_path else {}
                model = entry.build(facts, hops, longest)
                servers[f"{name}, ask"] = (model.ask, options.questions)
                if hops > 1:
                    continue
                try:
                    (Path(folder) / name).mkdir()
                    served = onnx_runtime(model, facts, Path(folder) / name)
                    servers[f"{name}, ONNX Runtime"] = (served, options.questions)
                except ImportError:
                    missing = f"ONNX Runtime is not measured: {installing('onnx')}"
            found = speeds(servers, texts, wanted, options.repeat)
        reference = max(statistics.median(found[name]) for name in data_bases)
        for name, some in found.items():
            median = statistics.median(some)
            times = "" if name in data_bases else f"{reference / median:,.1f} times"
            print(
                f"{hops:4} {name:30} {median:10,.0f} {min(some):10,.0f} {max(some):10,.0f}"
                f" {times:>12}",
                flush=True,
            )
    if missing:
        print(missing)


if __name__ == "__main__":
    main()
