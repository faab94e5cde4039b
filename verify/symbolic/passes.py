"""The passes of a deciding position: one layer after the other, each with its letters at hand."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product as all_choices

import numpy as np

from verify.kernel.verdict import Undecided, require
from verify.reading.wording import shown
from verify.symbolic.claims import Claims
from verify.symbolic.heads import Cases, attend
from verify.symbolic.layouts import Block, read_blocks
from verify.symbolic.next_node import rebase
from verify.symbolic.run import Setting, begin
from verify.symbolic.unembedding import Margins, unembed
from verify.symbolic.units import mlp
from verify.symbolic.unmet import Unmet

MOST_CASES = 2**24  # coordinates of all cases together


@dataclass(frozen=True)
class _Pass:
    """What is claimed of a layer in a run.

    Attributes:
        letters: the places in the path that it takes.
        keeps: the blocks that it leaves; None if nothing.
    """

    letters: list[int]
    keeps: list[Block] | None


def prove_run(setting: Setting, claims: Claims, step: int, left: int) -> Margins:
    """Prove what the deciding position of a step says when its path has `left` letters for it.

    Returns:
        The margins of the final states: by how much the right token is above all others.
    """
    model = setting.model
    run, x = begin(setting, step, left)
    blocks, first = setting.subject.blocks, (step - 1) * setting.per_token + 1
    end = first + left
    for layer, (heads, matrices) in enumerate(model.layers, start=1):
        claimed = _claimed(setting, claims, step, left, layer)
        cases = _cases(setting, claimed.letters, first, end, layer)
        x = x.repeated(len(cases.choices))
        for place, letter in enumerate(cases.letters):
            if letter in run.free:
                x.const += run.free.pop(letter)[cases.choices[:, place]]
        x = attend(run, x, heads, cases, f"pass {layer}")
        x, amounts = mlp(run, x, matrices) if matrices else (x, None)
        if claimed.keeps is None:
            last = layer == len(model.layers)
            require(last, f"pass {layer} leaves nothing for the next", Unmet)
            if amounts:
                raise Undecided("decoder: the final state is no code")
            continue
        x = rebase(run, x, amounts, len(cases.letters), claimed.keeps, layer)
        run.require_used(blocks)
        first, blocks = first + len(cases.letters), claimed.keeps
        run.used = np.zeros(model.d, bool)
    at_hand = len(cases.letters) if claimed.keeps is None else 0
    require(end - first == at_hand, f"letters {first} to {end - 1} are never read")
    margins = unembed(run, x, at_hand, end=model.chain and not left)
    if left:
        run.require_used(blocks)
    return margins


def _claimed(setting: Setting, claims: Claims, step: int, left: int, layer: int) -> _Pass:
    """The next claim, about this layer."""
    claim = claims.take("pass", "letters", "keeps", step=step, left=left, layer=layer)
    letters, kept = claim["letters"], claim["keeps"]
    where = f"pass {layer}"
    keeps = None if kept is None else read_blocks(kept, where, setting.model, setting.books)
    places = type(letters) is list and all(type(letter) is int for letter in letters)
    require(places, f"{where}: letters {shown(letters)}")
    return _Pass(letters, keeps)


def _cases(setting: Setting, letters: list[int], first: int, end: int, layer: int) -> Cases:
    """All choices of a pass's letters, which continue those before."""
    wanted, r = list(range(first, first + len(letters))), setting.model.n_relations
    require(letters == wanted, f"pass {layer}: letters {shown(letters)}, next is {first}")
    fits = first + len(letters) <= end
    require(fits, f"pass {layer}: reads more letters than the path has")
    if r ** len(letters) * setting.model.d > MOST_CASES:
        raise Undecided(f"pass {layer}: {r}^{len(letters)} cases are too many")
    choices = list(all_choices(range(r), repeat=len(letters)))
    return Cases(letters, np.array(choices, int).reshape(len(choices), len(letters)))
