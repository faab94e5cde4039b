"""The combinatorial cores of Theorem 4.2, by brute force: all k-hop tables, and the families of
the local proofs.

Each lower bound of `bounds.theorem_4_2` counts tuples of bijections that must be distinguished.
Here they are written down, for sizes where that is possible: all of them (`count_tables`), or the
families that the proofs describe. A family knows the queries by which the proof tells its members
apart, and the number that the proof claims.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from constructions.facts.words import all_words
from constructions.guards.errors import InputError
from constructions.guards.integers import takes_integers
from constructions.guards.memory import require_memory
from constructions.sizes.whole_numbers import tree

_Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Family:
    """Tuples of bijections of which a proof claims that some queries tell them all apart.

    Attributes:
        answers: int64 (members, R, N), `answers[i, r, s]` = f_r(s) of member i.
        subjects: int64 (queries,).
        paths: int64 (queries, k).
        claimed: how many members the proof counts.
    """

    answers: _Ints
    subjects: _Ints
    paths: _Ints
    claimed: int

    def tables(self) -> _Ints:
        """What each member answers to the queries: int64 (members, queries)."""
        return tables(self.answers, self.subjects, self.paths)

    def distinct(self) -> int:
        """How many different tables the members have."""
        return count_rows(self.tables())


def tables(answers: _Ints, subjects: _Ints, paths: _Ints) -> _Ints:
    """The answers of many fact tuples at once: (members, R, N), (queries,), (queries, k) to int64
    (members, queries).
    """
    require_memory(
        24 * len(answers) * len(subjects), f"{len(answers):,} tables of {len(subjects):,} queries"
    )
    states = np.broadcast_to(subjects, (len(answers), len(subjects)))
    members = np.arange(len(answers))[:, None]
    for relations in paths.T:
        states = answers[members, relations, states]
    return states


def count_rows(rows: _Ints) -> int:
    """The number of different rows."""
    return len(np.unique(rows, axis=0))


@takes_integers
def count_tables(n_entities: int, n_relations: int, hops: int) -> int:
    """How many different k-hop tables the (N!)^R tuples of bijections have, by listing all of
    them.

    Raises:
        DoesNotFit: the list exceeds the memory.
    """
    one = math.factorial(n_entities)
    queries = n_entities * n_relations**hops
    require_memory(
        24 * one**n_relations * queries, f"the {one}^{n_relations} tables of {queries:,} queries"
    )
    orders = _injections(n_entities, n_entities)
    answers = np.stack([orders[chosen] for chosen in _product([one] * n_relations)], axis=1)
    return count_rows(tables(answers, *_all_queries(np.arange(n_entities), n_relations, hops)))


@takes_integers
def disjoint_trees_family(n_entities: int, n_relations: int, hops: int, roots: int) -> Family:
    """The family of the paper's local bound: M trees of depth k on distinct nodes, the leaves in
    any order.

    Raises:
        InputError: `M I(k+1) > N`.
    """
    inner, nodes = (roots * tree(n_relations, terms) for terms in (hops, hops + 1))
    _require("M I(k+1) <= N", nodes, n_entities)
    partial = _forward_trees(n_entities, n_relations, roots, hops - 1)
    frontier = np.arange(inner - roots * n_relations ** (hops - 1), inner)
    leaves = inner + _injections(n_entities - inner, nodes - inner)
    answers = np.repeat(partial[None], len(leaves), axis=0)
    answers[:, :, frontier] = leaves.reshape(len(leaves), n_relations, len(frontier))
    queries = _all_queries(np.arange(roots), n_relations, hops)
    return Family(_completed(answers), *queries, math.perm(n_entities - inner, nodes - inner))


@takes_integers
def shared_leaves_family(n_entities: int, n_relations: int, hops: int, roots: int) -> Family:
    """The family of the sharpened bound: only nodes at depths below k are distinct, each f_r stays
    injective.

    Raises:
        InputError: `M I(k) > N`.
    """
    inner, nodes = (roots * tree(n_relations, terms) for terms in (hops - 1, hops))
    _require("M I(k) <= N", nodes, n_entities)
    partial = _forward_trees(n_entities, n_relations, roots, hops - 1)
    frontier = np.arange(inner, nodes)
    choices = _injections(n_entities - inner, len(frontier))
    chosen = _product([len(choices)] * n_relations)
    answers = np.repeat(partial[None], chosen.shape[1], axis=0)
    for relation in range(n_relations):
        free = np.setdiff1d(np.arange(n_entities), partial[relation, :inner])
        answers[:, relation, frontier] = free[choices[chosen[relation]]]
    queries = _all_queries(np.arange(roots), n_relations, hops)
    return Family(
        _completed(answers), *queries, math.perm(n_entities - inner, len(frontier)) ** n_relations
    )


@takes_integers
def fact_aware_family(
    n_entities: int, n_relations: int, i: int, j: int, roots: int, targets: int
) -> Family:
    """The family of the bound for unembeddings that know the facts; its paths have i + 1 + j
    relations.

    Forward trees of depth i, backward trees of depth j. Frontier node x goes, under each r, to the
    backward leaf of the word `v(x)` of some target; for each of the `R^(j+1)` pairs (v, r) the Q
    frontier nodes of v take the Q targets in any order.

    Raises:
        InputError: `M R^i != Q R^j`, or `M I(i+1) + Q I(j+1) > N`.
    """
    frontier_size = roots * n_relations**i
    if frontier_size != targets * n_relations**j:
        raise InputError(
            f"needs M R^i = Q R^j; got {frontier_size} and {targets * n_relations**j}"
        )
    forward, backward = roots * tree(n_relations, i + 1), targets * tree(n_relations, j + 1)
    _require("M I(i+1) + Q I(j+1) <= N", forward + backward, n_entities)
    partial = _forward_trees(n_entities, n_relations, roots, i)
    leaves = _add_backward_trees(partial, forward, targets, j)
    words = n_relations**j
    frontier = forward - frontier_size + np.arange(frontier_size).reshape(words, targets)
    orders = _injections(targets, targets)
    chosen = _product([len(orders)] * (words * n_relations))
    answers = np.repeat(partial[None], chosen.shape[1], axis=0)
    for (word, relation), choice in zip(np.ndindex(words, n_relations), chosen, strict=True):
        answers[:, relation, frontier[word]] = leaves[word][orders[choice]]
    queries = _queries_through_frontier(n_relations, i, j, targets)
    claimed = math.factorial(targets) ** (n_relations ** (j + 1))
    return Family(_completed(answers), *queries, claimed)


# -------------------------------------------------------------------- steps


def _require(condition: str, needed: int, n_entities: int) -> None:
    """Raise InputError, naming the condition, where there are too few entities."""
    if needed > n_entities:
        raise InputError(f"needs {condition}; got {needed} > {n_entities}")


def _all_queries(subjects: _Ints, n_relations: int, hops: int) -> tuple[_Ints, _Ints]:
    """Every path from every subject: int64 (queries,) and (queries, k)."""
    words = all_words(n_relations, hops)
    return np.repeat(subjects, len(words)), np.tile(words, (len(subjects), 1))


def _injections(n: int, length: int) -> _Ints:
    """All ordered choices of `length` distinct numbers below n: int64 (n!/(n-length)!, length)."""
    count = math.perm(n, length)
    require_memory(
        24 * count * max(length, 1), f"the {count:,} ordered choices of {length} of {n}"
    )
    return np.array(list(itertools.permutations(range(n), length)), dtype=np.int64).reshape(
        count, length
    )


def _product(sizes: list[int]) -> _Ints:
    """All tuples of indices: int64 (len(sizes), product of sizes)."""
    require_memory(
        8 * len(sizes) * math.prod(sizes), f"the {math.prod(sizes):,} members of the family"
    )
    return np.indices(sizes).reshape(len(sizes), -1)


def _forward_trees(n_entities: int, n_relations: int, roots: int, depth: int) -> _Ints:
    """M trees of the given depth on the nodes 0, 1, ... level by level: answers (R, N), -1 where
    nothing is fixed.

    Node (depth a, root m, word w) has the number `M I(a) + m R^a + w`.
    """
    answers = np.full((n_relations, n_entities), -1, dtype=np.int64)
    start = 0
    for level in range(depth):
        size = roots * n_relations**level
        children = start + size + np.arange(size * n_relations).reshape(size, n_relations)
        answers[:, start : start + size] = children.T
        start += size
    return answers


def _add_backward_trees(answers: _Ints, start: int, targets: int, depth: int) -> _Ints:
    """Write Q backward trees of the given depth into answers (R, N), on the nodes start, start +
    1, ... level by level; returns their leaves, (R^depth, Q), by word and target.

    Node (a, v, t) leads to target t by the word v of length a; (0, -, t) is the target itself.
    """
    n_relations = len(answers)
    for level in range(1, depth + 1):
        here, below = n_relations**level, n_relations ** (level - 1)
        shorter = start + np.arange(below * targets).reshape(below, targets)
        start += below * targets
        nodes = start + np.arange(here * targets).reshape(n_relations, below, targets)
        # words r v, r the first letter: f_r leads from (a, r v, t) to (a - 1, v, t)
        for relation in range(n_relations):
            answers[relation, nodes[relation]] = shorter
    words = n_relations**depth
    return start + np.arange(words * targets).reshape(words, targets)


def _queries_through_frontier(
    n_relations: int, i: int, j: int, targets: int
) -> tuple[_Ints, _Ints]:
    """The queries u r v(x) of all frontier nodes x and all r: int64 (queries,) and (queries, k).

    The word u leads from a root to x. The nodes are numbered by root and u, and Q of them in a row
    have one word v.
    """
    u_words, v_words = all_words(n_relations, i), all_words(n_relations, j)
    subjects, paths = [], []
    for node in range(len(v_words) * targets):
        root, u = divmod(node, len(u_words))
        for relation in range(n_relations):
            subjects.append(root)
            paths.append([*u_words[u], relation, *v_words[node // targets]])
    return np.array(subjects), np.array(paths)


def _completed(answers: _Ints) -> _Ints:
    """Injective partial functions (members, R, N), -1 where free, made bijections: free entities
    in rising order.
    """
    rows = answers.reshape(-1, answers.shape[-1])
    unused = np.ones(rows.shape, dtype=bool)
    row, entity = np.nonzero(rows >= 0)
    unused[row, rows[row, entity]] = False
    missing = rows < 0
    # both go row by row, and each row has as many of one as of the other
    rows[missing] = np.nonzero(unused)[1]
    return rows.reshape(answers.shape)
