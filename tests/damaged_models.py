"""Models of one hop, and ways to damage them."""

import torch

from constructions import (
    CATALOGUE,
    FactTable,
)

SINGLE_HOP = [name for name, entry in CATALOGUE.items() if not entry.multi_hop]
FACTS = FactTable.random_bijections(37, 5, seed=1)


def model_of(name, seed=1):
    facts = CATALOGUE[name].random_facts(37, 5, seed)
    return CATALOGUE[name].constructor()(facts), facts


def flip_one_code_bit(model):
    """Or, where a subject holds no codes, move all sums of its numbers."""
    if "gates" in model.stream.slots:
        columns = model.stream["gates"].columns
        model.embedding.weight[5, columns] += model.embedding.weight[:, columns].max()
        return
    slot = next(name for name in model.stream.slots if name.startswith("attributes"))
    column = model.stream[slot].columns.ravel()[0]
    row = model.embedding.weight[:, column]
    value = row[5]
    other = row[:37][row[:37] != value][0]
    model.embedding.weight[5, column] = other.item()


def swap_two_answers(model):
    rows = model.unembedding.weight[[0, 1]].clone()
    model.unembedding.weight[[1, 0]] = rows


def nan_in_embedding(model):
    model.embedding.weight[5, 0] = torch.nan


def nan_in_an_unread_logit(model):
    model.unembedding.weight[-1, 0] = torch.nan


def infinite_logit(model):
    model.unembedding.weight[2] *= torch.inf


def wrong_relation(model):
    rows = model.embedding.weight[[37, 38]].clone()
    model.embedding.weight[[38, 37]] = rows


def tie(model):
    model.unembedding.weight[0] = model.unembedding.weight[1]
