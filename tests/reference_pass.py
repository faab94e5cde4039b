"""A forward pass of its own, written from the statement of a PASS alone, for attacks on checkers:
every query of a folder, token by token, in the limit of attention, in real arithmetic (as good as
`longdouble`), and in a dtype that rounds after every operation.
"""

import itertools
import json

import numpy as np
import safetensors.torch


class Queries:
    """Queries of a folder whose tokens are as many, as rows of tokens, and what each position that
    decides must say.
    """

    def __init__(self, rows, said, hops):
        self.tokens = np.array(rows)
        self.targets = np.array(said)
        self.first = hops

    def margin(self, logits):
        """The least logit of a right token minus the largest other; -inf if one is no number."""
        decided = logits[:, self.first :].copy()
        own = np.take_along_axis(decided, self.targets[..., None], -1)
        np.put_along_axis(decided, self.targets[..., None], -np.inf, -1)
        lead = own[..., 0] - decided.max(-1)
        return lead.min() if np.isfinite(own).all() and not np.isnan(lead).any() else -np.inf


def all_queries(facts, hops, n_specials, per_token):
    """All queries, in groups of equally many tokens."""
    n_relations, n = facts.shape
    unknown, pad, end = (n + n_relations + i for i in range(3))
    chain = n_specials == 3
    groups = {}
    for length in range(1 if chain else hops, hops + 1):
        for subject in range(n):
            for path in itertools.product(range(n_relations), repeat=length):
                nodes = [subject]
                for letter in path:
                    here = nodes[-1]
                    known = here != unknown and facts[letter, here] >= 0
                    nodes.append(int(facts[letter, here]) if known else unknown)
                row = [subject, *(n + letter for letter in path)]
                said = [nodes[-1]]
                if chain:
                    row += [pad] * (hops - length)
                    steps = range(per_token, length + per_token, per_token)
                    said = [nodes[min(step, length)] for step in steps] + [end]
                rows, targets = groups.setdefault(len(said), ([], []))
                rows.append(row + said[:-1])
                targets.append(said)
    return [Queries(rows, targets, hops) for rows, targets in groups.values()]


class Reference:
    """The model of a folder, read from its files."""

    def __init__(self, files, facts):
        manifest = json.loads(files["manifest.json"])
        claimed = json.loads(files["certificate.json"])[0]["hops_per_token"]
        self.weights = {
            name: w.double().numpy()
            for name, w in safetensors.torch.load(files["weights.safetensors"]).items()
        }
        self.dtype = manifest["dtype"]
        architecture = manifest["architecture"]
        self.layers = list(enumerate(architecture["layers"])) * architecture["repeats"]
        sizes = manifest["sizes"]
        self.groups = all_queries(facts, sizes["hops"], len(manifest["specials"]), claimed)

    def margin(self, logits):
        """The least margin of all queries."""
        return min(q.margin(found) for q, found in zip(self.groups, logits, strict=True))

    def limit(self):
        """Logits with every softmax at its limit: equal parts of the positions that score
        highest.
        """

        def weights(scores):
            most = scores == scores.max(-1, keepdims=True)
            return most / most.sum(-1, keepdims=True)

        return self.run(np.float64, weights)

    def real(self):
        """Logits in `longdouble`."""

        def weights(scores):
            powers = np.exp(scores - scores.max(-1, keepdims=True))
            return powers / powers.sum(-1, keepdims=True)

        return self.run(np.longdouble, weights)

    def run(self, dtype, softmax):
        """Logits (queries, L, V) of each group."""
        w = {name: part.astype(dtype) for name, part in self.weights.items()}
        operations = softmax, lambda x, m: x @ m.T, lambda a, b: a + b, lambda p, v: p @ v
        return [self.states(q.tokens, w, *operations) @ w["unembedding.weight"].T
                for q in self.groups]  # fmt: skip

    def states(self, tokens, w, softmax, product, add, mix):
        """The formula of the statement, with the given operations, up to the unembedding."""
        x = w["embedding.weight"][tokens]
        n_positions = x.shape[1]
        if "positions.weight" in w:
            x = add(x, w["positions.weight"][:n_positions])
        hidden = np.triu(np.ones((n_positions, n_positions), bool), 1)
        for index, layer in self.layers:
            if layer["heads"]:
                name = f"layers.{index}.attention."
                q, k, v = (
                    product(x, w[f"{name}{part}.weight"]) for part in ("query", "key", "value")
                )
                mixed, at_qk, at_v = [], 0, 0
                for d_qk, d_v in layer["heads"]:
                    here = slice(at_qk, at_qk + d_qk)
                    scores = mix(q[..., here], np.swapaxes(k[..., here], -1, -2))
                    pattern = softmax(np.where(hidden, -np.inf, scores))
                    mixed.append(mix(pattern, v[..., at_v : at_v + d_v]))
                    at_qk, at_v = at_qk + d_qk, at_v + d_v
                x = add(x, product(np.concatenate(mixed, -1), w[f"{name}output.weight"]))
            if layer["d_mlp"]:
                inner = x
                for i in range(len(layer["d_mlp"]) + 1):
                    inner = np.maximum(inner, 0) if i else inner
                    inner = product(inner, w[f"layers.{index}.mlp.weights.{i}.weight"])
                x = add(x, inner)
        return x

    def rounded(self, dtype, rng):
        """Logits with every operation rounded to the dtype and sums taken in a random order, and
        whether all numbers that were computed are finite.
        """
        rounds = rounding(dtype)
        finite = [True]

        def seen(x):
            finite[0] &= bool(np.isfinite(x).all())
            return x

        def mix(a, b):
            n = a.shape[-1]
            total = np.zeros((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]),
                              a.shape[-2], b.shape[-1]), a.dtype)  # fmt: skip
            for i in rng.permutation(n):
                term = seen(rounds(a[..., :, i : i + 1] * b[..., i : i + 1, :]))
                total = seen(rounds(total + term))
            return total

        def softmax(scores):
            powers = rounds(np.exp(rounds(scores - scores.max(-1, keepdims=True))))
            total = np.zeros_like(powers[..., :1])
            for i in rng.permutation(powers.shape[-1]):
                total = rounds(total + powers[..., i : i + 1])
            return rounds(powers / total)

        kind = np.float64 if dtype == "float64" else np.float32
        w = {name: part.astype(kind) for name, part in self.weights.items()}
        found, finite_states = [], True
        with np.errstate(all="ignore"):
            for q in self.groups:
                x = self.states(
                    q.tokens,
                    w,
                    softmax,
                    lambda x, m: mix(x, m.T),
                    lambda a, b: seen(rounds(a + b)),
                    mix,
                )
                finite_states &= finite[0]
                found.append(mix(x, w["unembedding.weight"].T))
                finite[0] = True  # of logits only those that decide are read
        return found, finite_states


def rounding(dtype):
    """The function that rounds to a dtype: half to even, and to infinity beyond its end."""
    if dtype in ("float32", "float64"):
        return lambda x: x
    if dtype == "float16":
        return lambda x: x.astype(np.float16).astype(np.float32)

    def bfloat16(x):
        x = np.ascontiguousarray(x, np.float32)
        bits = x.view(np.uint32)
        bits = bits + (((bits >> 16) & 1) + np.uint32(0x7FFF))
        made = (bits & np.uint32(0xFFFF0000)).view(np.float32)
        return np.where(np.isfinite(x), made, x)

    return bfloat16


def broken(verdict, files, facts, rng):
    """What a PASS states and is not so, by running every query; "" if all is so, or nothing is
    stated. Margins are compared up to the rounding of `longdouble`.
    """
    if verdict.verdict != "PASS":
        return ""
    reference = Reference(files, facts)
    with np.errstate(all="ignore"):
        real, limit = reference.real(), reference.limit()
    slack = 1e-11 * (1 + max(float(abs(logits).max()) for logits in real))
    if not reference.margin(real) >= float(verdict.real_margin) - slack:
        return f"in real arithmetic the margin is {reference.margin(real)}"
    if not reference.margin(limit) >= float(verdict.margin) - slack:
        return f"in the limit the margin is {reference.margin(limit)}"
    if verdict.queries != sum(len(q.tokens) for q in reference.groups):
        return "there are other queries"
    if verdict.exact is None:
        return ""
    rounded, finite = reference.rounded(verdict.exact, rng)
    if not finite:
        return "a number overflows"
    decided = zip(rounded, limit, reference.groups, strict=True)
    same = all((a[:, q.first :] == b[:, q.first :]).all() for a, b, q in decided)
    return "" if same else f"logits are rounded in {verdict.exact}"


def is_right(files, facts):
    """Whether every query is answered right in real arithmetic."""
    reference = Reference(files, facts)
    with np.errstate(all="ignore"):
        return bool(reference.margin(reference.real()) > 0)
