"""Changes of a drawn model, which may stay right or not: of weights, layers, heads, the basis of the
stream, claims and dtype.
"""

import copy

import numpy as np


def wider(drawn, more):
    """More columns of the stream at the end, all 0."""
    for name, w in drawn.weights.items():
        last = "mlp" in name and not name.endswith("weights.0.weight")
        writes = "output" in name or (
            last
            and int(name.split(".")[-2]) == len(drawn.layers[int(name.split(".")[1])]["d_mlp"])
        )
        reads = not ("output" in name or last)
        if writes or reads:
            drawn.weights[name] = np.pad(w, ((0, more), (0, 0)) if writes else ((0, 0), (0, more)))


def one_more_unit(drawn, i, reads, writes):
    """A unit more in the MLP of a stored layer."""
    d, name = drawn.width, f"layers.{i}.mlp.weights"
    if len(drawn.layers[i]["d_mlp"]) > 1:
        return
    w = drawn.weights
    first, last = (
        w.get(f"{name}.0.weight", np.zeros((0, d))),
        w.get(f"{name}.1.weight", np.zeros((d, 0))),
    )
    w[f"{name}.0.weight"] = np.concatenate([first, reads[None]], 0)
    w[f"{name}.1.weight"] = np.concatenate([last, writes[:, None]], 1)
    drawn.layers[i]["d_mlp"] = [len(first) + 1]


def one_more_head(drawn, i, query, key, value, output):
    """A head more of a stored layer."""
    d = drawn.width
    for part, new in {"query": query, "key": key, "value": value}.items():
        name = drawn.attention(i, part)
        old = drawn.weights.get(name, np.zeros((0, d)))
        drawn.weights[name] = np.concatenate([old, new], 0)
    name = drawn.attention(i, "output")
    old = drawn.weights.get(name, np.zeros((d, 0)))
    drawn.weights[name] = np.concatenate([old, output], 1)
    drawn.layers[i]["heads"] = [*drawn.layers[i]["heads"], [len(query), len(value)]]


READS = ("query", "key", "value", "mlp.weights.0")


def any_tensor(rng, drawn):
    names = [name for name, w in drawn.weights.items() if w.size]
    return drawn.weights[names[rng.integers(len(names))]]


def one_weight(rng, drawn):
    """A weight, mostly one that is not 0, is another."""
    w = any_tensor(rng, drawn)
    there = np.argwhere(w) if rng.random() < 0.7 and w.any() else np.argwhere(w == w)
    at = tuple(there[rng.integers(len(there))])
    w[at] = [w[at] + rng.integers(-3, 4), 0, -w[at], 2 * w[at], w[at] + 1, np.trunc(w[at] / 2),
             w[at] + rng.integers(-200, 200)][rng.integers(7)]  # fmt: skip


def two_rows(rng, drawn):
    """Two rows or columns of a tensor are exchanged."""
    w = any_tensor(rng, drawn)
    w = w if rng.random() < 0.5 else w.T
    a, b = rng.integers(len(w), size=2)
    w[[a, b]] = w[[b, a]]


def low_gain(rng, drawn):
    """Queries are small, so that leaks matter."""
    by = int(rng.integers(1, 31))
    for name, w in drawn.weights.items():
        if "query" in name and w.any():
            w[:] = np.round(w / abs(w).max() * by)


def one_fact(rng, drawn):
    r, e = (rng.integers(size) for size in drawn.facts.shape)
    drawn.facts = drawn.facts.copy()
    drawn.facts[r, e] = rng.integers(-1, drawn.facts.shape[1])


def noise(rng, drawn):
    """Columns that tokens and positions fill at random, and perhaps read a little."""
    d, more = drawn.width, int(rng.integers(1, 3))
    wider(drawn, more)
    for name in ("embedding.weight", "positions.weight"):
        if name in drawn.weights and rng.random() < 0.7:
            w = drawn.weights[name]
            w[:, d:] = rng.integers(-2, 3, (len(w), more))
    for name, w in drawn.weights.items():
        if rng.random() < 0.25 and (name == "unembedding.weight" or any(r in name for r in READS)):
            row = rng.integers(len(w)) if len(w) else 0
            w[row : row + 1, d:] = rng.integers(-2, 3, (len(w[row : row + 1]), more))


def another_head(rng, drawn):
    """A head more, that copies columns from somewhere with scores of a random kind."""
    i, d = int(rng.integers(len(drawn.layers))), drawn.width
    d_qk, d_v = int(rng.integers(0, 3)), int(rng.integers(1, 3))
    query, key = (rng.integers(-1, 2, (d_qk, d)) * (rng.random((d_qk, d)) < 0.3) for _ in "qk")
    value, output = np.zeros((d_v, d)), np.zeros((d, d_v))
    value[np.arange(d_v), rng.integers(d, size=d_v)] = 1
    output[rng.integers(d, size=d_v), np.arange(d_v)] = rng.integers(-2, 3, d_v)
    one_more_head(drawn, i, query * int(rng.choice([1, 7, 1024])), key, value, output)


def same_head(rng, drawn):
    """A head twice, or the output of a layer's heads doubled where its MLP takes one back: a copy
    of the head writes into new columns.
    """
    at = [i for i, layer in enumerate(drawn.layers) if layer["heads"]]
    if not at:
        return
    i = int(rng.choice(at))
    h = int(rng.integers(len(drawn.layers[i]["heads"])))
    heads = drawn.layers[i]["heads"]
    q0, v0 = (sum(head[j] for head in heads[:h]) for j in (0, 1))
    d_qk, d_v = heads[h]
    d = drawn.width
    elsewhere = rng.random() < 0.7
    if elsewhere:
        wider(drawn, max(d_v, 1))
    for part, start, size in (("query", q0, d_qk), ("key", q0, d_qk), ("value", v0, d_v)):
        name = drawn.attention(i, part)
        w = drawn.weights[name]
        drawn.weights[name] = np.concatenate([w, w[start : start + size]], 0)
    name = drawn.attention(i, "output")
    w = drawn.weights[name]
    new = w[:, v0 : v0 + d_v].copy()
    if elsewhere:
        new[:] = 0
        new[d : d + d_v] = np.eye(d_v)
    drawn.weights[name] = np.concatenate([w, new], 1)
    drawn.layers[i]["heads"] = [*heads, [d_qk, d_v]]


def another_layer(rng, drawn):
    """A layer more at a random place, with random units that write seldom, or none."""
    if drawn.repeats > 1:
        return
    at, d = int(rng.integers(len(drawn.layers) + 1)), drawn.width
    moved = {}
    for name, w in drawn.weights.items():
        if name.startswith("layers."):
            _, i, rest = name.split(".", 2)
            name = f"layers.{int(i) + (int(i) >= at)}.{rest}"
        moved[name] = w
    drawn.weights = moved
    hidden = int(rng.integers(0, 3))
    drawn.layers = [*drawn.layers[:at], {"heads": [], "d_mlp": [hidden] if hidden else []},
                    *drawn.layers[at:]]  # fmt: skip
    if hidden:
        reads = rng.integers(-1, 2, (hidden, d)) * (rng.random((hidden, d)) < 0.3)
        writes = rng.integers(-1, 2, (d, hidden)) * (rng.random((d, hidden)) < 0.15)
        drawn.weights[f"layers.{at}.mlp.weights.0.weight"] = reads.astype(float)
        drawn.weights[f"layers.{at}.mlp.weights.1.weight"] = writes.astype(float)
    claims = []
    before = drawn.claims[0]["blocks"]
    for claim in drawn.claims:
        if claim["claim"] == "pass":
            run = {key: claim[key] for key in ("claim", "step", "left")}
            if claim["layer"] == at + 1:
                keeps = before if claim["layer"] > 1 else drawn.claims[0]["blocks"]
                claims.append(run | {"layer": at + 1, "letters": [], "keeps": keeps})
            before = claim["keeps"]
            claims.append(claim | {"layer": claim["layer"] + (claim["layer"] > at)})
            if claim["layer"] == at == len(drawn.layers) - 1:
                claims.append(run | {"layer": at + 1, "letters": [], "keeps": before})
        else:
            claims.append(claim)
    drawn.claims = claims


def another_basis(rng, drawn):
    """Another basis of some columns, by integers; blocks over them are not spelled out any more."""
    d = drawn.width
    there = np.eye(d, dtype=int)
    back = np.eye(d, dtype=int)
    spelled = [c for c in drawn.claims if c.get("keeps") or c.get("blocks")]
    touched = set()
    for _ in range(int(rng.integers(1, 4))):
        blocks = [b for c in spelled for b in c.get("keeps") or c.get("blocks")]
        blocks = [b for b in blocks if b["columns"][0] < b["columns"][1]]
        if blocks and rng.random() < 0.7:
            start, stop = blocks[rng.integers(len(blocks))]["columns"]
            a, b = rng.integers(start, stop, 2)
        else:
            a, b = rng.integers(d, size=2)
        if a != b:
            by = int(rng.integers(-2, 3))
            there[a] += by * there[b]  # x_a += by x_b
            back[:, b] -= by * back[:, a]
            touched |= {int(a)} if by else set()
    for name, w in drawn.weights.items():
        index = name.split(".")
        last = "mlp" in name and int(index[-2]) > 0
        if name in ("embedding.weight", "positions.weight"):
            drawn.weights[name] = w @ there.T
        elif "output" in name or (
            last and int(index[-2]) == len(drawn.layers[int(index[1])]["d_mlp"])
        ):
            drawn.weights[name] = there @ w
        elif not last:
            drawn.weights[name] = w @ back

    def blocks_of(blocks):
        return blocks and [
            {"columns": b["columns"]} if touched & set(range(*b["columns"])) else b for b in blocks
        ]

    drawn.claims = [
        claim | {key: blocks_of(claim[key]) for key in ("blocks", "keeps") if key in claim}
        for claim in drawn.claims
    ]


def other_claims(rng, drawn):
    """The certificate claims something else."""
    drawn.claims = copy.deepcopy(drawn.claims)
    claim = drawn.claims[rng.integers(len(drawn.claims))]
    key = "keeps" if "keeps" in claim else "blocks"
    blocks = claim[key] if claim[key] is not None else []
    kind = rng.integers(7)
    low, high = sorted(int(c) for c in rng.integers(0, drawn.width + 1, 2))
    if kind == 0:
        claim[key] = [*blocks, {"columns": [low, high]}]
    elif kind == 1 and blocks:
        blocks.pop(rng.integers(len(blocks)))
    elif kind == 2:
        claim[key] = [{"columns": [low, high]}]
    elif kind == 3 and "letters" in claim:
        other = drawn.claims[rng.integers(1, len(drawn.claims))]
        claim["letters"], other["letters"] = other["letters"], claim["letters"]
    elif kind == 4 and "letters" in claim:
        claim["keeps"] = None
    elif kind == 5 and "letters" in claim:
        claim["letters"] = [int(a) for a in rng.integers(1, drawn.hops + 1, rng.integers(0, 3))]
    elif kind == 6:
        claim[key] = [{"columns": [c, c + 1]} for c in range(drawn.width) if rng.random() < 0.5]


def another_dtype(rng, drawn):
    drawn.dtype = ["float64", "float32", "float16", "bfloat16"][rng.integers(4)]


def scaled(rng, drawn):
    """The unembedding, or keys, or what heads write, times a small number."""
    names = [name for name in drawn.weights if "embed" not in name or name.startswith("un")]
    drawn.weights[names[rng.integers(len(names))]] *= int(rng.choice([2, 3, 8, 64, 5000]))


CHANGES = (
    one_weight, one_weight, two_rows, low_gain, low_gain, one_fact, noise, another_head, another_head,
    same_head, another_layer, another_basis, another_basis, other_claims, another_dtype, scaled,
)  # fmt: skip
