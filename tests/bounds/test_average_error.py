"""Bounds for answers that are right on average: the proof's code written and read, its expectations
counted, and formats that are as good as can be found.
"""

import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from answer_maps import all_tables, all_tuples
from average_code import Reader, Writer, walk
from exact_bounds import exact_served, tree
from hypothesis import given, settings
from hypothesis import strategies as st

from bounds import average_error
from bounds.average_error import average_global_bound, average_shared_leaves_bound
from bounds.imperfect import imperfect_global_bound
from bounds.theorem_4_2 import global_bound, shared_leaves_bound
from constructions import FactTable, InputError
from constructions.facts.words import all_words

BOTH = [average_global_bound, average_shared_leaves_bound]

# ------------------------------------------------------------------ formulas


def line(count, number):
    """log2 of a count, between whole numbers along a straight line."""
    below, beyond = divmod(number, 1)
    ends = [mpmath.log(count(int(below) + more), 2) for more in (0, 1)]
    return ends[0] + mpmath.mpf(beyond.numerator) / beyond.denominator * (ends[1] - ends[0])


def formula_errors(n, r, wrong):
    if not wrong:
        return mpmath.mpf(0)
    j = mpmath.mpf(wrong.numerator) / wrong.denominator
    spread = (j + 1) * mpmath.log(j + 1, 2) - j * mpmath.log(j, 2)
    together = line(lambda e: exact_served(n, 0, r, min(e, n * r)), wrong)
    together += min(spread, mpmath.log(n * r + 1, 2))
    p = min(j / (n * r), 1 - mpmath.mpf(1) / n)
    fano = -p * mpmath.log(p / max(n - 1, 1), 2) if p else mpmath.mpf(0)
    fano -= (1 - p) * mpmath.log(1 - p, 2) if p < 1 else 0
    return min(together, n * r * fano)


def formula_global(n, r, k, share):
    tables = mpmath.log(math.factorial(n), 2) * (r if k == 1 else r - 1)
    return tables - formula_errors(n, r, share * n * r)


def distinct(n, r, k, mu):
    """D: of how many entities the answers show the edges, at least, on average."""
    nodes, inner = tree(r, k), tree(r, k - 1)
    return (1 - Fraction(nodes * (nodes - 1), 2 * n)) * n * ((1 - mu) ** inner - (1 - mu) ** nodes)


def formula_shared_leaves(n, r, k, b_e, share, mu):
    shown = r * line(math.factorial, distinct(n, r, k, mu))
    spent = b_e * (mu * n + r)
    errors = formula_errors(n, r, share * mu * n * r**k)
    return shown - errors - mpmath.mpf(spent.numerator) / spent.denominator


SIZES = [(1, 1, 1), (2, 2, 1), (5, 3, 1), (9, 2, 2), (30, 2, 2), (60, 3, 2), (9, 1, 3)]


@pytest.mark.parametrize(("n", "r", "k"), SIZES)
@pytest.mark.parametrize("share", [0, Fraction(1, 100), Fraction(1, 7), 1])
def test_the_values_are_those_of_the_formulas(n, r, k, share):
    share = Fraction(share)
    with mpmath.workdps(60):
        close(average_global_bound(n, r, k, 0, share).bits, formula_global(n, r, k, share))
        found = average_shared_leaves_bound(n, r, k, 3, share).bits
        every = [
            formula_shared_leaves(n, r, k, 3, share, mu)
            for mu in average_error._probabilities(tree(r, k))
        ]
        close(found, min(every, key=lambda one: abs(one - found)))
        # floats choose mu; a bound below 0 says nothing
        assert max(every) <= 0 or found >= max(every) - 0.5


def close(found, number):
    assert mpmath.mpf(found) <= number + mpmath.mpf(2) ** -150, "not certified from below"
    assert number - found <= 1e-12 * max(1, abs(number)), "not attained"


KNOWN = [("0", 56011.088170), ("0.1", 36875.997932)]


@pytest.mark.parametrize(("share", "expected"), KNOWN)
def test_known_values_at_4096_entities_4_relations_3_hops(share, expected):
    found = average_shared_leaves_bound(4096, 4, 3, 48, Fraction(share)).bits
    assert found == pytest.approx(expected, abs=1e-5)


@given(st.integers(1, 2**40), st.integers(1, 5), st.integers(1, 4), st.fractions(0, 1))
@settings(max_examples=80, deadline=None)
def test_order_of_the_bounds(n, r, k, share):
    """An average says less than every case; nothing wrong is a global bound as of old."""
    found = average_global_bound(n, r, k, 3, share).bits
    assert found <= global_bound(n, r, k, 3).bits
    assert average_global_bound(n, r, k, 3, 0).bits == global_bound(n, r, k, 3).bits
    less = average_global_bound(n, r, k, 3, share / 2).bits
    assert less >= found - 1e-9 * abs(found)
    try:
        local = average_shared_leaves_bound(n, r, k, 3, 0).bits
    except InputError as error:
        assert " N" in str(error)  # noqa: PT017
        return
    assert average_shared_leaves_bound(n, r, k, 3, share).bits <= local
    assert local <= max(shared_leaves_bound(n, r, k, 3).bits, 0) + 1e-9 * abs(local)


def test_with_one_hop_every_subject_may_be_a_root():
    for share in (0, 0.01, 0.3):
        one = average_global_bound(200, 3, 1, 5, share).bits
        assert average_shared_leaves_bound(200, 3, 1, 5, share).bits == pytest.approx(one)


# ------------------------------------------------------------------ the proof

TRIPS = [(7, 2, 2), (7, 2, 1), (8, 2, 3), (6, 3, 2), (6, 1, 3)]


def trip(random, n, r, k, rate):
    """Facts, subjects and answers, the word that describes the facts, and what it says."""
    facts = FactTable.random_bijections(n, r, int(random.integers(2**31))).answers
    subjects = np.flatnonzero(random.random(n) < random.random()).tolist()
    words = all_words(r, k)
    said = {}
    for s in subjects:
        for word in words:
            answer = s
            for relation in word:
                answer = int(facts[relation, answer])
            wrong = random.random() < rate
            said[s, tuple(word.tolist())] = int(random.integers(-1, n)) if wrong else answer
    writer = Writer()
    walk(writer, n, r, k, subjects, said, facts)
    image, last = walk(Reader(writer.word), n, r, k, subjects, said)
    return facts, writer.word, image, last


@pytest.mark.parametrize("rate", [0, 0.1, 0.6])
@pytest.mark.parametrize("sizes", TRIPS, ids=str)
def test_the_word_says_the_facts_and_has_as_many_digits_as_claimed(sizes, rate):
    n, r, k = sizes
    random = np.random.default_rng(0)
    for _ in range(12):
        facts, word, image, last = trip(random, n, r, k, rate)
        assert all(image[q, e] == facts[q, e] for q in range(r) for e in range(n))
        edges = word[: -r - 2]
        shown = math.factorial(n) // math.factorial(len(last))
        assert math.prod(count for _, count in edges) == shown**r
        (wrong, most), (_, placed), *refilled = word[-r - 2 :]
        assert most == n * r + 1
        assert placed == math.comb(r * len(last), wrong)
        # these choices of places and refillings are among those that Q counts
        assert math.prod(count for _, count in refilled) <= math.factorial(wrong)


def test_a_word_with_another_digit_says_other_facts():
    subjects = []  # so that all edges are described, one by one
    facts = FactTable.random_bijections(5, 2, 0).answers
    writer = Writer()
    walk(writer, 5, 2, 1, subjects, {}, facts)
    digit, count = writer.word[0]
    writer.word[0] = ((digit + 1) % count, count)
    image, _ = walk(Reader(writer.word), 5, 2, 1, subjects, {})
    assert any(image[q, e] != facts[q, e] for q in range(2) for e in range(5))


def mean_told(n, r, k, mu):
    """How many entities are first reached in k - 1 steps, on average over all bijections and all
    sets of subjects, exactly.
    """
    answers = all_tuples(n, r)
    mean = Fraction(0)
    for chosen in itertools.product((False, True), repeat=n):
        reached = np.tile(np.array(chosen), (len(answers), 1))
        earlier = np.zeros_like(reached)
        for _ in range(k - 1):
            earlier |= reached
            after = np.zeros_like(reached)
            for relation in range(r):
                rows = np.arange(len(answers))[:, None]
                after[rows, answers[:, relation]] |= reached
            reached = after
        count = int((reached & ~earlier).sum())
        subjects = sum(chosen)
        mean += mu**subjects * (1 - mu) ** (n - subjects) * Fraction(count, len(answers))
    return mean


@pytest.mark.parametrize("sizes", [(4, 2, 1), (4, 2, 2), (5, 2, 2), (5, 1, 3), (6, 1, 3)], ids=str)
def test_as_many_entities_are_told_on_average_as_claimed(sizes):
    for mu in (Fraction(1, 10), Fraction(1, 3), Fraction(3, 4), Fraction(1)):
        assert mean_told(*sizes, mu) >= distinct(*sizes, mu)


def test_more_entities_than_are_told_would_be_noticed():
    sizes, mu = (5, 2, 2), Fraction(1, 3)
    with pytest.raises(AssertionError):
        assert mean_told(*sizes, mu) >= distinct(*sizes, mu) / (1 - Fraction(3, 5))


# ------------------------------------------------------------------ formats


def errors_of_formats(n, r, k, maps, random, rounds=12):
    """The least share of wrong answers, on average over all tuples, that is found for a format of
    so many answer maps: each tuple takes the nearest, each map the most frequent answers.
    """
    members = all_tables(all_tuples(n, r), k)
    best = 1.0
    for _ in range(4):
        found = members[random.choice(len(members), size=maps, replace=False)]
        for _ in range(rounds):
            errors = (members[:, None] != found[None]).sum(axis=2)
            nearest = errors.argmin(axis=1)
            best = min(best, Fraction(int(errors.min(axis=1).sum()), members.size))
            for one in range(maps):
                own = members[nearest == one]
                if len(own):
                    counts = (own[:, :, None] == np.arange(n)).sum(axis=0)
                    found[one] = counts.argmax(axis=1)
    return best


FORMATS = [
    (n, r, k, maps)
    for n, r, k in ((3, 2, 1), (3, 2, 2), (4, 2, 1), (3, 3, 1))
    for maps in (1, 2, 4, 8, 16, 32)
]


def hold(n, r, k, maps):
    share = errors_of_formats(n, r, k, maps, np.random.default_rng(maps))
    assert average_global_bound(n, r, k, 0, share).bits <= math.log2(maps) + 1e-12
    return share


@pytest.mark.parametrize("sizes", FORMATS, ids=str)
def test_no_format_that_is_found_has_fewer_bits_than_its_errors_ask_for(sizes):
    hold(*sizes)


def test_the_share_on_average_is_a_weaker_hypothesis_than_the_share_in_every_case():
    """One answer map has a third of its answers right on average; in the worst case none."""
    share = hold(3, 2, 1, 1)
    assert share == Fraction(2, 3)
    assert imperfect_global_bound(3, 2, 1, 0, share).bits <= 0


def test_errors_that_cost_nothing_are_contradicted(monkeypatch):
    nothing = average_error.log2_served_on_average(1, 0, 1, Fraction(0))
    monkeypatch.setattr(average_error, "_errors", lambda *_: nothing)
    with pytest.raises(AssertionError):
        hold(3, 2, 1, 4)


@pytest.mark.parametrize("bound", BOTH)
def test_what_is_refused(bound):
    with pytest.raises(InputError, match="wrong_share"):
        bound(10, 2, 1, 0, 2)
    with pytest.raises(InputError, match="embedding_bits"):
        bound(10, 2, 1, -1, 0)


def test_a_tree_that_may_clash_too_often_is_refused():
    with pytest.raises(InputError, match=r"I\(k\) \(I\(k\) - 1\) < 2 N.* at least 7, and N is 21"):
        average_shared_leaves_bound(21, 2, 3, 0, 0)
