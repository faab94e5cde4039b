"""The one walk over the layers, and the rules for sizes: against the forward pass itself."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_forms import built, examples, wider
from tiers import few

from constructions import CATALOGUE, StandardDecoder, StandardShape, Transformer
from constructions.decoders import logit_error
from constructions.decoders.network import network_of_decoder
from constructions.following.alike import without_idle
from constructions.following.changes import Change
from constructions.following.follower import Follower
from constructions.following.largest import largest_number
from constructions.following.prefixes import prefixes_of
from constructions.following.queries import positions_of
from constructions.following.sizes import Size
from constructions.following.walk import MatrixRules, Units, follow, network_of
from constructions.forms.noise_bounds import Noise
from constructions.model.shapes import HeadShape, LayerShape, TransformerShape

TOKENS = torch.tensor([[0, 3, 1, 2], [4, 4, 0, 1]])


class Values(MatrixRules):
    """Numbers themselves in place of bounds, (..., L, n): the forward pass, matrix by matrix."""

    def through(self, matrix, x):
        return x @ matrix.weight.mT

    def relu(self, x):
        return x.relu()

    def plus(self, x, update):
        return x + update

    def normed(self, x, norm):
        return norm.module(x)

    def mixed(self, heads, query, key, value):
        found, hidden = [], torch.ones(4, 4, dtype=torch.bool).triu(1)
        for head, (scored, read) in zip(heads.shapes, heads.channels(), strict=True):
            scores = query[..., scored] @ key[..., scored].mT
            scores = scores / math.sqrt(head.d_qk) if heads.scaled else scores
            found.append(scores.masked_fill(hidden, -torch.inf).softmax(-1) @ value[..., read])
        return torch.cat(found, -1)


def drawn(module):
    """The module with random weights, in float64."""
    with torch.no_grad():
        for weight in module.double().parameters():
            weight.copy_(torch.randn_like(weight) + (weight.dim() == 1))
    return module


def transformer():
    heads = HeadShape(2, 3), HeadShape(0, 1), HeadShape(1, 2)
    layers = LayerShape(heads, (5, 4)), LayerShape((), (3,)), LayerShape(heads[:1]), LayerShape()
    return drawn(Transformer(TransformerShape(6, 7, layers, n_positions=4, repeats=2)))


def decoder(norm, placement, tied=False):
    return drawn(StandardDecoder(StandardShape(6, 8, 2, 2, 3, 5, 4, norm, placement, tied)))


def walked(network):
    x = network.embedding.weight[TOKENS] + network.positions.weight
    return follow(network, x, Values())


def test_the_walk_through_a_transformer_is_its_forward_pass():
    model = transformer()
    torch.testing.assert_close(walked(network_of(model)), model.states(TOKENS)[0])


@pytest.mark.parametrize("placement", ["pre", "post"])
@pytest.mark.parametrize("norm", [None, "rmsnorm", "layernorm"])
def test_the_walk_through_a_standard_decoder_is_its_forward_pass(norm, placement):
    model = decoder(norm, placement)
    torch.testing.assert_close(walked(network_of_decoder(model)), model.states(TOKENS)[0])


def test_norms_in_other_places_are_another_forward_pass():
    model = decoder("rmsnorm", "pre")
    network = network_of_decoder(model)
    parts = [replace(part, before=part.after, after=part.before) for part in network.parts]
    other = walked(replace(network, parts=tuple(parts)))
    assert (other - model.states(TOKENS)[0]).abs().max() > 0.1


def test_a_network_names_its_weights_as_the_module_does():
    for model, named in (
        (transformer(), network_of),
        (decoder("layernorm", "pre"), network_of_decoder),
        (decoder("rmsnorm", "post", tied=True), network_of_decoder),
    ):
        network = named(model)
        found = {matrix.name: matrix.weight for matrix in network.matrices()}
        found |= {name: weight for norm in network.norms() for name, weight in norm.weights()}
        expected = dict(model.named_parameters(remove_duplicate=False))
        assert found.keys() == expected.keys()
        assert all(found[name] is expected[name] for name in expected)


def test_no_number_of_a_forward_pass_is_larger_than_the_largest():
    model = transformer()
    seen = []
    for part in model.modules():
        if isinstance(part, torch.nn.Linear) and part is not model.unembedding:
            part.register_forward_hook(lambda part, x, y: seen.append(y.abs().max().item()))
    trace = model.trace(TOKENS)
    seen += [x.abs().max().item() for x in trace.residual.values()]
    assert 0 < max(seen) <= largest_number(model)


def test_queries_count_where_no_key_meets_them():
    """Their scores are 0, but the queries themselves may overflow."""
    model = transformer()
    with torch.no_grad():
        for layer in model.layers:
            if layer.attention is not None:
                layer.attention.key.weight.zero_()
        model.layers[2].attention.query.weight.fill_(1e30)
    assert largest_number(model) > 1e30


def lost_in_order(n):
    """`2^24 + 1 + ... + 1` in float32, one after the other, with n products: how much is lost."""
    total = np.float32(2**24)
    for _ in range(n - 1):
        total = np.float32(total + np.float32(1))
    return 2**24 + n - 1 - float(total)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("name", ["read", "output"])
def test_what_sums_lose_in_the_worst_order_is_within_the_error_of_logits(name, mirrored):
    """All heads of a layer write at once; a mirrored coordinate is read twice, by halves."""
    n = 64
    rules = logit_error._Errors(torch.float32, logit_error.NormError(), 0, 2, mirrored, True)
    weight = torch.ones(1, n, dtype=torch.float64)
    weight[0, 0] = 2.0**24
    allowed = rules.rounded(name, weight, torch.ones(n, dtype=torch.float64)).item()
    products = 2 * n if mirrored and name == "read" else n
    lost = lost_in_order(products)
    assert 0.9 * products <= lost <= allowed
    rules.unit /= 4
    assert rules.rounded(name, weight, torch.ones(n, dtype=torch.float64)).item() < lost


def test_a_sum_rounds_by_its_shift_too():
    """After LayerNorm in the stream: the shift cancels where differences are read, and not in
    what the sum has lost before.
    """
    rules = logit_error._Errors(torch.float32, logit_error.NormError(), 0, 2, True, True)
    one, nothing = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    stream, update = Size(one, nothing, shift=2.0**24), Size(one, nothing)
    lost = 2**24 + 1 - (torch.tensor([2.0**24]) + 1).item()
    assert 0 < lost <= rules.plus(stream, update).error.item()
    assert rules.plus(replace(stream, shift=0), update).error.item() < lost


def test_sequences_that_begin_alike_share_their_prefixes():
    tokens = torch.tensor([[0, 3, 1], [0, 3, 2], [4, 3, 1], [0, 3, 1]])
    prefixes = prefixes_of(tokens)
    assert len(prefixes.first) == 2 + 2 + 3
    assert prefixes.at.unique().tolist() == list(range(7))
    assert torch.equal(prefixes.at[0], prefixes.at[3])
    assert torch.equal(tokens.ravel()[prefixes.first][prefixes.at], tokens)
    assert torch.equal(prefixes.position[prefixes.at], torch.arange(3).expand(4, 3))


@pytest.mark.parametrize("norm", [None, "layernorm"])
def test_what_is_followed_of_a_sequence_does_not_depend_on_others(norm):
    shape = StandardShape(5, 6, 2, 2, 4, 7, 4, norm)
    follower, change = (
        Follower(network_of_decoder(drawn(StandardDecoder(shape))), 4),
        Change(torch.float64),
    )
    tokens = torch.cartesian_prod(*[torch.arange(5)] * 4)[::7]
    together = follower.logits(follower.points(tokens, change), change, 2)
    for index, some in enumerate(tokens):
        alone = follower.logits(follower.points(some[None], change), change, 2)
        for end in ("low", "high", "error"):
            torch.testing.assert_close(getattr(together, end)[index], getattr(alone, end)[0])
    assert together.error.isfinite().all()


@pytest.mark.parametrize("by", ["norms", "queries"])
@pytest.mark.parametrize("name", few(CATALOGUE, "selector", "key_value_rows", "key_value_shared"))
def test_one_idle_coordinate_stands_for_all(name, by):
    """Bounds of noise are the same, and what is followed is hardly wider than before it was
    widened.
    """
    source = built(name)
    wide = wider(source, more=40)
    small = without_idle(network_of(wide))
    n, noise = positions_of(wide), Noise(1e-5, torch.float64)
    answers = n - source.hops
    said = []
    for network in (network_of(wide), small, _each_counts_once(small)):
        follower = Follower(network, n)
        tokens = next(examples(source))[0]
        begun = follower.box(n, noise) if by == "norms" else follower.points(tokens, noise)
        said.append(follower.logits(begun, noise, answers))
    for end in ("low", "high", "error"):  # ends round by how many numbers are added here
        torch.testing.assert_close(
            getattr(said[1], end), getattr(said[0], end), rtol=1e-9, atol=1e-9
        )
    assert (said[2].error < said[1].error * (1 - 1e-9)).all()
    assert small.embedding.weight.shape[1] <= source.shape.d_model + 1
    assert small.shape.d_mlp <= source.shape.d_mlp + 1
    assert small.embedding.counts.sum() == wide.shape.d_model


def _each_counts_once(network):
    """A network in which what stands for several counts as one."""

    def once(matrix):
        return replace(matrix, counts=None)

    def part(old):
        if isinstance(old.adds, Units):
            return replace(old, adds=Units(tuple(map(once, old.adds.matrices))))
        heads = old.adds
        names = ("query", "key", "value", "output")
        return replace(old, adds=replace(heads, **{n: once(getattr(heads, n)) for n in names}))

    return replace(
        network,
        embedding=once(network.embedding),
        unembedding=once(network.unembedding),
        parts=tuple(map(part, network.parts)),
    )


def test_a_network_with_norms_keeps_all_its_coordinates():
    network = network_of_decoder(decoder("rmsnorm", "pre"))
    assert without_idle(network) is network
