"""Prompts with noise tokens (ours): one-hop constructions find subject and relation anywhere.

Statement. Let M be a one-layer construction without positions whose heads are uniform: `selector`,
`scalar_selector`, `digit_selector`, `superposition`, `sparse_selector` with its variant, and
others of that kind. Prompts have T tokens: the subject and the relation once each, at any two
places, noise tokens of V kinds, and the end token last. Let L be the least power of two that is at
least T; shorter prompts are filled up with end tokens on the left.

| noise rows | d_model | heads | logits after the end token |
|---|---|---|---|
| ours: all 0 | that of M | 1, uniform, value width that d_model | M's, exactly |
| given, entries at most A | 1 more | 1, query width 1, else as above | M's, but for a leak |

So the margin of M is that of the reader: exactly 2, 1, 1 and at least 2 for the first four. With
given rows and a gap beta of the scores let `mu = (L - 2) e^-beta / (2 + (L - 2) e^-beta)`: the
margin is at least `(1 - mu) g - 2 mu A G`, where g is M's, and G says how far a difference of two
logits moves at most where all coordinates of the state after attention move by at most 1. Here
beta = 1024: the leak is below 2^-1400, and an exact 0 in every dtype.

Hypotheses. Subject and relation occur once each. Heads that select by the relation, which stands
last (`attention_selector`), positions and further layers (longer paths) do not fit.

Weights. M's state at the relation, after attention, is a sum `a(s) + b(r)`: a(s) is half of what
its heads copy of the subject, b(r) the relation's row and half of what they copy of that. These
are the reader's rows. With zero noise rows one uniform head copies L times everything. With given
ones a coordinate `flag` is 1 on subjects and relations, -1 on the end token and 0 on noise; the
head's key is the flag, its query minus beta times the flag, and it copies twice all but the flag.
MLP and unembedding are M's; noise and end token have the unembedding row of a relation.

Where this departs from the source of the task (arXiv 2412.06538): there embeddings are random and
frozen, and trained heads find the subject and the relation; here the rows are ours. Proof:
docs/theorems/noise_tokens.md.
"""

from __future__ import annotations

from fractions import Fraction

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from constructions.facts.noise_prompts import NoisePrompts
from constructions.guards.errors import DoesNotFit, InputError, InternalError
from constructions.guards.integers import takes_integers
from constructions.guards.memory import require_memory
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.model.noise_reader import NoiseReader
from constructions.model.ordinary_tensors import of_ordinary_tensors
from constructions.model.rounding import magnitude, up
from constructions.model.shapes import HeadShape, LayerShape, TransformerShape
from constructions.model.transformer import Transformer

GAP = 1024
"""beta, by how much the scores of subject and relation lie above all others, where noise rows are
given: a power of two, and above 745, so that its exponential is 0 in every dtype.
"""


@takes_integers
@of_ordinary_tensors
@torch.no_grad()
def read_among_noise(
    model: FactModel,
    prompt_length: int = 32,
    noise_tokens: int | None = None,
    noise_rows: ArrayLike | Tensor | None = None,
) -> NoiseReader:
    """A one-hop construction as a reader of prompts with noise tokens, which answers all of them.

    Args:
        model: any one-layer construction without positions whose heads are uniform.
        prompt_length: T, the end token included; 3 to 4,096.
        noise_tokens: V; by default N + R, or as many as rows are given.
        noise_rows: the embeddings of the noise tokens, (V, d_model), finite; by default 0. They
            are rounded to the dtype of the model.

    Returns:
        A reader with the margin of the construction; with given rows less a leak, in real
        arithmetic.

    Raises:
        InputError: the construction has other heads, positions or several layers; or the noise has
            another shape or is not finite.
        DoesNotFit: the dtype is too narrow, or the weights exceed the memory.

    Example:
        >>> reader = read_among_noise(selector(facts), prompt_length=6)
        >>> reader.prompts.of_a_query  # how many prompts ask one query
        20000
    """
    parts = _parts_of_the_state(model)
    rows = None if noise_rows is None else _real_rows(noise_rows, model, noise_tokens)
    sizes = model.vocabulary.n_entities + model.vocabulary.n_relations
    count = noise_tokens if noise_tokens is not None else sizes if rows is None else len(rows)
    prompts = NoisePrompts(model.vocabulary, count, prompt_length)
    network = _with_head(model, prompts, flagged=rows is not None)
    _write_rows(network, model, prompts, parts, rows)
    _require_finite_values(network, 2 if rows is not None else prompts.padded_length)
    made = NoiseReader(network.to(model.embedding.weight.device), prompts, model)
    made.state(_margin(model, prompts, rows))
    return made


# -------------------------------------------------------------------- steps


def _parts_of_the_state(model: FactModel) -> tuple[Tensor, Tensor]:
    """a(s) for all subjects (N, d) and b(r) for all relations (R, d): the state after attention at
    the relation's position is their sum.

    Raises:
        InputError: it is no such sum.
    """
    if not isinstance(model, FactModel):
        raise InputError(
            f"a construction is needed, as a builder makes it; got a {type(model).__name__}"
        )
    shape, attention = model.shape, None
    if shape.depth == 1 and not shape.n_positions:
        attention = model.layer_sequence()[0].attention
    if attention is None or any(head.d_qk for head in shape.layers[0].heads):
        widths = sorted({head.d_qk for layer in shape.layers for head in layer.heads})
        raise InputError(
            f"{model.construction} has {shape.depth} layer(s), {shape.n_positions} positions and"
            f" heads of query widths {widths}; subject and relation are found among noise by"
            " constructions of 1 layer, 0 positions and query widths [0]: their heads select"
            " nothing by the token that stands last"
        )
    copied = (attention.output.weight.double() @ attention.value.weight.double()).cpu() / 2
    n, r = model.vocabulary.n_entities, model.vocabulary.n_relations
    embedded = model.embedding.weight[: n + r].double().cpu()
    halves = embedded @ copied.mT
    return halves[:n], embedded[n:] + halves[n:]


def _real_rows(given: ArrayLike | Tensor, model: FactModel, count: int | None) -> Tensor:
    """Given noise rows (V, d_model) in the dtype of the model."""
    try:
        rows = torch.as_tensor(given).detach().cpu().to(model.embedding.weight.dtype)
    except (TypeError, ValueError, RuntimeError):
        raise InputError("noise_rows must be a matrix of numbers") from None
    wanted = (count if count is not None else len(rows) if rows.ndim else 0, model.shape.d_model)
    if tuple(rows.shape) != wanted or not rows.isfinite().all():
        raise InputError(
            f"noise_rows must be finite and of the shape {wanted}, one row of {wanted[1]} entries"
            f" for each noise token; got the shape {tuple(rows.shape)}"
        )
    return rows


def _with_head(model: FactModel, prompts: NoisePrompts, flagged: bool) -> Transformer:
    """The transformer with head, MLP and unembedding; the embedding is still 0."""
    old, dtype = model.shape, model.embedding.weight.dtype
    d, flag = old.d_model, int(flagged)
    layer = LayerShape((HeadShape(flag, d),), old.layers[0].d_mlp)
    shape = TransformerShape(len(prompts), d + flag, (layer,))
    require_memory(
        shape.n_parameters() * dtype.itemsize, f"{shape.n_parameters():,} weights in {dtype}"
    )
    network = Transformer(shape, dtype)
    built = network.layer_sequence()[0]
    if built.attention is None:
        raise InternalError("the reader was planned with a head, and built without")
    if flagged:
        built.attention.query.weight[0, d] = -GAP
        built.attention.key.weight[0, d] = 1
    factor = 2 if flagged else prompts.padded_length
    built.attention.value.weight[:, :d] = factor * torch.eye(d, dtype=dtype)
    built.attention.output.weight[:d] = torch.eye(d, dtype=dtype)
    if built.mlp is not None and (its := model.layer_sequence()[0].mlp) is not None:
        for i in range(len(old.layers[0].d_mlp) + 1):
            weight = its.matrix(i)
            built.mlp.matrix(i)[: weight.shape[0], : weight.shape[1]] = weight
    rows = model.unembedding.weight.cpu()
    network.unembedding.weight[: len(rows), :d] = rows
    network.unembedding.weight[len(rows) :, :d] = rows[model.vocabulary.n_entities]
    return network


def _write_rows(
    network: Transformer,
    model: FactModel,
    prompts: NoisePrompts,
    parts: tuple[Tensor, Tensor],
    noise: Tensor | None,
) -> None:
    """Write the embedding.

    Raises:
        DoesNotFit: the dtype does not hold a row exactly.
    """
    weight, (subjects, relations) = network.embedding.weight, parts
    d, n = model.shape.d_model, len(subjects)
    known = torch.cat(parts)
    weight[: len(known), :d] = known.to(weight.dtype)
    if not torch.equal(weight[: len(known), :d].double(), known):
        raise DoesNotFit(
            f"{weight.dtype} does not hold the rows of {model.construction} with what its heads"
            " copy exactly; build it in a wider dtype"
        )
    if noise is not None:
        weight[len(model.vocabulary) : prompts.end, :d] = noise
        weight[: n + len(relations), d] = 1
        weight[prompts.end, d] = -1


def _require_finite_values(network: Transformer, factor: int) -> None:
    """Raise DoesNotFit unless the head's values, so many times the rows, are far from overflow."""
    dtype = network.embedding.weight.dtype
    largest = factor * magnitude(network.embedding.weight).max().item()
    if not largest < torch.finfo(dtype).max / 4:
        raise DoesNotFit(
            f"values of the head may be {largest:.3g}, and {dtype} holds numbers up to"
            f" {torch.finfo(dtype).max:.3g}; use a wider dtype or shorter prompts"
        )


def noise_leak(padded_length: int, gap: int = GAP) -> Fraction:
    """A bound on the softmax weight of all tokens but subject and relation, `(L - 2) e^-beta / 2`,
    in integers: log2(e) > 1.442.
    """
    return Fraction(padded_length - 2, 2 * 2 ** (gap * 1442 // 1000))


def _margin(model: FactModel, prompts: NoisePrompts, noise: Tensor | None) -> MarginClaim | None:
    """The claim of the reader, from that of the construction; None if that has none, or rounds."""
    try:
        claim = model.margin_of_weights()
    except InputError:
        return None
    if claim.rounds or noise is None:
        return None if claim.rounds else claim
    leak = noise_leak(prompts.padded_length)
    largest = magnitude(noise).max().item() if noise.numel() else 0.0
    moved = 2 * Fraction(largest) * Fraction(_moved_logits(model))
    real = claim.real - leak * (claim.real + moved)
    return MarginClaim(real, claim.in_dtype, claim.attained) if real > 0 else None


def _moved_logits(model: FactModel) -> float:
    """G: by how much a difference of two logits moves at most, where every coordinate of the state
    after attention moves by at most 1; rounded up.
    """
    unembedding = model.unembedding.weight.double().cpu()
    spread = up(unembedding.amax(0) - unembedding.amin(0))
    through = spread
    if (mlp := model.layer_sequence()[0].mlp) is not None:
        for i in reversed(range(len(model.shape.layers[0].d_mlp) + 1)):
            through = up(through @ magnitude(mlp.matrix(i)).cpu())
        through = through + spread
    return up(through.sum()).item()
