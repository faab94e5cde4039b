"""The ways to change a saved model. Each yields changed folders without end, and for each what was
changed in words, the model that its weights make and the facts that it should answer.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from constructions.facts.answers import MISSING
from constructions.facts.table import FactTable
from constructions.model.fact_model import FactModel
from constructions.writing.certificate import text_of
from verify.attacking.target import CERTIFICATE, Files, Target

Attack = tuple[str, Files, FactModel, FactTable]


def _flips(target: Target, rng: np.random.Generator) -> Iterator[Attack]:
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


def _flips_listed(target: Target, rng: np.random.Generator) -> Iterator[Attack]:
    """One bit of one weight, with a manifest that lists the file as it is."""
    for name, at, weights in _places(target, rng):
        raw = weights[name].view(-1).view(torch.uint8)
        bit = int(rng.integers(8 * weights[name].element_size()))
        raw[at * weights[name].element_size() + bit // 8] ^= 1 << bit % 8
        yield f"bit {bit} of {name}[{at}]", *target.with_weights(weights), target.facts


def _weights(target: Target, rng: np.random.Generator) -> Iterator[Attack]:
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


def _swaps(target: Target, rng: np.random.Generator) -> Iterator[Attack]:
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


def _facts(target: Target, rng: np.random.Generator) -> Iterator[Attack]:
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


def _forgeries(target: Target, rng: np.random.Generator) -> Iterator[Attack]:
    """One claim dropped, repeated, moved or altered: another column, layer, letter, length or
    form.
    """
    original = json.loads(target.files[CERTIFICATE])
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
                _set(claims[i], place, _other(old, rng))
        if claims != original:
            files = target.with_files({CERTIFICATE: text_of(claims).encode()})
            yield reported, files, target.model, target.facts


def _places(
    target: Target, rng: np.random.Generator
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
    """Put a value at a place in a claim."""
    for key in path[:-1]:
        claim = claim[key]
    claim[path[-1]] = value


def _other(old: Any, rng: np.random.Generator) -> Any:
    """Something else of the same kind, as often as not; else a list less an entry, a number, a
    name, or nothing.
    """
    names = ["bits", "signs", "number", "task", "subject", "pass", "all", "stored"]
    if isinstance(old, list) and old and rng.random() < 0.7:
        return old[:-1] if rng.random() < 0.5 else [*old, old[-1]]
    if isinstance(old, bool):
        return not old
    if isinstance(old, int) and rng.random() < 0.8:
        return old + int(rng.choice([-2, -1, 1, 2, -old, 1 - old, 2**40]))
    if isinstance(old, str) and rng.random() < 0.8:
        return names[rng.integers(len(names))]
    return [None, 0, 1, -1, [], {}, names[0]][rng.integers(7)]


KINDS: dict[str, Callable[[Target, np.random.Generator], Iterator[Attack]]] = {
    "flips": _flips,
    "flips-listed": _flips_listed,
    "weights": _weights,
    "swaps": _swaps,
    "facts": _facts,
    "forgeries": _forgeries,
}
"""The ways to attack, by name."""
