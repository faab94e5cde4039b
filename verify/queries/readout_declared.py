"""Whether an unembedding is what the model's readout declares, and tells all codes apart."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from constructions.model.as_written import why_not_plain_part
from constructions.model.fact_model import FactModel
from constructions.model.parts import Weight
from constructions.model.readout import BankField, FormField, NumberField, Readout, SignField


def check_readout(model: FactModel) -> str | None:
    """Why the unembedding does not separate all codes as declared, in one line; None if it does.

    The declaration is not trusted: its types, shapes and codes are checked first, then every entry
    of the unembedding is compared with it by `==`, so that a NaN is a difference.
    """
    module = model.unembedding
    with torch.device("meta"):
        fresh = Weight(model.shape.d_model, model.shape.d_vocab)
    if why := why_not_plain_part(module, fresh):
        return f"the unembedding is not a plain matrix ({why}); decide by full logits"
    if module.weight.dtype != model.embedding.weight.dtype:
        return (
            f"the unembedding is {module.weight.dtype}, the residual stream"
            f" {model.embedding.weight.dtype}"
        )
    return _unsound_declaration(model.readout, module.weight.shape[0]) or _difference(model)


def _unsound_declaration(readout: Readout, d_vocab: int) -> str | None:
    """Why a readout is no declaration: wrong types, or tokens that are read twice."""
    if type(readout) is not Readout:
        return f"the readout is a {type(readout).__name__}, not a Readout"
    if readout.rest is not None and readout.rest.size != 1:
        return "the readout's rest is not a single form"
    seen = np.zeros(d_vocab, dtype=bool)
    for place, part in enumerate(readout.fields):
        tokens = part.tokens
        if tokens.dtype != np.int64 or tokens.ndim != 1 or not len(tokens):
            return f"field {place} of the readout reads no token"
        if (
            tokens.min() < 0
            or tokens.max() >= d_vocab
            or seen[tokens].any()
            or len(np.unique(tokens)) < len(tokens)
        ):
            return (
                f"field {place} of the readout reads a token that does not exist or is read before"
            )
        seen[tokens] = True
        if why := _unsound_field(part):
            return f"field {place} of the readout {why}"
    return None


def _unsound_field(part: SignField | BankField | NumberField | FormField) -> str | None:
    """Why a field of a readout cannot be: wrong types or shapes, or two tokens with one code."""
    if isinstance(part, FormField) or type(part) not in (SignField, BankField, NumberField):
        return f"is a {type(part).__name__}"
    if isinstance(part, NumberField):
        labels = part.numbers
        several = part.read.shape[-1:] if labels.ndim > 1 else ()
        if (
            labels.dtype != np.int64
            or labels.shape != (*part.tokens.shape, *several)
            or part.read.size != np.prod(several, dtype=int)
            or part.one.size != 1
        ):
            return "needs one integer for each token and form, and a single form that is 1"
        if len(np.unique(labels, axis=0)) < len(labels):
            return "gives two tokens the same code"
        return None
    banks = part.read.shape[:-1]
    if part.codes.dtype != np.int8 or part.codes.shape != (
        *banks,
        len(part.tokens),
        part.read.shape[-1],
    ):
        return f"has codes of shape {part.codes.shape}, read by forms of shape {part.read.shape}"
    if isinstance(part, BankField) != (len(banks) == 1):
        return "needs a row of forms for each bank"
    if isinstance(part, SignField) and part.bonus is not None and part.bonus.size != 1:
        return "needs a single bonus"
    if not (np.abs(part.codes) == 1).all():
        return "has a code with an entry other than -1 and +1"
    labels = number_of_signs(torch.from_numpy(part.codes)).numpy()
    if any(len(np.unique(bank)) < len(part.tokens) for bank in np.atleast_2d(labels)):
        return "gives two tokens the same code"
    return None


def _difference(model: FactModel) -> str | None:
    """The first entry of the unembedding that is not as declared, in words."""
    weight = model.unembedding.weight.detach()
    covered = np.zeros(weight.shape[0], dtype=bool)
    for tokens, rows in model.readout.weight_rows(*weight.shape):
        covered[tokens] = True
        declared = torch.from_numpy(rows)
        found = weight[torch.from_numpy(tokens).to(weight.device)].cpu().to(torch.float64)
        if not torch.equal(found, declared):
            token, column = (found != declared).nonzero()[0].tolist()
            return (
                f"the unembedding of token {tokens[token]} has {found[token, column].item():.17g}"
                f" in column {column} where the declared readout has"
                f" {declared[token, column].item():.17g}"
            )
    return None if covered.all() else "the readout leaves a token out"


def number_of_signs(signs: Tensor) -> Tensor:
    """The number whose binary code has ones where the signs are positive: (..., m)
    to int64 (...).
    """
    powers = 2.0 ** torch.arange(signs.shape[-1], device=signs.device, dtype=torch.float64)
    return ((signs > 0).double() @ powers).long()
