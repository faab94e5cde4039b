"""Least squares in turn, beside the one linear system of challenge_weights.py.

While no hidden unit opens or closes, the logits `U ReLU(E1[a] + E2[b])` are linear in U, in E1 and
in E2, each taken alone. So each is solved by ridge regression in turn, from random embeddings. The
targets are 1 for the label and 0 for the others, moved after each solution to where a logit
already does better (as in the method of Ho and Kashyap): only errors count.
"""

import numpy as np
from challenge_weights import Weights, challenge_facts

RIDGE = 1e-3


def alternate(d, n_facts, rounds, seed=0):
    """Yield weights after each round; the gap, largest and steps of `Weights` are 0."""
    a, b, labels = challenge_facts(d, n_facts)
    tokens, rng = (a, b), np.random.default_rng(seed)
    tables = [rng.normal(size=(2 * d, d)).astype(np.float32) for _ in tokens]
    own = np.zeros((n_facts, d), bool)
    own[np.arange(n_facts), labels] = True
    targets, u = own.astype(np.float32), np.zeros((d, d), np.float32)
    for _ in range(rounds):
        hidden = np.maximum(tables[0][a] + tables[1][b], 0)
        u = ridge(hidden.T @ hidden, hidden.T @ targets).T
        for side, own_tokens in enumerate(tokens):
            before = tables[0][a] + tables[1][b]
            logits = np.maximum(before, 0) @ u.T
            targets = np.where(own, np.maximum(logits, 1), np.minimum(logits, 0))
            pulls = ((targets - logits) @ u) * (before > 0)
            tables[side] = tables[side] + changes(own_tokens, before > 0, pulls, u)
        yield Weights(*tables, u, 0.0, 0.0, 0)


def ridge(gram, right):
    """Solve `(gram + RIDGE of its mean diagonal) x = right`."""
    ridge = RIDGE * np.trace(gram) / len(gram)
    return np.linalg.solve(gram + ridge * np.eye(len(gram), dtype=gram.dtype), right)


def changes(tokens, opened, pulls, u):
    """The change (2d, d) of one embedding: for each token a system of d equations."""
    found, gram = np.zeros((2 * u.shape[1], u.shape[1]), np.float32), u.T @ u
    order = np.argsort(tokens, kind="stable")
    for facts in np.split(order, np.flatnonzero(np.diff(tokens[order])) + 1):
        block = opened[facts].astype(np.float32)
        found[tokens[facts[0]]] = ridge((block.T @ block) * gram, pulls[facts].sum(0))
    return found
