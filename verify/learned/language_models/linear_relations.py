"""Linear relation encodings (Hernandez et al., arXiv 2308.09124), as a baseline.

For a relation r and a layer l let s be the stream at the subject's last token and o(s) what the
unembedding reads at the end of the prompt (after the final norm; Hernandez et al. take it before).
With n training examples s_i, and J_i = do/ds at s_i, all other tokens of the stream at that layer
held fixed,

    W = mean_i J_i,    b = mean_i (o_i - J_i s_i),    LRE(s) = beta W s + b

W may be replaced by its best approximation of a rank. beta is given, or is the one of
`BETAS` that is faithful to most training examples, each by W and b of all others; of several the
least. Training examples are drawn among subjects that the model answers right, as far as there
are some; all other subjects with a fact of r are tested. What the LRE says, and what the model
says, is the largest logit among the first tokens of all answers. Two shares are counted:

* faithful: the LRE says what the model says, right or wrong. An untrained model, nearly linear in
  its subject, may be faithful to itself.
* right: the LRE says the fact.

Null: the LRE of another test subject of the relation, the mean over all permutations of them,
exactly. Control: the constant mean_i o_i in place of the LRE.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from constructions.facts.answers import MISSING
from constructions.guards.errors import InputError
from constructions.guards.memory import require_memory
from verify.cells.phases import Advance
from verify.learned.decoder import Floats, Ints
from verify.learned.language_models.known import Known
from verify.learned.language_models.passes import run
from verify.learned.measure import Measure

EXAMPLES = 8
BETAS = (1.0, 1.5, 2.25, 3.5, 5.0, 8.0)
NAMES = ("faithful", "right")


@dataclass(frozen=True)
class Linearised:
    """A relation around its training examples, at one layer.

    Attributes:
        mean: W, (d_state, d).
        through: J_i s_j, (n, n, d_state).
        states: o_i, (n, d_state).
    """

    mean: Floats
    through: Floats
    states: Floats

    @property
    def bias(self) -> Floats:
        """b, (d_state,)."""
        own: Floats = np.einsum("iid->id", self.through)
        bias: Floats = (self.states - own).mean(axis=0)
        return bias

    def without_each(self, beta: float) -> Floats:
        """The LRE of each example by all others, (n, d_state)."""
        n = len(self.states)
        own = np.einsum("iid->id", self.through)
        linear = (self.through.sum(axis=0) - own) / (n - 1)
        left = self.states - own
        bias = (left.sum(axis=0) - left) / (n - 1)
        found: Floats = beta * linear + bias
        return found


@dataclass(frozen=True)
class Encoding:
    """The linear encoding of one relation at one layer, and how it does.

    Attributes:
        relation, layer: of which.
        weight, bias, beta: LRE(s) = beta W s + b.
        examples, tested: subjects.
        measures: in the order of `NAMES`.
    """

    relation: int
    layer: int
    weight: Floats
    bias: Floats
    beta: float
    examples: Ints
    tested: Ints
    measures: tuple[Measure, Measure]


def encodings(
    known: Known,
    layers: Sequence[int],
    *,
    n_examples: int = EXAMPLES,
    rank: int | None = None,
    beta: float | None = None,
    seed: int = 0,
    advance: Advance,
) -> dict[int, list[Encoding]]:
    """The encodings of all relations, for each layer.

    Args:
        known: the model, and what it says.
        layers: which.
        n_examples: at least 2, or 0 for no encodings; a relation with fewer than twice as many
            facts has none.
        rank: of W; None for all.
        beta: None for the one that is best on the training examples.
        seed: of the training examples.
        advance: takes how many rows of Jacobians are done, of R d_state.

    Raises:
        InputError: there is one example.
    """
    if n_examples == 1:
        raise InputError("linear relation encodings need at least 2 examples; got 1")
    generator = np.random.default_rng(seed)
    found: dict[int, list[Encoding]] = {layer: [] for layer in layers}
    for relation, facts in enumerate(known.asked.facts):
        asked = generator.permutation(np.flatnonzero(facts != MISSING))
        if n_examples and len(asked) >= 2 * n_examples:
            right = known.scores[relation, asked].argmax(axis=1) == facts[asked]
            asked = asked[np.argsort(~right, kind="stable")]
            examples, tested = asked[:n_examples], np.sort(asked[n_examples:])
            around = linearised(known, relation, examples, layers, advance)
            for layer, one in around.items():
                chosen = _chosen(known, relation, examples, one) if beta is None else beta
                weight = one.mean if rank is None else of_rank(one.mean, rank)
                s = known.streams[layer, relation, tested].astype(np.float64)
                said = firsts_of(known, chosen * s @ weight.T + one.bias)
                mean = firsts_of(known, one.states.mean(axis=0)[None])[[0] * len(tested)]
                measures = _measures(known, relation, tested, said, mean)
                found[layer].append(
                    Encoding(relation, layer, weight, one.bias, chosen, examples, tested, measures)
                )
    return found


def together(found: Sequence[Encoding], n_examples: int) -> tuple[Measure, Measure]:
    """Both shares over all relations, each relation by the number of its test subjects."""
    if not found:
        reason = f"no relation has {2 * n_examples} facts, half of them to be tested"
        if not n_examples:
            reason = "no examples were asked for"
        return Measure.without(NAMES[0], reason), Measure.without(NAMES[1], reason)
    return _pooled(found, 0), _pooled(found, 1)


def linearised(
    known: Known,
    relation: int,
    examples: Ints,
    layers: Sequence[int],
    advance: Advance = lambda done: None,
) -> dict[int, Linearised]:
    """Jacobians at the training examples: one backward pass for each channel of the last state
    yields a row of J for all examples and layers at once.
    """
    asked, language = known.asked, known.language
    n, d_state, d = len(examples), known.states.shape[-1], known.streams.shape[-1]
    require_memory(2 * 8 * len(layers) * d_state * (d + n * n), "mean Jacobians of all layers")
    tokens = [asked.tokens[relation][s] for s in examples]
    watched = sorted({0, *layers})
    done = run(
        language, tokens, [[len(own) - 1] for own in tokens], watched=watched, gradients=True
    )
    rows, at = np.arange(n), asked.places[relation, examples]
    streams = [done.streams[layer] for layer in layers]
    own = [x[rows, at].detach() for x in streams]
    means = [np.zeros((d_state, d)) for _ in layers]
    through = [np.zeros((n, n, d_state)) for _ in layers]
    for channel in range(d_state):
        found = torch.autograd.grad(
            done.states[:, 0, channel].sum(), streams, retain_graph=True, allow_unused=True
        )
        for place, gradient in enumerate(found):
            if gradient is not None:
                row = gradient[rows, at]
                means[place][channel] = _numbers(row.double().mean(dim=0))
                through[place][:, :, channel] = _numbers(row.double() @ own[place].double().mT)
        advance(relation * d_state + channel + 1)
    states = _numbers(done.states[:, 0])
    return {
        layer: Linearised(mean, products, states)
        for layer, mean, products in zip(layers, means, through, strict=True)
    }


def of_rank(weight: Floats, rank: int) -> Floats:
    """The best approximation of a matrix of at most this rank."""
    left, sizes, right = np.linalg.svd(weight, full_matrices=False)
    cut: Floats = (left[:, :rank] * sizes[:rank]) @ right[:rank]
    return cut


def firsts_of(known: Known, states: Floats) -> Ints:
    """Which of the distinct first tokens has the largest logit, for last states (Q, d_state)."""
    language, wanted = known.language, known.asked.first_tokens
    rows = language.rows_of(wanted).double().cpu().numpy()
    bias = getattr(language.unembedding, "bias", None)
    logits = states @ rows.T
    if isinstance(bias, Tensor):
        logits = logits + _numbers(bias)[wanted]
    largest: Ints = logits.argmax(axis=1)
    return largest


def _chosen(known: Known, relation: int, examples: Ints, one: Linearised) -> float:
    """The beta that is faithful to most training examples, each by all others."""
    model = known.firsts[relation, examples].argmax(axis=1)
    right = [int((firsts_of(known, one.without_each(beta)) == model).sum()) for beta in BETAS]
    return BETAS[int(np.argmax(right))]


def _measures(
    known: Known, relation: int, tested: Ints, said: Ints, constant: Ints
) -> tuple[Measure, Measure]:
    """Of what an LRE, and the constant, say of test subjects."""
    model = known.firsts[relation, tested].argmax(axis=1)
    fact = known.asked.first_token_of[known.asked.facts[relation, tested]]
    n = len(known.asked.first_tokens)
    first, second = (
        Measure(
            name,
            Fraction(int((said == wanted).sum()), len(tested)),
            _of_others(said, wanted, n),
            Fraction(int((constant == wanted).sum()), len(tested)),
        )
        for name, wanted in zip(NAMES, (model, fact), strict=True)
    )
    return first, second


def _of_others(said: Ints, wanted: Ints, n: int) -> Fraction:
    """The mean share over all permutations of what is said: sum_a said_a wanted_a / Q^2."""
    pairs = np.bincount(said, minlength=n) @ np.bincount(wanted, minlength=n)
    return Fraction(int(pairs), len(said) ** 2)


def _pooled(found: Sequence[Encoding], place: int) -> Measure:
    """One of the shares over all relations."""
    total = sum(len(one.tested) for one in found)

    def share(name: str) -> Fraction:
        """The mean of the value, the null or the control over all test subjects."""
        parts = [getattr(one.measures[place], name) * len(one.tested) for one in found]
        return sum(parts, Fraction(0)) / total

    return Measure(NAMES[place], share("value"), share("null"), share("control"))


def _numbers(tensor: Tensor) -> Floats:
    """A tensor as float64 in numpy."""
    return tensor.detach().double().cpu().numpy()
