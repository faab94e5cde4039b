"""Where the decoders of benchmarks/seeding.py begin: taught, random, or seeded in several ways."""

import math

import torch
from seeding_tasks import N_FURTHER, N_OWN, N, R, bijections

from constructions import StandardDecoder, StandardShape, seed_into, selector
from constructions.learning.fit import fit

SHAPE = StandardShape(
    N_OWN + N_FURTHER,
    d_model=96,
    n_layers=2,
    n_heads=2,
    d_head=32,
    d_mlp=128,
    n_positions=4,
    norm="rmsnorm",
)
SCALE = 0.1
"""Standard deviation of random weights."""


def random(seed):
    """A decoder with random weights."""
    torch.manual_seed(seed)
    model = StandardDecoder(SHAPE)
    model.reset_parameters(SCALE)
    return model


def taught(seeds, rate):
    """Random decoders that were trained on the facts until all were recalled, and the steps."""
    tables = [bijections(seed)[0] for seed in seeds]
    found = fit(
        SHAPE, tables, 2000, seeds, rate=rate, warm_up=0, batch=64, every=20, initial_scale=SCALE
    )
    if not found.reached.all():
        raise RuntimeError(found.lacking())
    return found.models, found.steps


def seeded(seed, bits_at=0.0, **options):
    """A random decoder with a selector in it."""
    model = seed_into(random(seed), selector(bijections(seed)[0]), **options)
    if bits_at:
        lift_bits(model, bits_at)
    return model


@torch.no_grad()
def lift_bits(model, offset):
    """The same logits with codes of `offset` and `1 + offset` in place of 0 and 1: the ReLU of
    the selector, `max(x, 0)`, has its kink at 0.
    """
    embedding_map = model.embedding_map
    every = torch.from_numpy(embedding_map.columns)
    bits, one = every[:-1], every[-1]
    rows, unembedding = model.embedding.weight, model.unembedding.weight
    raised = offset * model.stream_scale
    block = unembedding[:, bits].reshape(len(unembedding), R, -1)[:, 0].sum(1)
    for relation in range(N, N + R):  # closes all other blocks
        rows[relation, bits] += torch.where(rows[relation, bits] < 0, -raised, 0.0)
    rows[:N, bits] += raised
    unembedding[:, one] -= offset * block


@torch.no_grad()
def turned(seed, like=None, **options):
    """A seeded decoder in a random basis of the whole stream but for the slack; with `like`, a
    decoder, the weights have its sizes (root mean squares) where that changes no logit.
    """
    model = seeded(seed, **options)
    embedding_map = model.embedding_map
    own, rest = (torch.from_numpy(part) for part in (embedding_map.columns, embedding_map.rest))
    for block in model.block_sequence():  # one gain for all columns, or the basis would matter
        for norm, readers in (
            (
                block.attention_norm,
                [getattr(block.attention, n) for n in ("query", "key", "value")],
            ),
            (block.mlp_norm, [block.mlp.weights[0]]),
        ):
            for reader in readers:
                reader.weight[:, rest] *= model.rest_gain
            norm.weight[rest] = norm.weight[own[0]].item()
    model.final_norm.weight[rest] = model.final_norm.weight[own[0]].item()
    columns = torch.cat([own, rest])
    generator = torch.Generator().manual_seed(seed)
    square = torch.randn(len(columns), len(columns), generator=generator, dtype=torch.float64)
    basis = torch.linalg.qr(square)[0].float()
    for reader in (model.embedding.weight, model.positions.weight, *model.readers()):
        reader[:, columns] = reader[:, columns] @ basis.T
    for block in model.block_sequence():
        for writer in (block.attention.output.weight, block.mlp.matrix(1)):
            writer[columns] = basis @ writer[columns]
    if like is not None:
        _resize(model, like, columns)
    return model


def _resize(model, like, columns):
    """Give weights the sizes of another decoder's: stream, unembedding, heads and units can be
    multiplied and divided without changing a logit.
    """
    stream = _size(like.embedding.weight) / _size(model.embedding.weight[:, columns])
    for table in (model.embedding, model.positions):
        table.weight[:, columns] *= stream
    model.unembedding.weight /= stream
    for block, other in zip(model.block_sequence(), like.block_sequence(), strict=True):
        block.attention.query.weight /= stream**2
        for mine, its in zip(_pairs(block), _pairs(other), strict=True):
            ratios = [_size(reads) / _size(writes) for reads, writes in (mine, its)]
            factor = math.sqrt(ratios[1] / ratios[0])
            mine[0].mul_(factor)
            mine[1].div_(factor)


def _pairs(block):
    """Matrices of which one can be multiplied by what the other is divided by."""
    attention, mlp = block.attention, block.mlp
    return [
        (attention.value.weight, attention.output.weight),
        (mlp.matrix(0), mlp.matrix(1)),
    ]


def _size(weight):
    """The root mean square."""
    return weight.square().mean().sqrt().item()


@torch.no_grad()
def copied(seed, **options):
    """A seeded decoder with the construction a second time, in columns, a head and units of its
    own; the logits of both are added.
    """
    model = seeded(seed, **options)
    embedding_map = model.embedding_map
    own = torch.from_numpy(embedding_map.columns)
    new = torch.from_numpy(embedding_map.rest[: len(own)])
    units, width, d_head = embedding_map.units[0], len(own), SHAPE.d_head
    for table in (model.embedding, model.positions):
        table.weight[:, new] = table.weight[:, own]
    for norm in model.norms():
        norm.weight[new] = norm.weight[own]
    for block in model.block_sequence():
        block.attention.output.weight[new] = 0
        block.mlp.matrix(1)[new] = 0
    block = model.block_sequence()[embedding_map.first_block]
    first, second = slice(0, d_head), slice(d_head, 2 * d_head)
    for name in ("query", "key", "value"):
        weight = getattr(block.attention, name).weight
        weight[second] = 0
        weight[second, new] = weight[first, own]
    output = block.attention.output.weight
    output[:, second] = 0
    output[new, second] = output[own, first]
    read, write = block.mlp.matrix(0), block.mlp.matrix(1)
    read[units : 2 * units] = 0
    read[units : 2 * units, new] = read[:units, own]
    write[:, units : 2 * units] = 0
    write[new, units : 2 * units] = write[own, :units]
    model.unembedding.weight[:, new] = model.unembedding.weight[:, own]
    if width != len(new):
        raise RuntimeError("the stream has no room for a second copy")
    return model
