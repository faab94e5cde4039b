"""Random fact files, and the facts of random model folders: the readers of each must agree.

    python tests/random_fact_files.py COUNT [SEED]

makes COUNT of them, half of each kind, from valid ones by up to three changes, and prints a line
of
JSON: how many were read alike, and how many refused alike. It ends with an error at the first on
which the readers differ.
"""

import io
import json
import sys
import tempfile
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
from fact_grammar import stated
from safetensors import SafetensorError

from constructions import FactFileError, FactTable, InputError, SetTable
from constructions.facts.tsv import fact_lines
from constructions.saved.reading import read_facts
from constructions.saved.written_facts import fits_text
from verify.reading import stored as reading

SPECIALS = (["unknown"], ["unknown", "pad", "end"])
NAMES = [
    "Alice", "Bob", "C#", "#MeToo", "# 1", "#literal", "007", "NA", "\\N", "unknown", "pad", "e0", "r0",
    "New York", "New\u00a0York", "a b  c", "a", "ab", "a\u200bb", "\u200d", "\ufffd", "\ufb01", "fi",
    '"a"', "'a'", '"Paris, France"', '"x""y"', "<a>", "<b>", "<b> .", "x .", "@prefix", "ex:", "a:b",
    "head", "tail", "relation", "?s", "?p", "?o", "s", "p", "o", "--", "==", "\u738b", "\U0001f600",
    "K", "\u212a", "\u00e9", "e\u0301", "Z\u00fcrich", "Zu\u0308rich", "\u1e69", "s\u0323\u0307",
]  # fmt: skip
LETTERS = [
    "\ufeff", "\u200b", "\u00a0", "\u2028", "\u0085", "\x00", "\x0b", "\x1c", "\x1b", "\r", "\n", "\t", " ", "#", '"',
    "\u0301", "\u3000", "\u202e", ".", "x", "\U000e0001", "\u034f",
]  # fmt: skip


def random_table(rng):
    """A small table with names that invite mistakes."""
    n, n_relations = int(rng.integers(1, 7)), int(rng.integers(1, 4))
    answers = rng.integers(-1, n, (n_relations, n))
    answers[rng.integers(n_relations), rng.integers(n)] = rng.integers(n)
    if rng.random() < 0.4:
        return FactTable(answers)
    return FactTable(answers, *(random_names(rng, count) for count in (n, n_relations)))


def random_names(rng, count):
    """Names of which no two are canonically equivalent; often the first has an equivalent."""
    shuffled = [str(name) for name in rng.permutation(NAMES)]
    if rng.random() < 0.4:
        shuffled.insert(0, str(rng.choice([name for name in NAMES if twin_of(name)])))
    return list({unicodedata.normalize("NFC", name): name for name in shuffled}.values())[:count]


def twin_of(name):
    """A name that is canonically equivalent to this one, but not equal; None if there is none."""
    forms = {unicodedata.normalize(form, name) for form in ("NFC", "NFD")} - {name}
    return min(forms, default=None)


# -------------------------------------------------------------------- changes


def change_lines(rng, lines, names):
    """The lines of a text, each with its end, with one change, as a careless or a malicious hand
    makes it.
    """
    lines, names = list(lines) or [""], [*names, *rng.choice(NAMES, 2)]
    i, j = (int(place) for place in rng.integers(len(lines), size=2))
    fields = lines[i].rstrip("\r\n").split("\t")
    k = int(rng.integers(len(fields)))
    match int(rng.integers(18)):
        case 0:
            lines.insert(i, lines[j])
        case 1:
            lines[i], lines[j] = lines[j], lines[i]
        case 2 | 3:
            del lines[i]
        case 4:
            said = (
                "# said\n",
                "#\n",
                "\n",
                "  \n",
                "\t\t\n",
                "#literal\n",
                "#x\ty\n",
                "head\trelation\ttail\n",
                "# \x00\n",
            )
            lines.insert(i, str(rng.choice(said)))
        case 5:
            lines[i] = "#" + lines[i]
        case 6:
            lines = [line.replace("\n", "\r\n") for line in lines]
        case 7:
            lines[i] = lines[i].replace(
                "\n", str(rng.choice(["\r\n", "\r", "", "\r\r\n", "\t\n", " .\n", "\v", "\x85"]))
            )
        case 8:
            lines[0] = "\ufeff" + lines[0]
        case 9:
            lines.insert(0, "#literal\n")
        case 10 | 11:
            fields[k] = str(rng.choice(names))
            lines[i] = "\t".join(fields) + "\n"
        case 12:
            fields[k] = twin_of(str(rng.choice(names))) or unicodedata.normalize("NFKC", fields[k])
            lines[i] = "\t".join(fields) + "\n"
        case 13 | 14:
            letter, at = (
                str(rng.choice(LETTERS)),
                int(rng.choice([0, len(fields[k]), rng.integers(len(fields[k]) + 1)])),
            )
            fields[k] = fields[k][:at] + letter + fields[k][at:]
            lines[i] = "\t".join(fields) + "\n"
        case 15:
            fields = [fields[p] for p in rng.permutation(len(fields))]
            lines[i] = "\t".join(fields) + "\n"
        case 16:
            lines[i] = lines[i].replace(
                "\t", str(rng.choice(["\n", "\n", " ", "\t\t"])), int(rng.integers(1, 3))
            )
        case 17:
            quote = str(rng.choice(['"', "'", " "]))
            lines[i] = "\t".join(f"{quote}{field}{quote}" for field in fields) + "\n"
    return lines


def change_bytes(rng, raw):
    """Bytes with one of them changed, lost or added, or cut."""
    data = bytearray(raw) or bytearray(b"x")
    at = int(rng.integers(len(data)))
    match int(rng.integers(5)):
        case 0:
            data[at] ^= 1 << int(rng.integers(8))
        case 1:
            del data[at]
        case 2:
            data.insert(at, int(rng.integers(256)))
        case 3:
            del data[at:]
        case 4:
            data += bytes([int(rng.choice([0, 9, 10, 13, 32, 35, 255]))])
    return bytes(data)


def changed_text(rng, text, names):
    """The bytes of a text after none to three changes."""
    raw = text.encode()
    for _ in range(int(rng.integers(4))):
        if rng.random() < 0.2:
            raw = change_bytes(rng, raw)
        else:
            lines = list(io.StringIO(raw.decode(errors="surrogateescape"), newline="\n"))
            raw = "".join(change_lines(rng, lines, names)).encode(errors="surrogateescape")
    return raw


# -------------------------------------------------------------------- fact files


def triples(facts):
    names = facts.entity_names
    rows = np.argwhere(facts.answers >= 0).tolist()
    return {(names[s], facts.relation_names[r], names[facts.answers[r, s]]) for r, s in rows}


def compare_file(rng, place):
    """A random fact file by the reader and by the grammar; what was read goes through a folder
    too.
    """
    facts = random_table(rng)
    raw = changed_text(rng, "".join(fact_lines(facts)), facts.entity_names + facts.relation_names)
    path = place / "file.tsv"
    path.write_bytes(raw)
    expected, error = stated(raw), None
    try:
        found = FactTable.from_tsv(path)
    except FactFileError as caught:
        error = caught
    if error is not None:
        if expected is None:
            return "file: refused by both"
        assert all("'#literal' the first line" in defect for defect in error.defects), (
            f"{raw}: {error}"
        )
        lines = raw.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        kept = [line for line in lines if not line.startswith(b"#")]
        path.write_bytes(b"\n".join([b"#literal", *kept]))
        assert triples(FactTable.from_tsv(path)) == expected, raw
        return "file: refused as foreign, read by both when it says #literal"
    assert expected is not None, f"read, though the grammar refuses it: {raw}"
    assert triples(found) == expected, raw
    path.unlink()
    found.to_tsv(path)
    assert triples(FactTable.from_tsv(path)) == stated(path.read_bytes()) == expected, raw
    kind, table = folder_readers(place, *folder_files(found))
    assert kind == "read by both", raw
    assert np.array_equal(table, found.answers), raw
    return "file: read by both"


# -------------------------------------------------------------------- folders


def packed(header, data):
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def folder_files(facts, specials=SPECIALS[0], tensor=False):
    """Sizes, special tokens, and the files of a folder that hold names and facts."""
    names = [*facts.entity_names, *facts.relation_names, *specials]
    held = {"facts.tsv": "".join(fact_lines(facts)).encode()}
    if tensor or not fits_text(facts):
        numbers = facts.packed().astype("<i4")
        data = numbers.tobytes()
        entry = {"dtype": "I32", "shape": list(numbers.shape), "data_offsets": [0, len(data)]}
        held = {"facts.safetensors": packed({"facts": entry}, data)}
    return (
        (facts.n_entities, facts.n_relations),
        specials,
        {"vocabulary.txt": ("\n".join(names) + "\n").encode(), **held},
    )


def changed_tensor(rng, answers):
    """The file of a table as a tensor, with one change."""
    n_relations, n = answers.shape
    kind, answers, others = "I32", answers.copy(), {}
    match int(rng.integers(7)):
        case 0 | 1:
            answers[rng.integers(n_relations), rng.integers(n)] = rng.integers(-2, n + 1)
        case 2:
            kind = str(rng.choice(["I64", "F32", "I16", "U8"]))
        case 3:
            answers = answers.T.copy()
        case 4:
            others = {
                "more": {"dtype": "I32", "shape": [0], "data_offsets": [answers.size * 4] * 2}
            }
        case 5:
            answers = answers[:, :-1].copy() if rng.random() < 0.5 else np.tile(answers, 2)
    size = {"I64": "<i8", "F32": "<f4", "I16": "<i2", "U8": "u1"}.get(kind, "<i4")
    data = answers.astype(size).tobytes()
    entry = {"dtype": kind, "shape": list(answers.shape), "data_offsets": [0, len(data)]}
    raw = packed({"facts": entry, **others}, data)
    return change_bytes(rng, raw) if rng.random() < 0.2 else raw


def compare_folder(rng, place):
    """The names and facts of a random folder, read by `load`'s reader and by the checker's."""
    facts = random_table(rng)
    sizes, specials, files = folder_files(facts, SPECIALS[rng.integers(2)], rng.random() < 0.3)
    name = next(name for name in files if name.startswith("facts"))
    names = facts.entity_names + facts.relation_names
    if rng.random() < 0.3:
        files["vocabulary.txt"] = changed_text(rng, files["vocabulary.txt"].decode(), names)
    elif rng.random() < 0.3:  # a name changed wherever it stands
        old, other = (str(name) for name in rng.choice(names, 2))
        letter, at = str(rng.choice(LETTERS)), int(rng.choice([0, 1, len(old)]))
        inserted = old[:at] + letter + old[at:]
        changes = (other, twin_of(other) or old, f"#{old}", inserted, str(rng.choice(NAMES)))
        new = changes[rng.integers(len(changes))]
        for held in files:
            if not held.endswith("safetensors"):
                files[held] = _renamed(files[held].decode(), old, new).encode()
    elif name == "facts.safetensors":
        files[name] = changed_tensor(rng, facts.answers) if rng.random() < 0.8 else files[name]
    else:
        files[name] = changed_text(rng, files[name].decode(), names)
    text = "" if name == "facts.tsv" else "tensor "
    return f"folder: {text}{folder_readers(place, sizes, specials, files)[0]}"


def compare_sets(rng, place):
    """The same of a folder that holds sets: any facts."""
    known = random_table(rng)
    n, r = known.n_entities, known.n_relations
    triples = rng.integers([n, r, n], size=(rng.integers(1, 12), 3))
    facts = SetTable(triples, n, r, known.entity_names, known.relation_names)
    sizes, specials, files = folder_files(facts, ["end"], rng.random() < 0.3)
    name = next(name for name in files if name.startswith("facts"))
    if name == "facts.safetensors":
        files[name] = changed_tensor(rng, facts.packed()) if rng.random() < 0.8 else files[name]
    elif rng.random() < 0.8:
        names = facts.entity_names + facts.relation_names
        files[name] = changed_text(rng, files[name].decode(), names)
    return f"sets: {folder_readers(place, sizes, specials, files)[0]}"


def _renamed(text, old, new):
    lines = [
        [new if field == old else field for field in line.split("\t")] for line in text.split("\n")
    ]
    return "\n".join("\t".join(fields) for fields in lines)


def folder_readers(place, sizes, specials, files):
    """What both readers of a folder say, and the table; they must say the same."""
    n, n_relations = sizes
    for old in place.iterdir():
        old.unlink()
    for name, raw in files.items():
        (place / name).write_bytes(raw)
    manifest = {
        "sizes": {"entities": n, "relations": n_relations},
        "specials": specials,
        "files": files,
        "queries": "sets" if specials == ["end"] else "all",
    }
    loaded, names, why = None, None, {}
    try:
        loaded = read_facts(place, manifest)
    except (InputError, SafetensorError) as error:  # which `load` makes InputErrors
        why["load"] = error
    try:
        names = reading.read_vocabulary(files["vocabulary.txt"], n, n_relations, specials)
        read = reading.read_sets if specials == ["end"] else reading.read_facts
        table = read(files, names, n, n_relations)
    except Exception as error:  # for which `check` says FAIL, or UNKNOWN
        why["check"] = error
    foreseen = isinstance(why.get("check", reading.Refuted()), reading.Refuted)
    assert foreseen or "facts.safetensors" in files, (files, why)
    assert len(why) != 1, f"refused by one reader alone: {files}: {why}"
    if why:
        return "refused by both", None
    assert tuple(names[: n + n_relations]) == loaded.entity_names + loaded.relation_names
    if specials == ["end"]:
        assert np.array_equal(table, loaded.triples), files
        return "read by both", loaded.triples
    assert np.array_equal(np.where(table[:, :n] == n, -1, table[:, :n]), loaded.answers), files
    return "read by both", loaded.answers


def compare(count, seed, place, kinds=(compare_file, compare_folder, compare_sets)):
    """Compare the readers on `count` random files; returns how often each outcome was met."""
    tally = Counter()
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        try:
            tally[kinds[number % len(kinds)](rng, place)] += 1
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, number {number}: {error}") from None
    return tally


if __name__ == "__main__":
    count = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else np.random.SeedSequence().entropy % 2**32
    with tempfile.TemporaryDirectory() as place:
        found = compare(count, seed, Path(place))
    print(json.dumps({"seed": seed, "files": count, **dict(sorted(found.items()))}))
