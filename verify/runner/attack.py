"""Attacks on a saved model: does the checker ever pass what is wrong?

Every attack changes one thing in the files of a model folder. What the checker rejects is
*killed*. What it accepts is run: if the forward pass answers every query right, the change was
*harmless*, else the checker is *fooled*, which must never be. So generated = killed + harmless, or
the checker is broken.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from constructions.facts.answers import MISSING
from constructions.facts.limits import require_runnable
from constructions.facts.table import FactTable
from constructions.facts.tsv import fact_lines
from constructions.guards.errors import InputError
from constructions.model.fact_model import FactModel
from constructions.saved.folder import load
from constructions.saved.manifest import canonical
from constructions.writing.certificate import text_of
from verify.queries.recall import check_recall
from verify.symbolic.checker import check_files

Files = dict[str, bytes]
_WEIGHTS, _CERTIFICATE, _MANIFEST = "weights.safetensors", "certificate.json", "manifest.json"


@dataclass
class Tally:
    """What became of one kind of attack.

    Attributes:
        generated, killed, harmless: how many; the rest has fooled the checker.
        fooled: the first few that were accepted although a query is answered wrong, in words.
    """

    kind: str
    generated: int = 0
    killed: int = 0
    harmless: int = 0
    fooled: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether there were attacks, and none has fooled the checker."""
        return self.generated > 0 and self.generated == self.killed + self.harmless


def attack(
    folder: str | os.PathLike[str],
    each: int,
    seed: int = 0,
    kinds: list[str] | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Tally]:
    """Attack a model folder `each` times in every way of `KINDS`, or in the given ones.

    Args:
        folder: a model whose certificate is proven.
        each: attacks of each kind; fewer where a kind has no more (no facts to swap).
        seed: of the random choices.
        kinds: names of `KINDS`.
        progress: called with the number of attacks done.

    Raises:
        InputError: the folder is no model, one whose certificate is not proven as it is, or one
            with more queries than are run.
    """
    target = _Target(Path(folder))
    require_runnable(sum(map(target.facts.n_queries, target.model.path_lengths)))
    if (first := check_files(target.files)).verdict != "PASS":
        raise InputError(
            f"{folder}: there is nothing to attack: the checker says {first.verdict}:"
            f" {first.reason}"
        )
    tallies, done = [], 0
    for kind in kinds or list(KINDS):
        tally, rng = Tally(kind), np.random.default_rng([seed, list(KINDS).index(kind)])
        for reported, files, model, facts in islice(KINDS[kind](target, rng), each):
            tally.generated += 1
            if check_files(files).verdict != "PASS":
                tally.killed += 1
            elif _right(model, facts):
                tally.harmless += 1
            elif len(tally.fooled) < 5:
                tally.fooled.append(reported)
            done += 1
            progress(done)
        tallies.append(tally)
    return tallies


class _Target:
    """A model folder in memory, and the model that it makes."""

    def __init__(self, folder: Path):
        self.model = load(folder)
        self.spare = copy.deepcopy(self.model)
        self.facts = self.model.facts
        self.files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        self.facts_file = "facts.tsv" if "facts.tsv" in self.files else "facts.safetensors"

    def with_files(self, changed: Files) -> Files:
        """The folder with some files changed, and a manifest that lists them as they are."""
        files = self.files | changed
        manifest = json.loads(files[_MANIFEST])
        for name in manifest["files"]:
            manifest["files"][name] = {
                "bytes": len(files[name]),
                "sha256": hashlib.sha256(files[name]).hexdigest(),
            }
        return files | {_MANIFEST: canonical(manifest)}

    def with_weights(self, weights: dict[str, torch.Tensor]) -> tuple[Files, FactModel]:
        """The folder with other weights, and the model that has them."""
        self.spare.load_state_dict(weights)
        return self.with_files({_WEIGHTS: safetensors.torch.save(weights)}), self.spare

    def with_facts(self, answers: np.ndarray) -> tuple[Files, FactTable]:
        """The folder with other facts."""
        facts = FactTable(answers, self.facts.entity_names, self.facts.relation_names)
        if self.facts_file != "facts.tsv":
            data = safetensors.torch.save({"facts": torch.from_numpy(answers.astype(np.int32))})
        else:
            data = "".join(fact_lines(facts)).encode()
        return self.with_files({self.facts_file: data}), facts


_Attack = tuple[str, Files, FactModel, FactTable]


def _right(model: FactModel, facts: FactTable) -> bool:
    """Whether the forward pass, by full logits, answers every query of every length right, however
    sums are added.
    """
    recalls = [check_recall(model, facts, hops, "full") for hops in model.path_lengths]
    return all(recall.verdict == "PASS" for recall in recalls)


def _flips(target: _Target, rng: np.random.Generator) -> Iterator[_Attack]:
    """One bit of one file, each byte of the folder being as likely."""
    names = list(target.files)
    sizes = np.array([len(target.files[name]) for name in names])
    while True:
        name = names[rng.choice(len(names), p=sizes / sizes.sum())]
        data, bit = bytearray(target.files[name]), int(rng.integers(8 * len(target.files[name])))
        data[bit // 8] ^= 1 << bit % 8
        yield (
            f"bit {bit} of {name}",
            target.files | {name: bytes(data)},
            target.model,
            target.facts,
        )


def _flips_listed(target: _Target, rng: np.random.Generator) -> Iterator[_Attack]:
    """One bit of one weight, with a manifest that lists the file as it is."""
    for name, at, weights in _places(target, rng):
        raw = weights[name].view(-1).view(torch.uint8)
        bit = int(rng.integers(8 * weights[name].element_size()))
        raw[at * weights[name].element_size() + bit // 8] ^= 1 << bit % 8
        yield f"bit {bit} of {name}[{at}]", *target.with_weights(weights), target.facts


def _weights(target: _Target, rng: np.random.Generator) -> Iterator[_Attack]:
    """One weight moved, negated, doubled or set to 0."""
    for name, at, weights in _places(target, rng):
        flat = weights[name].view(-1)
        old = flat[at].item()
        choices = [
            old + 1,
            old - 1,
            old + float(rng.integers(-9, 10)),
            -old,
            2 * old,
            0,
            old + 2.0**-8,
        ]
        flat[at] = choices[rng.integers(len(choices))]
        if flat[at].item() != old:
            yield (
                f"{name}[{at}]: {old} to {flat[at].item()}",
                *target.with_weights(weights),
                target.facts,
            )


def _swaps(target: _Target, rng: np.random.Generator) -> Iterator[_Attack]:
    """Two rows or columns of a tensor, or two tensors of one shape."""
    while True:
        weights = {name: tensor.clone() for name, tensor in target.model.state_dict().items()}
        names = [name for name, tensor in weights.items() if tensor.numel()]
        name = names[rng.integers(len(names))]
        axis = int(rng.integers(3))
        if axis == 2:
            others = [
                other
                for other in names
                if weights[other].shape == weights[name].shape and other != name
            ]
            if not others:
                continue
            other = others[rng.integers(len(others))]
            weights[name], weights[other] = weights[other], weights[name]
            reported = f"{name} and {other}"
        else:
            i, j = (int(place) for place in rng.integers(weights[name].shape[axis], size=2))
            order = torch.arange(weights[name].shape[axis])
            order[[i, j]] = order[[j, i]]
            weights[name] = weights[name].index_select(axis, order).contiguous()
            reported = f"{'rows' if axis == 0 else 'columns'} {i} and {j} of {name}"
        if any(
            not torch.equal(tensor, target.model.state_dict()[n]) for n, tensor in weights.items()
        ):
            yield reported, *target.with_weights(weights), target.facts


def _facts(target: _Target, rng: np.random.Generator) -> Iterator[_Attack]:
    """One answer changed, lost or added; or two relations, or two entities' rows, exchanged."""
    n_relations, n_entities = target.facts.answers.shape
    for _ in range(10**9):
        answers = target.facts.answers.copy()
        r, s = int(rng.integers(n_relations)), int(rng.integers(n_entities))
        other_r, other_s = int(rng.integers(n_relations)), int(rng.integers(n_entities))
        what = int(rng.integers(3))
        if what == 0:
            answers[r, s] = rng.integers(-1, n_entities)
        elif what == 1:
            answers[[r, other_r]] = answers[[other_r, r]]
        else:
            answers[:, [s, other_s]] = answers[:, [other_s, s]]
        if not np.array_equal(answers, target.facts.answers) and (answers != MISSING).any():
            files, facts = target.with_facts(answers)
            reported = f"facts: {('one answer', 'relations', 'entities')[what]} {r} {s}"
            yield reported, files, target.model, facts
        elif n_entities == 1:
            return


def _forgeries(target: _Target, rng: np.random.Generator) -> Iterator[_Attack]:
    """One claim dropped, repeated, moved or altered: another slot, position, letter, gap, length,
    form, number of queries.
    """
    original = json.loads(target.files[_CERTIFICATE])
    while True:
        claims = copy.deepcopy(original)
        i, j = (int(place) for place in rng.integers(len(claims), size=2))
        match int(rng.integers(6)):
            case 0:
                reported = f"claim {i} is dropped"
                del claims[i]
            case 1:
                reported = f"claim {i} stands twice"
                claims.insert(j, claims[i])
            case 2:
                reported = f"claims {i} and {j} are exchanged"
                claims[i], claims[j] = claims[j], claims[i]
            case _:
                place, old = _leaf(claims[i], rng)
                reported = f"claim {i}, {place}: {old!r} is altered"
                _set(claims[i], place, _other(old, claims, rng))
        if claims != original:
            files = target.with_files({_CERTIFICATE: text_of(claims).encode()})
            yield reported, files, target.model, target.facts


def _places(
    target: _Target, rng: np.random.Generator
) -> Iterator[tuple[str, int, dict[str, torch.Tensor]]]:
    """A tensor, an entry of it, and all weights to be changed; small tensors as often as large
    ones.
    """
    names = [name for name, tensor in target.model.state_dict().items() if tensor.numel()]
    while True:
        name = names[rng.integers(len(names))]
        weights = dict(target.model.state_dict())
        weights[name] = weights[name].clone()
        yield name, int(rng.integers(weights[name].numel())), weights


def _leaf(claim: Any, rng: np.random.Generator) -> tuple[list[Any], Any]:
    """A random place in a claim, as a path of keys, and what stands there."""
    path: list[Any] = []
    while isinstance(claim, (dict, list)) and claim:
        keys = list(claim) if isinstance(claim, dict) else list(range(len(claim)))
        path.append(keys[rng.integers(len(keys))])
        claim = claim[path[-1]]
        if isinstance(claim, (dict, list)) and rng.random() < 0.1:
            break
    return path, claim


def _set(claim: Any, path: list[Any], value: Any) -> None:
    for key in path[:-1]:
        claim = claim[key]
    claim[path[-1]] = value


def _other(old: Any, claims: list[Any], rng: np.random.Generator) -> Any:
    """Something else of the same kind, as often as not; else a list less an entry, a number, a
    name, or nothing.
    """
    slots = [
        name for claim in claims if claim.get("claim") == "slots" for name, _ in claim["slots"]
    ]
    names = [*slots, "bits", "signs", "number", "node", "letters", "end", "all"]
    if isinstance(old, list) and old and rng.random() < 0.7:
        return old[:-1] if rng.random() < 0.5 else [*old, old[-1]]
    if isinstance(old, bool):
        return not old
    if isinstance(old, int) and rng.random() < 0.8:
        return old + int(rng.choice([-2, -1, 1, 2, -old, 1 - old, 2**40]))
    if isinstance(old, str) and rng.random() < 0.8:
        return names[rng.integers(len(names))]
    return [None, 0, 1, -1, [], {}, names[0]][rng.integers(7)]


KINDS: dict[str, Callable[[_Target, np.random.Generator], Iterator[_Attack]]] = {
    "flips": _flips,
    "flips-listed": _flips_listed,
    "weights": _weights,
    "swaps": _swaps,
    "facts": _facts,
    "forgeries": _forgeries,
}
"""The ways to attack, by name."""
