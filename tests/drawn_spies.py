"""Changes of a drawn model that make it wrong, or rounded, in a way that one rule of a checker sees:
a logit depends on what should not be seen.
"""

import numpy as np
from drawn_changes import CHANGES, another_layer, one_more_head, one_more_unit, wider
from drawn_models import drawn_of_the_catalogue, memory


def harm(rng, drawn, column):
    """The logit of a token depends on a column."""
    n = drawn.facts.shape[1]
    drawn.weights["unembedding.weight"][rng.integers(n), column] = int(rng.choice([-60, 60]))


def place_of(rng, drawn, column, flag):
    """The query and key of a head that looks at a position, often the first: by two columns, or
    at all.
    """
    d, positions = drawn.width, drawn.weights.get("positions.weight")
    if positions is None or rng.random() < 0.2:
        return np.zeros((0, d)), np.zeros((0, d))
    positions[:, column] = 1
    positions[0 if rng.random() < 0.5 else rng.integers(len(positions)), flag] = 1
    return np.eye(d)[column : column + 1] * 1024, np.eye(d)[flag : flag + 1]


def flagged(rng, drawn, column):
    """A token of a random kind has a flag."""
    embedding, (r, n) = drawn.weights["embedding.weight"], drawn.facts.shape
    low, high = [(0, n), (n, n + r), (n + r, len(embedding))][rng.integers(3)]
    embedding[rng.integers(low, high), column] = 1


def spy_unit(rng, drawn):
    """A unit reads a column at a random layer, or a flag, and a logit sees it."""
    d = drawn.width
    wider(drawn, 2)
    flagged(rng, drawn, d + 1)
    read = d + 1 if rng.random() < 0.6 else int(rng.integers(d))
    eye = np.eye(d + 2)
    i = 0 if rng.random() < 0.6 else int(rng.integers(len(drawn.layers)))
    one_more_unit(drawn, i, eye[read], eye[d])
    harm(rng, drawn, d)


def spy_token(rng, drawn, flag=flagged):
    """A token has a flag, a head copies it from a position, and a logit sees it."""
    d = drawn.width
    wider(drawn, 4)
    flag(rng, drawn, d)
    eye = np.eye(d + 4)
    query, key = place_of(rng, drawn, d + 2, d + 3)
    i = 0 if rng.random() < 0.6 else int(rng.integers(len(drawn.layers)))
    output = eye[:, d + 1 : d + 2] * (12 if not len(key) else 1)
    one_more_head(drawn, i, query, key, eye[d : d + 1], output)
    harm(rng, drawn, d + 1)


def spy_pad(rng, drawn):
    """As `spy_token`, of the last token but one: PAD in a chain of thought."""

    def pad(rng, drawn, column):
        drawn.weights["embedding.weight"][-2, column] = 1

    spy_token(rng, drawn, pad)


def spy_own(rng, drawn):
    """A logit sees a flag of the token at the position that decides."""
    d = drawn.width
    wider(drawn, 1)
    embedding, n = drawn.weights["embedding.weight"], sum(drawn.facts.shape)
    embedding[rng.integers(n, len(embedding)), d] = 1
    harm(rng, drawn, d)


def spy_of_written(rng, drawn):
    """A layer writes something everywhere, a later one copies it, and a logit sees it."""
    d = drawn.width
    depth = len(drawn.layers) * drawn.repeats
    if depth < 2:
        another_layer(rng, drawn)
    wider(drawn, 5)
    eye = np.eye(d + 5)
    drawn.weights["embedding.weight"][:, d] = 1
    if rng.random() < 0.5:
        one_more_unit(drawn, 0, eye[d], eye[d + 1])
    else:
        none = np.zeros((0, d + 5))
        one_more_head(drawn, 0, none, none, eye[d : d + 1], eye[:, d + 1 : d + 2])
    if rng.random() < 0.6:
        query, key = place_of(rng, drawn, d + 3, d + 4)
        value = eye[d + 1 : d + 2]
    else:  # where it looks depends on it
        query, key, value = eye[d : d + 1] * 1024, eye[d + 1 : d + 2], eye[d : d + 1]
        if "positions.weight" in drawn.weights:
            drawn.weights["positions.weight"][rng.integers(2), d + 1] = 2
    one_more_head(drawn, len(drawn.layers) - 1, query, key, value, eye[:, d + 2 : d + 3] * 2)
    harm(rng, drawn, d + 2)


def shift(rng, drawn):
    """All logits are larger by one large number."""
    d = drawn.width
    wider(drawn, 1)
    drawn.dtype = ["float16", "bfloat16", "float32"][rng.integers(3)]
    most = {"float16": 2**11, "bfloat16": 2**8, "float32": 2**24}[drawn.dtype]
    drawn.weights["embedding.weight"][:, d] = 3
    drawn.weights["unembedding.weight"][:, d] = rng.integers(most // 4, most // 2) * 2 + 1


def blurred(rng, drawn):
    """Every softmax leaks a little, which float64 shows."""
    drawn.dtype = "float64"
    for name, w in drawn.weights.items():
        if "query" in name and w.any():
            w[:] = np.round(w / abs(w).max() * int(rng.integers(20, 31)))


SPIES = (spy_unit, spy_token, spy_own, spy_of_written, shift, blurred)


def spied(rng, drawn, spies=SPIES):
    """A model with one of the spies."""
    spy = spies[rng.integers(len(spies))]
    spy(rng, drawn)
    drawn.changes += (spy.__name__,)
    return drawn


def random_model(rng):
    """A model with a spy, or with up to three changes."""
    drawn = memory(rng) if rng.random() < 0.5 else drawn_of_the_catalogue(rng)
    if rng.random() < 0.3:
        return spied(rng, drawn)
    for _ in range(int(rng.integers(0, 4))):
        change = CHANGES[rng.integers(len(CHANGES))]
        change(rng, drawn)
        drawn.changes += (change.__name__,)
    return drawn
