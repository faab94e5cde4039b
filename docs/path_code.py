"""A construction with geometry: a node of a path-star is written as its path and its depth.

Statement. Let the first relation be `parent` in a tree of paths: paths of at most l nodes that
share their first one, the centre. Let each relation lead from a node to the node of its own path
at a depth that the node's depth determines (`first`: to depth 1), or nowhere. For every k there is
a one-layer transformer that answers every query `(s, r_1, ..., r_k)`. With D paths, a = max(1,
ceil(log2 D)) and p = max(1, ceil(log2 (k+1))):

| d_model | MLP | heads | logit margin |
|---|---|---|---|
| a + l + p + 1 (R = 1) | 1 hidden layer, width l | 1 | exactly 2 |
| a + l + p + R k (R > 1) | 1 hidden layer, width R^k l | k | exactly 2 |

(in real arithmetic 2 minus a leak that is stated with the model). No weight inside depends on D or
on which node is where: k hops are one step, which changes the depth alone.

Hypotheses. On the facts, as stated. Source of the task: Noroozizadeh et al., arXiv 2510.26745.
Proof: path-star.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from constructions import (
    Codebook,
    Construction,
    Draft,
    FactModel,
    FactTable,
    Holds,
    MarginClaim,
    Plan,
    Readout,
    SignField,
    Space,
    Vocabulary,
    dot,
    recorded,
    require_exact,
)
from constructions.facts.codes import bits_needed, sign_codes
from constructions.facts.paths import Paths
from constructions.model.stream import Form, nothing
from constructions.theorems.lemmas.one_hot_relations import one_hot_relations
from constructions.theorems.lemmas.reading_the_prompt import read_prompt
from constructions.writing.draft import require_hops
from constructions.writing.position_reading import position_codes


@recorded
def path_code(
    facts: FactTable, hops: int = 1, *, dtype: torch.dtype = torch.float32
) -> Plan[FactModel]:
    """Nodes of a path-star are written as path and depth; k hops change the depth, in one step.

    Weights. `E[s]` = the sign code of the path of s (0 for the centre) and the thermometer of its
    depth, `tau_h = [h <= depth]`, h < l; `E[relation r]` = `e_r`. Heads of the last position copy
    both from the subject, and the letters before the last (where R > 1). With `e_j = tau_j -
    tau_{j+1}`, unit (w, j) computes `ReLU(e_j + number of letters as in w - k)` and adds
    `tau(phi_w(j)) - tau(j)`, where phi_w is the map of depths of the word w. The unembedding gives
    the node at depth j > 0 of path i `<c(i), path> + 2 e_j`, the centre `(a + 2) e_0`, *unknown*
    `(a + 2) (1 - tau_0)`.

    Raises:
        InputError: hops is not a positive integer, or the facts are not as stated.
        DoesNotFit: the dtype is too narrow, or the weights exceed the memory.
    """
    require_hops(hops)
    paths = Paths.of(facts.answers[0])
    maps = np.stack([paths.on_depths(answers) for answers in facts.answers])
    code = PathCode(Codebook.of_states(facts), paths)
    require_exact(2 * code.bits + 4 + hops, dtype, f"path_code with {code.bits}-bit paths")
    several = facts.n_relations > 1
    letters = {"asked": (hops - 1, facts.n_relations)} if several else {}
    stream = Space(
        path=(code.bits,),
        depth=(paths.length,),
        relation=(facts.n_relations,),
        position=(bits_needed(hops + 1),),
        **letters,
    )
    draft = Draft("path_code", Vocabulary(facts.n_entities, facts.n_relations), stream)
    draft.position(stream["position"], position_codes(hops + 1))
    draft.entities(Holds(stream.span(["path", "depth"]), words=0, code=code))
    one_hot_relations(draft, stream["relation"])
    layer = draft.layer()
    before = {place: stream["asked"][place - 1] for place in range(1, hops) if several}
    read_prompt(layer, stream, [stream["path"], stream["depth"]], before, hops)

    words = word_maps(maps, hops) if several else word_maps(maps, hops)[:1]
    matches = is_depth(stream)[None]
    if several:
        spelled = np.indices((facts.n_relations,) * hops).reshape(hops, -1)
        asked = [*(stream["asked"][place] for place in range(hops - 1)), stream["relation"]]
        for letter, slot in zip(spelled, asked, strict=True):
            matches = matches + dot(np.eye(facts.n_relations)[letter], slot)[:, None]
        matches = matches - hops * stream["relation"].sum()
    found = layer.relu("which path of relations, at which depth", matches)
    moved = thermometers(words, paths.length) - thermometers(np.arange(paths.length), paths.length)
    layer.add(dot(moved.reshape(-1, paths.length).T, found), to=stream["depth"])
    layer.takes(range(1, hops + 1))
    return draft.plan(
        facts,
        _nearest(paths, code, stream),
        MarginClaim.exactly(2),
        dtype,
        hops=hops,
        facts_inside=True,
    )


@dataclass(frozen=True)
class PathCode:
    """A node is written by the signs of its path's number, and by the thermometer of its depth."""

    codebook: Codebook
    paths: Paths
    form: None = None

    @property
    def bits(self) -> int:
        """a, the bits of a path."""
        return bits_needed(self.paths.n_paths)

    def rows(self, tokens: np.ndarray) -> np.ndarray:
        """The codes of some nodes, given by their tokens (Q,): int64 (Q, a + l), 0 of unknown."""
        nodes = np.minimum(tokens, len(self.paths.depth) - 1)
        path, known = self.paths.path[nodes], tokens < len(self.paths.depth)
        signs = sign_codes(np.maximum(path, 0), self.bits) * (path >= 0)[:, None]
        depths = thermometers(self.paths.depth[nodes], self.paths.length)
        return np.concatenate([signs, depths], axis=1).astype(np.int64) * known[:, None]


def thermometers(depths: np.ndarray, length: int) -> np.ndarray:
    """`[h <= depth]` for h < length: (...) to int64 (..., length). -1 has zeros alone."""
    return (np.arange(length) <= np.asarray(depths)[..., None]).astype(np.int64)


def word_maps(maps: np.ndarray, hops: int) -> np.ndarray:
    """The maps of depths (R^hops, l) of all words of so many relations, from those of relations
    (R, l); -1 is nowhere, and leads nowhere.
    """
    onward = np.append(maps, np.full((len(maps), 1), -1), axis=1)
    found = maps
    for _ in range(hops - 1):
        found = onward[:, found].swapaxes(0, 1).reshape(-1, maps.shape[1])
    return found


def is_depth(stream: Space) -> Form:
    """`e_j = tau_j - tau_{j+1}`, shape (l,): 1 iff the depth is j."""
    length = stream["depth"].size
    return dot(np.eye(length) - np.eye(length, k=1), stream["depth"])


def _nearest(paths: Paths, code: PathCode, stream: Space) -> Readout:
    """A field for the nodes of each depth, one for the centre, one for *unknown*."""
    here, one, none = is_depth(stream), stream["relation"].sum(), np.empty((1, 0), np.int8)
    alone = {paths.centre: here[0]}
    if len(code.codebook) > len(paths.depth):
        alone[int(code.codebook.tokens[-1])] = one - stream["depth"][0]
    fields = [
        SignField(np.array([token]), none, nothing(stream), bonus=(code.bits + 2) * form)
        for token, form in alone.items()
    ]
    for depth in range(1, paths.length):
        nodes = np.flatnonzero(paths.depth == depth)
        codes = sign_codes(paths.path[nodes], code.bits)
        fields.append(SignField(nodes, codes, stream["path"].form(), bonus=2 * here[depth]))
    return Readout(tuple(fields))


def trees_of_paths(entities: int, relations: int, seed: int) -> FactTable:
    """Random paths from a centre: the relation `parent`, and others that lead to an ancestor whose
    depth the depth determines, or nowhere.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(entities)
    n_paths = int(rng.integers(1, max(entities, 2)))
    starts = np.append(
        0, np.sort(rng.choice(max(entities - 2, 0), n_paths - 1, replace=False)) + 1
    )
    parents = np.full(entities, -1)
    parents[order[1:]] = order[:-1]
    parents[order[1:][starts]] = order[0]
    paths = Paths.of(parents)
    ancestors = 1 + np.arange(paths.length)
    maps = rng.integers(-1, ancestors, size=(relations - 1, paths.length))
    return FactTable([parents, *map(paths.relation, maps)])


mine = Construction(
    path_code,
    tables=trees_of_paths,
    missing=False,
    needs="paths from a centre, and relations that change the depth alone",
    multi_hop=True,
)
