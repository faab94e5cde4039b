"""Whether the checker proves a model, and with the numbers that it has; files that it must refuse."""

import copy
from fractions import Fraction

import torch
from hand_made import files_of

from verify.checking.check import check_files
from verify.queries.recall import check_recall

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


def assert_proven(model):
    """PASS, with as many queries as there are, and no larger margin than is measured."""
    proven = check_files(files_of(model))
    assert proven.verdict == "PASS", proven.reason
    lengths = range(1, model.hops + 1) if "end" in model.vocabulary.specials else [model.hops]
    assert proven.queries == sum(map(model.n_queries, lengths))
    recalls = [check_recall(model, model.facts, length) for length in lengths]
    assert not any(recall.wrong or recall.defect for recall in recalls)
    measured = min(recall.margin for recall in recalls)
    assert 0 < proven.real_margin <= proven.margin
    assert type(proven.margin) is type(proven.real_margin) is Fraction
    assert proven.exact in (None, str(model.embedding.weight.dtype).removeprefix("torch."))
    if proven.exact:
        assert proven.margin <= Fraction(measured)
    elif model.embedding.weight.dtype == torch.float64:
        assert float(proven.real_margin) <= measured + 2.0**-30  # its own rounding
    assert (proven.exact is None) == bool(model.margin.rounds)
    return proven


MALFORMED = [
    "selector",
    "attention_selector",
    "superposition",
    "hybrid_shared",
    "chain_of_thought",
]


def refused(files):
    proven = check_files(files)
    assert proven.verdict in ("FAIL", "UNKNOWN")
    assert proven.reason
    assert (proven.queries, proven.margin, proven.real_margin, proven.exact) == (0, 0, 0, None)
    return True


def changed(value, path, new):
    value = copy.deepcopy(value)
    target = value
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = new
    return value
