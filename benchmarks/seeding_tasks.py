"""What the decoders of benchmarks/seeding.py are trained on: facts, and tasks beside them.

A task is (tokens int64 (Q, L), answers int64 (Q,)); the answer stands after the last token.
"""

import numpy as np
import torch

from constructions import FactTable
from constructions.facts.vocabulary import Vocabulary

N, R, P = 32, 4, 13
N_OWN = len(Vocabulary(N, R))
"""Tokens of the facts come first; all others are further ones."""
N_FURTHER = 20
HELD_OUT = 0.2


def bijections(seed):
    """Random facts, and the task of all N R of them."""
    facts = FactTable.random_bijections(N, R, seed)
    tokens, answers = facts.dataset()
    return facts, (torch.from_numpy(tokens), torch.from_numpy(answers[:, -1]))


def additions(seed):
    """`a b =`, `a + b mod P`."""
    a, b = torch.cartesian_prod(torch.arange(P), torch.arange(P)).T
    return torch.stack([N_OWN + a, N_OWN + b, torch.full_like(a, N_OWN + P)], 1), N_OWN + (
        a + b
    ) % P


def largest_of_three(seed):
    """`a b c =`, the largest of three digits."""
    digits = torch.cartesian_prod(*[torch.arange(6)] * 3)
    equals = torch.full((len(digits), 1), N_OWN + 6)
    return torch.cat([N_OWN + digits, equals], 1), N_OWN + digits.amax(1)


def second_table(seed):
    """Other facts: 6 random bijections of 14 entities, all in tokens of their own."""
    rng = np.random.default_rng((seed, 1))
    answers = np.stack([rng.permutation(14) for _ in range(6)])
    relation, entity = np.divmod(np.arange(answers.size), 14)
    tokens = np.stack([N_OWN + entity, N_OWN + 14 + relation], 1)
    return torch.from_numpy(tokens), torch.from_numpy(N_OWN + answers.ravel())


def new_relations(seed):
    """Two new relations of the same entities: new facts, their relations further tokens."""
    answers = FactTable.random_bijections(N, 2, 1000 + seed).answers
    relation, entity = np.divmod(np.arange(2 * N), N)
    tokens = np.stack([entity, N_OWN + relation], 1)
    return torch.from_numpy(tokens), torch.tensor(answers.ravel())


def two_hops(seed):
    """Questions of two hops over the facts, those kept for training, then those held out."""
    tokens, answers = bijections(seed)[0].dataset(hops=2)
    order = np.random.default_rng((seed, 2)).permutation(len(tokens))
    cut = round((1 - HELD_OUT) * len(tokens))
    return tuple(
        (torch.from_numpy(tokens[part]), torch.from_numpy(answers[part, -1]))
        for part in (order[:cut], order[cut:])
    )


SECOND_TASKS = {
    "addition": ("addition modulo 13", additions),
    "largest": ("the largest of three digits", largest_of_three),
    "second-table": ("a second table of facts", second_table),
}
