"""Model folders in memory: of builders, and made by hand column by column, with a certificate that
claims what one likes.
"""

import contextlib
import hashlib
import itertools
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from constructions import CATALOGUE, save
from constructions.model.shapes import HeadShape, LayerShape, TransformerShape
from constructions.model.transformer import Transformer
from constructions.saved.manifest import canonical
from constructions.writing.certificate import FORMAT, text_of

DTYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


def files_of(model):
    """The files of a saved model, by name."""
    with tempfile.TemporaryDirectory() as folder:
        save(model, Path(folder) / "model")
        return {
            path.name: path.read_bytes() for path in sorted((Path(folder) / "model").iterdir())
        }


def built(name, n=4, n_relations=2, hops=2, partial=False, seed=1, given=None, **others):
    """A model of the catalogue on random facts; one-hop constructions take one hop, a chain no
    more than `hops`.
    """
    entry = CATALOGUE[name]
    facts = (
        entry.random_partial_facts(n, n_relations, seed, 0.3)
        if partial
        else entry.random_facts(n, n_relations, seed)
    )
    given = {"max_hops": hops} | (given or {}) if name == "chain_of_thought" else given
    return entry.build(facts, hops if entry.multi_hop else 1, given, **others)


def resealed(files, **changed):
    """The files with some replaced (facts_tsv for facts.tsv), and a manifest that describes them
    as they are.
    """
    files = files | {name.replace("_", "."): data for name, data in changed.items()}
    manifest = json.loads(files["manifest.json"])
    # weights that cannot be read are described as they were
    with contextlib.suppress(safetensors.SafetensorError):
        if "weights_safetensors" in changed:
            tensors = safetensors.torch.load(files["weights.safetensors"])
            manifest["sizes"]["parameters"] = sum(w.numel() for w in tensors.values())
    manifest["files"] = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in files.items()
        if name != "manifest.json"
    }
    return files | {"manifest.json": canonical(manifest)}


def with_manifest(files, change):
    """The files with a manifest that `change` has edited in place."""
    manifest = json.loads(files["manifest.json"])
    change(manifest)
    return files | {"manifest.json": canonical(manifest)}


def claims_of(files):
    return json.loads(files["certificate.json"])


def with_claims(files, claims):
    return resealed(files, certificate_json=text_of(claims).encode())


def weights_of(files):
    """Copies of all tensors by name, float64."""
    return {
        name: w.double().numpy().copy()
        for name, w in safetensors.torch.load(files["weights.safetensors"]).items()
    }


def with_weights(files, weights):
    """The files with other weights, rounded to their dtype."""
    dtype = DTYPES[json.loads(files["manifest.json"])["dtype"]]
    tensors = {
        name: torch.as_tensor(np.asarray(w)).to(dtype).contiguous() for name, w in weights.items()
    }
    return resealed(files, weights_safetensors=safetensors.torch.save(tensors))


@dataclass
class Head:
    """Queries and keys row by row as {column: weight}, and (from, to, weight) for what it copies."""

    query: list
    key: list
    copies: list


@dataclass
class Layer:
    """Heads, and units of the MLP as ({column: weight that reads}, {column: weight
    that writes}).
    """

    heads: list = field(default_factory=list)
    units: list = field(default_factory=list)


def at(position, *copies, gain=1024):
    """A head that reads one position: `one` asks for its column."""
    return Head([{"one": gain}], [{f"p{position}": 1}], list(copies))


def block(slot, words, form="bits", book=0, last=(0, 1)):
    """A block that begins with a slot; `placed` says which columns those are."""
    return {"slot": slot, "words": words, "last": list(last), "form": form, "book": book}


def book(bits, unknown=None):
    return {"bits": bits, "unknown": unknown}


def placed(blocks, slots, books, n_relations):
    """The blocks as a certificate has them: {slot: columns} in place of slots, (name, width)."""
    if blocks is None:
        return None
    ends = dict(zip([name for name, _ in slots], np.cumsum([w for _, w in slots]), strict=True))
    found = []
    for claimed in blocks:
        low, high = claimed["last"]
        words = n_relations ** (claimed["words"] - 1) * (high - low) if claimed["words"] else 1
        start = int(ends[claimed["slot"]] - dict(slots)[claimed["slot"]])
        stop = start + words * max(1, books[claimed["book"]]["bits"])
        rest = {key: value for key, value in claimed.items() if key != "slot"}
        found.append({"columns": [start, stop]} | rest)
    return found


def subject_claim(blocks, books):
    """What is claimed of an entity's embedding, in blocks of columns."""
    return {"claim": "subject", "blocks": blocks, "unknown": [book["unknown"] for book in books]}


def pass_claim(layer, letters, keeps, step=1, left=1):
    """What is claimed of a layer in a run, in blocks of columns."""
    run = {"claim": "pass", "step": step, "left": left, "layer": layer}
    return run | {"letters": letters, "keeps": keeps}


ONE_BIT = {0: {"one": 1, "c": -2}, 1: {"one": -1, "c": 2}, "rest": {"one": -100}}
"""An unembedding that reads a bit of two entities in column c."""


def positions(n):
    """Rows of the first n positions: each has a column of its own."""
    return [{"one": 1, f"p{p}": 1} for p in range(n)]


def identity(n):
    return np.arange(n)[None]


def hand_made(
    facts,
    columns,
    embedding,
    position,
    layers,
    unembedding,
    books,
    subject,
    passes,
    hops=1,
    dtype="float32",
):
    """A model without a chain. Rows are {column: value}, tables {token: row}, with "rest" for all
    other tokens.

    Columns are named, or (name, width) for name0, name1, ...; `passes` has (letters, blocks) for
    each layer.
    """
    slots = [[c, 1] if isinstance(c, str) else list(c) for c in columns]
    names = [name if width == 1 else f"{name}{i}" for name, width in slots for i in range(width)]
    where = {name: i for i, name in enumerate(names)}
    d, n_vocab = len(names), facts.shape[1] + len(facts) + 1

    def row(values):
        made = np.zeros(d)
        for name, value in values.items():
            made[where[name]] = value
        return made

    def table(rows):
        return np.stack([row(rows.get(token, rows.get("rest", {}))) for token in range(n_vocab)])

    weights = {"embedding.weight": table(embedding), "unembedding.weight": table(unembedding)}
    weights["positions.weight"] = np.stack([row(values) for values in position])

    def place(blocks):
        return placed(blocks, slots, books, len(facts))

    shapes, claims = [], []
    for i, (layer, (letters, after)) in enumerate(zip(layers, passes, strict=True)):
        claims.append(pass_claim(i + 1, letters, place(after), left=hops))
        if layer.heads:
            copies = [copied for head in layer.heads for copied in head.copies]
            parts = {
                "query": (
                    np.array([row(q) for head in layer.heads for q in head.query]).reshape(-1, d)
                ),
                "key": np.array([row(k) for head in layer.heads for k in head.key]).reshape(-1, d),
                "value": np.array([row({a: 1}) for a, _, _ in copies]),
                "output": np.array([row({b: w}) for _, b, w in copies]).T,
            }
            weights |= {
                f"layers.{i}.attention.{name}.weight": part for name, part in parts.items()
            }
        if layer.units:
            weights[f"layers.{i}.mlp.weights.0.weight"] = np.stack(
                [row(reads) for reads, _ in layer.units]
            )
            weights[f"layers.{i}.mlp.weights.1.weight"] = np.stack(
                [row(writes) for _, writes in layer.units], 1
            )
        heads = [[len(head.query), len(head.copies)] for head in layer.heads]
        shapes.append({"heads": heads, "d_mlp": [len(layer.units)] if layer.units else []})
    claims = [subject_claim(place(subject), books), *claims]
    return assembled(facts, hops, weights, shapes, claims, dtype)


def assembled(facts, hops, weights, layers, claims, dtype="float32", repeats=1, per_token=0):
    """Files of weights, with the claim about the task put before the given ones; a chain if
    `per_token`.
    """
    n_relations, n = facts.shape
    specials = ["unknown", "pad", "end"] if per_token else ["unknown"]
    task = {"claim": "task", "hops_per_token": per_token, "queries": "all"}
    names = [*(f"e{i}" for i in range(n)), *(f"r{i}" for i in range(n_relations)), *specials]
    sizes = {
        "entities": n,
        "relations": n_relations,
        "hops": hops,
        "d_model": weights["embedding.weight"].shape[1],
    }
    sizes["positions"] = len(weights["positions.weight"]) if "positions.weight" in weights else 0
    sizes["d_vocab"] = n + n_relations + len(specials)
    manifest = {
        "format": FORMAT,
        "dtype": dtype,
        "sizes": sizes,
        "specials": specials,
        "queries": "all",
        "files": {},
    }
    manifest |= {"construction": "none", "builder": "none", "options": {"hops": hops}}
    manifest["architecture"] = {"layers": layers, "repeats": repeats}
    packed = safetensors.torch.save({"facts": torch.from_numpy(facts.astype(np.int32))})
    files = {"vocabulary.txt": ("\n".join(names) + "\n").encode(), "facts.safetensors": packed}
    files |= {
        "manifest.json": canonical(manifest),
        "certificate.json": text_of([task, *claims]).encode(),
    }
    return with_weights(files, weights)


@torch.no_grad()
def least_margin(files, facts, dtype="float64"):
    """By running the module on every query, token by token: the least logit of a right token minus
    the largest other.
    """
    manifest, weights = (
        json.loads(files["manifest.json"]),
        safetensors.torch.load(files["weights.safetensors"]),
    )
    sizes, n_specials = manifest["sizes"], len(manifest["specials"])
    n_relations, n = facts.shape
    layers = [
        LayerShape(tuple(HeadShape(*head) for head in layer["heads"]), tuple(layer["d_mlp"]))
        for layer in manifest["architecture"]["layers"]
    ]
    n_vocab, unknown, pad, end = (
        n + n_relations + n_specials,
        n + n_relations,
        n + n_relations + 1,
        n + n_relations + 2,
    )
    repeats = manifest["architecture"]["repeats"]
    shape = TransformerShape(n_vocab, sizes["d_model"], tuple(layers), sizes["positions"], repeats)
    module = Transformer(shape, DTYPES[dtype])
    module.load_state_dict(weights)
    per_token, k = claims_of(files)[0]["hops_per_token"], sizes["hops"]
    found = []
    for length in range(1 if n_specials == 3 else k, k + 1):
        for subject, path in itertools.product(
            range(n), itertools.product(range(n_relations), repeat=length)
        ):
            nodes = [subject]
            for letter in path:
                nodes.append(int(facts[letter, nodes[-1]]) if nodes[-1] >= 0 else -1)
            tokens, said = [subject, *(n + letter for letter in path)], nodes[-1:]
            if n_specials == 3:
                tokens += [pad] * (k - length)
                said = [
                    nodes[min(i * per_token, length)]
                    for i in range(1, -(-length // per_token) + 1)
                ]
            for token in [unknown if node < 0 else node for node in said] + [end] * (
                n_specials == 3
            ):
                logits = module(torch.tensor(tokens))[-1].double()
                own, logits[token] = logits[token].item(), -torch.inf
                found.append(own - logits.max().item())
                tokens.append(token)
    return min(found) if not np.isnan(found).any() else -np.inf
