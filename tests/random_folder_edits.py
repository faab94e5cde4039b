"""Edits at random of a saved model's files, of which some are described as they are."""

import hashlib
import json

from constructions.saved.manifest import canonical
from constructions.writing.certificate import text_of

VALUES = [
    0,
    1,
    -1,
    2,
    3,
    7,
    2**40,
    2**70,
    True,
    False,
    None,
    "",
    "x",
    "float16",
    "F32",
    "0" * 64,
    [],
    {},
    [0],
    {"x": 1},
]


def random_edit(files, rng, values=VALUES):
    """One part of a folder edited at random, with digests that fit, unless the edit is of a digest
    or a size.

    Args:
        files: a saved folder's bytes, by name.
        rng: a `random.Random`.
        values: what may be put into a manifest, a header or a certificate.

    Returns:
        What was done, and the edited files.
    """
    part = rng.choice(
        ["manifest"] * 4
        + ["header"] * 3
        + ["vocabulary", "facts", "weights", "certificate", "files"]
    )
    files = dict(files)
    packed = [name for name in sorted(files) if name.endswith(".safetensors")]
    if part == "manifest":
        manifest = json.loads(files["manifest.json"])
        reported = edited(manifest, rng, values)
        return f"manifest: {reported}", files | {"manifest.json": canonical(manifest)}
    if part == "header":
        name = rng.choice(packed)
        reported, files[name] = edited_header(files[name], rng, values)
    elif part == "vocabulary":
        name = "vocabulary.txt"
        reported, files[name] = edited_names(files[name].decode(errors="surrogateescape"), rng)
    elif part == "facts":
        name = "facts.tsv" if "facts.tsv" in files else "facts.safetensors"
        reported, files[name] = edited_facts(files[name], rng, name.endswith("tsv"))
    elif part == "weights":
        name, raw = "weights.safetensors", bytearray(files["weights.safetensors"])
        start = 8 + int.from_bytes(raw[:8], "little")
        at = rng.randrange(start, len(raw))
        raw[at] ^= 1 << rng.randrange(8)
        reported, files[name] = f"a bit of byte {at - start}", bytes(raw)
    elif part == "certificate":
        name, claims = "certificate.json", json.loads(files["certificate.json"])
        reported = edited(claims, rng, values)
        files[name] = text_of(claims).encode()
    else:
        name = rng.choice(sorted(files.keys() - {"manifest.json"}))
        if rng.random() < 0.5:
            reported, raw = "dropped", files.pop(name)
            if rng.random() < 0.3:
                files["notes.txt"] = raw
        else:
            reported, files[name] = "a byte more", files[name] + rng.choice([b"\n", b"\0", b" "])
    return f"{name}: {reported}", described_as_they_are(files, listed=rng.random() < 0.9)


def described_as_they_are(files, listed=True):
    """The files with a manifest that lists them as they are."""
    manifest = json.loads(files["manifest.json"])
    names = files.keys() - {"manifest.json"} if listed else manifest["files"].keys() & files.keys()
    manifest["files"] |= {
        n: {"bytes": len(files[n]), "sha256": hashlib.sha256(files[n]).hexdigest()} for n in names
    }
    if listed:
        manifest["files"] = {name: manifest["files"][name] for name in names}
    return files | {"manifest.json": canonical(manifest)}


def edited(value, rng, values=VALUES):
    """Change one place of a JSON value, and say which and how."""
    where = []
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        how = rng.random()
        if not keys or how < 0.04:
            add = (rng.choice(keys_of(values)), rng.choice(values))
            value.update([add]) if isinstance(value, dict) else value.append(add[1])
            return f"{where}: {add} added"
        key = rng.choice(keys)
        if how < 0.09:
            del value[key]
            return f"{where}: {key!r} dropped"
        if not isinstance(value[key], (dict, list)) or how < 0.12:
            old = value[key]
            near = [old + 1, old - 1, 2 * old] if type(old) is int else []
            value[key] = rng.choice(near) if near and rng.random() < 0.6 else rng.choice(values)
            return f"{[*where, key]}: {old!r} to {value[key]!r}"
        value, where = value[key], [*where, key]


def keys_of(values):
    return ["hops", "__metadata__", *(value for value in values if isinstance(value, str))]


def edited_header(raw, rng, values=VALUES):
    """A tensor file whose header says something else, or the same in another way."""
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    reported, text = "", json.dumps(header)
    match rng.randrange(5):
        case 0:
            reported, text = "spaces", rng.choice([" ", "\n", ""]) + text + " " * rng.randrange(9)
        case 1:
            keys = list(header)
            rng.shuffle(keys)
            reported, text = "another order", json.dumps({key: header[key] for key in keys})
        case 2:
            reported, text = "minus zero", text.replace("[0, ", "[-0, ", 1)
        case _:
            reported = edited(header, rng, values)
            text = json.dumps(header)
    return (
        f"header: {reported}",
        len(text.encode()).to_bytes(8, "little") + text.encode() + raw[8 + length :],
    )


def edited_names(text, rng):
    """A vocabulary with a line changed, added, dropped or moved."""
    lines = text.split("\n")
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    odd = [
        "",
        " ",
        " x",
        "x ",
        "\u00e9",
        "e\u0301",
        "x\u00a0",
        "\ufeffx",
        "\x1bx",
        "x\u2028",
        "\x85",
        "x\r",
        "#",
        "e0",
    ]
    match rng.randrange(5):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, rng.choice(odd))
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case 3:
            lines[at] = rng.choice(odd)
        case _:
            lines[at], lines[other] = "\u00e9", "e\u0301"
    return f"lines {at} and {other}: {lines[at : at + 1]}", "\n".join(lines).encode(
        errors="surrogateescape"
    )


def edited_facts(raw, rng, is_text):
    """Other facts: an answer, a line or a number changed. How lines may be written otherwise is
    tested in test_tsv.py.
    """
    if not is_text:
        at = rng.randrange(1, len(raw) // 4 if rng.random() < 0.5 else 3)
        number = rng.choice([-2, -1, 0, 1, 2, 99])
        return (
            f"{number}, {at} from the end",
            raw[: -4 * at]
            + number.to_bytes(4, "little", signed=True)
            + raw[len(raw) - 4 * at + 4 :],
        )
    lines = raw.decode(errors="surrogateescape").splitlines()
    at = rng.randrange(len(lines))
    names = sorted({name for line in lines for name in line.split("\t")} | {"zz", ""})
    fields = lines[at].split("\t")
    fields[rng.randrange(len(fields))] = rng.choice(names)
    reported, lines[at] = f"line {at} is {fields}", "\t".join(fields)
    return reported, ("\n".join(lines) + "\n").encode(errors="surrogateescape")
