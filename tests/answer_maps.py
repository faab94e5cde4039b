"""Every answer map of a few queries, right or wrong, and how many tables of facts each one serves
with so many errors.
"""

import itertools

import numpy as np

from bounds.counting import tables
from constructions.facts.words import all_words


def all_tuples(n, r):
    """All tuples of bijections: int64 (N!^R, R, N)."""
    orders = np.array(list(itertools.permutations(range(n))))
    chosen = np.indices([len(orders)] * r).reshape(r, -1)
    return np.stack([orders[one] for one in chosen], axis=1)


def all_tables(answers, hops):
    """The answers of each tuple to all queries: int64 (tuples, N R^k)."""
    _, r, n = answers.shape
    words = all_words(r, hops)
    return tables(answers, np.repeat(np.arange(n), len(words)), np.tile(words, (n, 1)))


def errors_of_every_map(table, values):
    """In how many places each of the `values^queries` answer maps differs from a table."""
    found = np.zeros(1, dtype=np.uint8)
    for answer in table:
        found = (found[:, None] + (np.arange(values) != answer)).astype(np.uint8).ravel()
    return found


def most_served(members, values):
    """For each number of errors, how many of the tables (members, queries) one answer map serves
    at most, over all answer maps.
    """
    queries = members.shape[1]
    served = np.zeros((queries + 1, values**queries), dtype=np.uint16)
    for table in members:
        errors = errors_of_every_map(table, values)
        for most in range(queries + 1):
            served[most] += errors <= most
    return served.max(axis=1).tolist()


def served_by(answer_map, members):
    """The same for one answer map, which may be any."""
    errors = (members != answer_map).sum(axis=1)
    return np.cumsum(np.bincount(errors, minlength=members.shape[1] + 1)).tolist()


def cover(members, values, most):
    """How many answer maps are enough to serve all tables, each with at most so many errors: the
    number that taking the best one again and again finds.
    """
    within = np.stack([errors_of_every_map(table, values) <= most for table in members])
    left, found = np.ones(len(members), dtype=bool), 0
    while left.any():
        best = within[left].sum(axis=0, dtype=np.uint16).argmax()
        left &= ~within[:, best]
        found += 1
    return found


def is_cycle(order):
    """Whether a permutation is one cycle through everything."""
    at, steps = int(order[0]), 1
    while at:
        at, steps = int(order[at]), steps + 1
    return steps == len(order)


def with_a_cycle(answers):
    """Those tuples in which the quotient of the first two relations is one cycle."""
    quotients = [one[1][np.argsort(one[0])] for one in answers]
    return answers[[is_cycle(quotient) for quotient in quotients]]
