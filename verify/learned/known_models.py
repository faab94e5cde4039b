"""Decoders of graded difficulty with the same facts, in which everything that matters is known.

All are standard decoders that know the facts of several worlds, in which attributes occur often:

1. *axis-aligned*: a selector as it is written; each relation has columns of its own.
2. *rotated*: the same in a random basis.
3. *widened*: in a decoder with more of everything, all else 0, in a random basis.
4. *noisy*: the same with Gaussian noise on all weights.
5. *normalized*: the axis-aligned one with RMSNorm, which acts as the identity.
6. *trained*: seeded into a larger random decoder, which then was trained on facts of other tokens,
   the selector's own weights held; in a random basis.
7. *memory*, the control: the same facts in the MLPs (`key_value_rows`), in a random basis. The
   subjects hold nothing of them, and whatever a method finds in their embeddings is wrong.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from constructions import key_value_rows, selector
from constructions.decoders.seeding import needed_shape, seed_into, standard
from constructions.decoders.standard_decoder import StandardDecoder, StandardShape
from constructions.decoders.standard_model import StandardModel
from constructions.facts.table import FactTable
from constructions.guards.errors import InternalError
from constructions.model.fact_model import FactModel
from verify.learned.adapters import of
from verify.learned.claimed import answers_of
from verify.learned.planted import planted
from verify.learned.recall import recall
from verify.learned.structure import Structure

WORLDS, SIZE, RELATIONS = 16, 16, 4
NOISE = 0.005
"""The standard deviation of the noise, halved until every fact is recalled; codes are 0 and 1."""
MORE = {"d_model": 31, "d_mlp": 24, "n_heads": 1, "n_layers": 1}
OTHER_ENTITIES, OTHER_RELATIONS, STEPS, RATE, SCALE = 24, 2, 400, 1e-2, 0.3


@dataclass(frozen=True)
class KnownModel:
    """A decoder with its ground truth.

    Attributes:
        name, about: what it is.
        difficulty: from 1 on; of the control 0.
        decoder: it answers the prompt `s, N + r` with token f_r(s) at the last position.
        facts: what it knows.
        truth: what is planted in it.
    """

    name: str
    difficulty: int
    about: str
    decoder: StandardDecoder
    facts: FactTable
    truth: Structure


def known_models(seed: int = 0) -> Iterator[KnownModel]:
    """All of them, one after the other.

    Raises:
        InternalError: one does not recall every fact.
    """
    facts = FactTable.random_worlds(WORLDS, SIZE, RELATIONS, seed)
    source, memory = selector(facts), key_value_rows(facts, hops=1)
    generator = torch.Generator().manual_seed(seed)
    plain, wide = standard(source), _seeded(source, 0, generator)
    noisy, noise = _with_noise(wide, facts, generator)
    trained = _seeded(source, SCALE, generator)
    right = _train_on_other_facts(trained, facts, generator)
    truth, in_wide = planted(source, plain), planted(source, wide)
    rms = standard(source, norm="rmsnorm")
    control = standard(memory)
    yield _known("axis-aligned", 1, "each relation has columns of its own", plain, facts, truth)
    yield _turned("rotated", 2, "the same in a random basis", plain, facts, truth, generator)
    about = "in a larger decoder, all else 0, in a random basis"
    yield _turned("widened", 3, about, wide, facts, in_wide, generator)
    about = f"the same with Gaussian noise of standard deviation {noise:g} on all weights"
    yield _turned("noisy", 4, about, noisy, facts, in_wide, generator)
    about = "axis-aligned, with RMSNorm that acts as the identity"
    yield _known("normalized", 5, about, rms, facts, planted(source, rms))
    about = (
        f"in a larger decoder that was trained around it on {OTHER_ENTITIES * OTHER_RELATIONS}"
        f" facts of other tokens, of which it recalls {right}; in a random basis"
    )
    yield _turned("trained", 6, about, trained, facts, planted(source, trained), generator)
    about = "the control: the facts are in the MLPs, in a random basis"
    yield _turned("memory", 0, about, control, facts, Structure(), generator)


def in_another_basis(decoder: StandardDecoder, orthogonal: Tensor) -> StandardDecoder:
    """A copy whose stream is turned: x becomes Q x, in float64 and rounded to its dtype. For
    decoders without norms, whose unembedding is not tied.
    """
    turned = _plain_copy(decoder)
    writers = {
        id(weight)
        for block in turned.block_sequence()
        for weight in (block.attention.output.weight, block.mlp.matrix(1))
    }
    with torch.no_grad():
        for weight in turned.matrices():
            given = weight.double()
            weight.copy_(orthogonal @ given if id(weight) in writers else given @ orthogonal.mT)
    return turned


def _known(
    name: str,
    difficulty: int,
    about: str,
    decoder: StandardDecoder,
    facts: FactTable,
    truth: Structure,
) -> KnownModel:
    """The decoder as a module of its own, if it recalls every fact."""
    plain = _plain_copy(decoder)
    found = recall(of(plain, facts), answers_of(facts))
    if found.value != 1:
        raise InternalError(f"{name}: a known answer that is not answered, {found}")
    return KnownModel(name, difficulty, about, plain, facts, truth)


def _turned(
    name: str,
    difficulty: int,
    about: str,
    decoder: StandardDecoder,
    facts: FactTable,
    truth: Structure,
    generator: torch.Generator,
) -> KnownModel:
    """The same in a random basis."""
    d = decoder.shape.d_model
    q = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64)).Q
    subspaces = {r: basis @ q.numpy().T for r, basis in truth.subspaces.items()}
    decoder = in_another_basis(decoder, q)
    return _known(name, difficulty, about, decoder, facts, replace(truth, subspaces=subspaces))


def _plain_copy(decoder: StandardDecoder) -> StandardDecoder:
    """The weights alone, in a new decoder."""
    plain = StandardDecoder(decoder.shape, decoder.embedding.weight.dtype)
    plain.load_state_dict(copy.deepcopy(decoder.state_dict()))
    return plain


def _seeded(source: FactModel, scale: float, generator: torch.Generator) -> StandardModel:
    """The construction in the last block of a decoder with more of everything and Gaussian weights
    of that standard deviation.
    """
    needed = needed_shape(source)
    sizes = {name: getattr(needed, name) + more for name, more in MORE.items()}
    tokens = needed.d_vocab + (OTHER_ENTITIES + OTHER_RELATIONS if scale else 0)
    shape: StandardShape = replace(needed, **sizes, d_vocab=tokens)
    target = StandardDecoder(shape)
    with torch.no_grad():
        for weight in target.matrices():
            weight.copy_(scale * torch.randn(weight.shape, generator=generator))
    return seed_into(target, source, first_block=MORE["n_layers"])


def _with_noise(
    decoder: StandardDecoder, facts: FactTable, generator: torch.Generator
) -> tuple[StandardDecoder, float]:
    """A copy with Gaussian noise on all weights that still recalls every fact, and the standard
    deviation of the noise.
    """
    drawn = {
        name: torch.randn(p.shape, generator=generator) for name, p in decoder.named_parameters()
    }
    noise = NOISE
    while True:
        noisy = _plain_copy(decoder)
        with torch.no_grad():
            for name, parameter in noisy.named_parameters():
                parameter.add_(noise * drawn[name])
        if recall(of(noisy, facts), answers_of(facts)).value == 1:
            return noisy, noise
        noise /= 2


def _train_on_other_facts(
    model: StandardModel, facts: FactTable, generator: torch.Generator
) -> int:
    """Train everything but the construction on bijections of further tokens, until all are
    recalled, and on its own answers, so that no further token comes to exceed them. Returns how
    many of the other facts are recalled then.
    """
    own = model.embedding_map.d_vocab
    subjects = torch.arange(OTHER_ENTITIES).repeat(OTHER_RELATIONS)
    asked = torch.arange(OTHER_RELATIONS).repeat_interleave(OTHER_ENTITIES)
    answers = torch.cat(
        [torch.randperm(OTHER_ENTITIES, generator=generator) for _ in range(OTHER_RELATIONS)]
    )
    tokens = torch.stack([own + subjects, own + OTHER_ENTITIES + asked], dim=1)
    known, targets = map(torch.from_numpy, facts.dataset())
    tokens, wanted = torch.cat([tokens, known]), torch.cat([own + answers, targets[:, 0]])
    model.hold_construction()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0)
    for _ in range(STEPS):
        optimizer.zero_grad()
        logits = model(tokens)[:, -1]
        right = logits.argmax(-1) == wanted
        if right.all():
            break
        functional.cross_entropy(logits, wanted).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return int(right[: len(subjects)].sum())
