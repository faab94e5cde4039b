"""Theorem 4.2: values, certified rounding, maximisation, order of the bounds; and planted faults
that must be caught.
"""

import math
from decimal import Decimal

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import planted

from bounds import logarithms
from bounds import theorem_4_2 as no_cot
from bounds.counting import count_tables, fact_aware_family, shared_leaves_family
from bounds.theorem_4_2 import (
    FIXED_UNEMBEDDING_BOUNDS,
    disjoint_trees_bound,
    every_bound,
    fact_aware_unembedding_bound,
    global_bound,
    information_limit,
    shared_leaves_bound,
    sharpened_global_bound,
)
from constructions import InputError

entities = st.one_of(st.integers(1, 40), st.integers(1, 2**40))
relations, hops = st.integers(1, 6), st.integers(1, 5)
bits = st.one_of(st.integers(0, 40), st.integers(0, 10**6))


def tree(r, n):
    return sum(r**i for i in range(n))


def exact(count, spent):
    """log2 of an exact integer less an integer, to 80 digits."""
    with mpmath.workdps(80):
        return mpmath.log(mpmath.mpf(count), 2) - spent


# ------------------------------------------------------------------ an oracle in exact integers,
# for small sizes


def exact_global(n, r, k, b_e):
    return exact(math.factorial(n) ** (r if k == 1 else r - 1), (n + r) * b_e)


def exact_sharpened_global(n, r, k, b_e):
    if k == 1 or r == 1:
        return exact_global(n, r, k, b_e)
    tables = math.factorial(n) ** r
    sharp = exact(tables, 1) if r > 2 else exact(tables, 2 * exact(n, 0))
    return max(sharp - (n + r) * b_e, exact_global(n, r, k, b_e))


def exact_disjoint_trees(n, r, k, b_e):
    inner, leaves = tree(r, k), r**k
    return {
        m: exact(math.perm(n - m * inner, m * leaves), (m + r) * b_e)
        for m in range(1, n // (inner + leaves) + 1)
    }


def exact_shared_leaves(n, r, k, b_e):
    inner, frontier = tree(r, k - 1), r ** (k - 1)
    return {
        m: exact(math.perm(n - m * inner, m * frontier) ** r, (m + r) * b_e)
        for m in range(1, n // (inner + frontier) + 1)
    }


def exact_fact_aware(n, r, k, b_e, b_u):
    found = {}
    for i in range(k):
        j = k - 1 - i
        for m in range(1, n + 1):
            if m * r**i % r**j == 0:
                q = m * r**i // r**j
                if q and m * tree(r, i + 1) + q * tree(r, j + 1) <= n:
                    found[i, m, q] = exact(
                        math.factorial(q) ** (r ** (j + 1)), (m + r) * b_e + q * b_u
                    )
    return found


def agrees_with_exact_integers(module):
    """Certified from below, and not by more than a rounding; the maximum of a full scan; on every
    small size.
    """
    for n in (1, 2, 3, 5, 7, 9, 16, 40):
        for r, k in ((1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3), (3, 2), (4, 1), (3, 1)):
            for b_e in (0, 1, 3, 5, 17):
                close(module.global_bound(n, r, k, b_e).bits, exact_global(n, r, k, b_e))
                close(
                    module.sharpened_global_bound(n, r, k, b_e).bits,
                    exact_sharpened_global(n, r, k, b_e),
                )
                for bound, oracle in (
                    (module.disjoint_trees_bound, exact_disjoint_trees(n, r, k, b_e)),
                    (module.shared_leaves_bound, exact_shared_leaves(n, r, k, b_e)),
                ):
                    if not oracle:
                        refuses(bound, n, r, k, b_e)
                    else:
                        found = bound(n, r, k, b_e)
                        close(found.bits, max(oracle.values()))
                        close(found.bits, oracle[found.M])
                oracle = exact_fact_aware(n, r, k, b_e, 2)
                if not oracle:
                    refuses(module.fact_aware_unembedding_bound, n, r, k, b_e, 2)
                else:
                    found = module.fact_aware_unembedding_bound(n, r, k, b_e, 2)
                    close(found.bits, max(oracle.values()))
                    if r > 1:
                        close(found.bits, oracle[found.i, found.M, found.Q])
                        assert found.i + found.j == k - 1


def refuses(bound, *sizes):
    try:
        bound(*sizes)
    except InputError as error:
        assert "M I(" in str(error)  # noqa: PT017
    else:
        raise AssertionError("a bound without a family")


def close(bits, number):
    assert mpmath.mpf(bits) <= number, "not certified from below"
    assert number - bits <= 1e-12 * max(1, abs(number)), "not attained"


VALUES = [
    ("global_bound", (64, 2, 2, 6), -100.004856, {}),
    ("disjoint_trees_bound", (64, 2, 2, 6), 83.859832, {"M": 8}),
    ("shared_leaves_bound", (64, 2, 2, 6), 221.974501, {"M": 19}),
    ("global_bound", (4096, 4, 3, 12), 80550.140670, {}),
    ("disjoint_trees_bound", (4096, 4, 3, 12), 30681.336920, {"M": 48}),
    ("shared_leaves_bound", (4096, 4, 3, 12), 124541.597183, {"M": 195}),
    ("disjoint_trees_bound", (4096, 4, 3, 264), 17597.713126, {"M": 47}),
    ("shared_leaves_bound", (4096, 4, 3, 264), 74698.305681, {"M": 192}),
    (
        "fact_aware_unembedding_bound",
        (4096, 4, 3, 48, 12),
        39179.065280,
        {"i": 2, "M": 110, "Q": 1760},
    ),
    (
        "fact_aware_unembedding_bound",
        (4096, 4, 4, 48, 48),
        21672.939445,
        {"i": 2, "M": 99, "Q": 396},
    ),
]


def has_the_known_values(module):
    for name, arguments, value, where in VALUES:
        found = getattr(module, name)(*arguments)
        assert abs(found.bits - value) < 1e-6, (name, found)
        assert {key: getattr(found, key) for key in where} == where
    assert module.global_bound(4096, 4, 3, 264).bits < 0


def counts_what_can_be_counted(module):
    """No bound exceeds the number of tables, or of members of the family in its proof; that
    family's bound is met.
    """
    for n, r, k in ((3, 2, 2), (3, 3, 2), (4, 2, 2), (3, 2, 3)):
        tables = math.log2(count_tables(n, r, k))
        for name in ("global_bound", "sharpened_global_bound"):
            assert getattr(module, name)(n, r, k, 0).bits <= tables
    for n, r, k, m in ((6, 2, 2, 2), (5, 3, 2, 1), (7, 2, 3, 1)):
        family = shared_leaves_family(n, r, k, m)
        found = module.shared_leaves_bound(n, r, k, 0)
        assert m == found.M
        close(found.bits, exact(family.distinct(), 0))
    for n, r, k, i, j, m, q in ((14, 2, 2, 0, 1, 4, 2), (20, 2, 3, 1, 1, 3, 3)):
        family = fact_aware_family(n, r, i, j, m, q)
        assert (
            module.fact_aware_unembedding_bound(n, r, k, 0, 0).bits
            >= float(exact(family.distinct(), 0)) - 1e-9
        )


def knows_functions_and_both_kinds_of_rows(module):
    def functions(name, *sizes):
        return getattr(module, name)(*sizes, facts="functions").bits

    assert functions("global_bound", 8, 3, 1, 2) == 8 * 3 * 3 - 11 * 2
    assert functions("global_bound", 8, 3, 2, 2) == 8 * 3 * 2 - 11 * 2
    assert functions("disjoint_trees_bound", 8, 2, 1, 0) == 2 * 2 * 3  # M = 2, M R^k log2 N
    assert functions("disjoint_trees_bound", 8, 2, 2, 1) == 4 * 3 - 3 * 1  # M = 1
    assert functions("shared_leaves_bound", 8, 2, 2, 1) == 2 * 4 * 3 - (2 + 2) * 1  # M = 2
    assert functions("shared_leaves_bound", 16, 2, 3, 0) == 2 * 8 * 4  # M = 2
    # as good as M = 4, i = 0: the smallest
    assert module.fact_aware_unembedding_bound(11, 2, 3, 0, 1000).M == 1
    # N = 8: i = 0, j = 1: M = 2, Q = 1 (5 nodes), no choice; i = 1, j = 0: M = 1, Q = 2 (5 nodes),
    # R^1 Q log2 Q = 4.
    assert functions("fact_aware_unembedding_bound", 8, 2, 2, 0, 0) == 4
    # A dear row of U leaves i = 0, M = 2, Q = 1, which tells nothing apart.
    assert functions("fact_aware_unembedding_bound", 8, 2, 2, 0, 1000) == -1000
    assert functions("fact_aware_unembedding_bound", 8, 1, 2, 0, 0) == 2  # M = Q = 2, Q log2 Q
    assert module.every_bound(4096, 4, 3, 48, 12)["fact_aware_unembedding"].M == 110


DETECTORS = (
    agrees_with_exact_integers,
    has_the_known_values,
    counts_what_can_be_counted,
    knows_functions_and_both_kinds_of_rows,
)


@pytest.mark.parametrize("detector", DETECTORS)
def test_the_bounds_are_right(detector):
    detector(no_cot)


# ------------------------------------------------------------------ properties at every size


@given(entities, relations, hops, bits, bits)
@settings(max_examples=150)
def test_bounds_fall_as_embeddings_grow_and_stay_below_the_information_limit(n, r, k, b_e, more):
    limit = information_limit(n, r).lower
    small, large = every_bound(n, r, k, b_e, b_e), every_bound(n, r, k, b_e + more, b_e + more)
    for name, bound in small.items():
        if isinstance(bound, str):
            assert large[name] == bound
            assert name in ("disjoint_trees", "shared_leaves", "fact_aware_unembedding")
            continue
        assert bound.bits >= large[name].bits
        assert bound.bits <= limit


@given(entities, relations, hops, bits)
@settings(max_examples=150)
def test_the_sharpened_bounds_are_never_below_the_papers(n, r, k, b_e):
    found = every_bound(n, r, k, b_e, 0)
    assert found["sharpened_global"].bits >= found["global"].bits
    if not isinstance(found["disjoint_trees"], str):
        assert found["shared_leaves"].bits >= found["disjoint_trees"].bits


@given(entities, relations, hops, bits)
@settings(max_examples=100)
def test_no_neighbour_of_the_best_m_is_better(n, r, k, b_e):
    for bound, per_root in (
        (disjoint_trees_bound, tree(r, k + 1)),
        (shared_leaves_bound, tree(r, k)),
    ):
        if per_root > n:
            continue
        found = bound(n, r, k, b_e)
        inner, last = (
            (tree(r, k), r**k) if bound is disjoint_trees_bound else (tree(r, k - 1), r ** (k - 1))
        )
        times = 1 if bound is disjoint_trees_bound else r
        for m in {1, max(found.M - 1, 1), min(found.M + 1, n // per_root), n // per_root}:
            value = (
                logarithms.log2_falling(n - m * inner, m * last).times(times).less((m + r) * b_e)
            )
            assert logarithms.round_down(value.lower) <= found.bits


@given(entities, relations, hops, bits, bits)
@settings(max_examples=100)
def test_functions_need_at_least_as_much_as_bijections(n, r, k, b_e, b_u):
    sizes = (n, r, k, b_e)
    for bound in (global_bound, disjoint_trees_bound, shared_leaves_bound):
        try:
            bijections = bound(*sizes)
        except InputError:
            continue
        assert bound(*sizes, facts="functions").bits >= bijections.bits
    try:
        bijections = fact_aware_unembedding_bound(*sizes, b_u)
    except InputError:
        return
    assert fact_aware_unembedding_bound(*sizes, b_u, facts="functions").bits >= bijections.bits


def test_the_information_limit_by_hand():
    limit = information_limit(8, 3, facts="functions")
    assert limit.lower == limit.upper == 72
    assert float(information_limit(4, 2).lower) == pytest.approx(2 * math.log2(24))


@given(st.integers(1, 2**40), st.integers(1, 2**40), st.integers(1, 2**40), st.integers(0, 2**80))
@settings(max_examples=60)
def test_every_size_up_to_2_to_the_40_is_evaluated(n, r, k, b_e):
    for name, bound in every_bound(n, r, k, b_e, b_e).items():
        assert (
            name in ("global", "sharpened_global") and isinstance(bound, no_cot.Bound)
        ) or bound
        if not isinstance(bound, str):
            assert math.isfinite(bound.bits)


def test_one_entity_needs_nothing_and_nothing_is_not_written_as_minus_zero():
    bound = shared_leaves_bound(1, 1, 1, 0)
    assert (bound.bits, math.copysign(1, bound.bits), bound.M) == (0, 1, 1)


# ------------------------------------------------------------------ certified logarithms


@given(st.one_of(st.integers(0, 3000), st.integers(0, 2**40)))
@settings(max_examples=200)
def test_the_enclosure_of_a_factorial_contains_it(n):
    found = logarithms.log2_factorial(n)
    with mpmath.workdps(90):
        number = mpmath.loggamma(n + 1) / mpmath.log(2)
        assert mpmath.mpf(str(found.lower)) <= number + mpmath.mpf(10) ** -75
        assert number <= mpmath.mpf(str(found.upper)) + mpmath.mpf(10) ** -75
    assert found.upper - found.lower < Decimal("1e-40")


@given(st.integers(1, 2**300))
def test_log2_is_enclosed_and_exact_for_powers_of_two(n):
    found = logarithms.log2(n)
    with mpmath.workdps(90):
        number = mpmath.log(n, 2)
        assert mpmath.mpf(str(found.lower)) - mpmath.mpf(10) ** -80 <= number
        assert number <= mpmath.mpf(str(found.upper)) + mpmath.mpf(10) ** -80
    assert (found.lower == found.upper) == (n & (n - 1) == 0)


@given(st.decimals(-(10**30), 10**30, allow_nan=False))
def test_rounding_down_never_exceeds(number):
    rounded = logarithms.round_down(number)
    assert Decimal(rounded) <= number
    assert Decimal(math.nextafter(rounded, math.inf)) > number


# ------------------------------------------------------------------ errors name the condition


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: disjoint_trees_bound(20, 4, 2, 0), r"M I\(k\+1\) <= N.*R = 4 .* 21 > 20 = N"),
        (lambda: shared_leaves_bound(20, 4, 3, 0), r"M I\(k\) <= N.* 21 > 20 = N"),
        (lambda: shared_leaves_bound(20, 4, 2**40, 0), r"M I\(k\) <= N.*> 20 = N"),
        (
            lambda: fact_aware_unembedding_bound(3, 2, 4, 0, 0),
            r"M R\^i = Q R\^j.*R = 2, k = 4.*N = 3",
        ),
        (
            lambda: global_bound(0, 1, 1, 0),
            r"n_entities must be an integer from 1 to 1,099,511,627,776; got 0",
        ),
        (lambda: global_bound(2**40 + 1, 1, 1, 0), "n_entities must"),
        (lambda: global_bound(5, 1.5, 1, 0), "n_relations must be an integer .* got 1.5"),
        (lambda: global_bound(5, 1, 0, 0), "hops must"),
        (
            lambda: global_bound(5, 1, 1, -1),
            "embedding_bits must be an integer of at least 0; got -1",
        ),
        (lambda: fact_aware_unembedding_bound(5, 1, 1, 1, -1), "unembedding_bits must"),
        (
            lambda: global_bound(5, 1, 1, 1, facts="relations"),
            "'bijections' or 'functions'; got 'relations'",
        ),
    ],
)
def test_errors_name_the_violated_condition(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_falling_factorial_has_no_more_factors_than_its_number():
    with pytest.raises(ValueError, match="has 0 to 3 factors; got 4"):
        logarithms.log2_falling(3, 4)


# ------------------------------------------------------------------ planted faults, each of which
# a detector must notice


def caught(module):
    for detector in DETECTORS:
        try:
            detector(module)
        except (AssertionError, ArithmeticError, InputError, ValueError):
            return True
    return False


FAULTS = [
    ("free = n_relations if hops == 1 else n_relations - 1", "free = n_relations"),
    ("(n_entities + n_relations) * embedding_bits", "n_entities * embedding_bits"),
    ("times(free).less((n_entities", "times(free).less(-(n_entities"),
    (
        "log2(n_entities).times(2) if n_relations == 2",
        "log2(n_entities).times(1) if n_relations == 2",
    ),
    ("else tables.less(1)", "else tables.less(0)"),
    ("n_relations, hops + 1\n", "n_relations, hops\n"),
    ("inner = whole - leaves", "inner = whole"),
    ("roots * leaves)\n        else", "roots)\n        else"),
    ("inner = distinct - frontier", "inner = distinct"),
    ("frontier = n_relations ** (hops - 1)", "frontier = n_relations**hops"),
    ("one_relation.times(n_relations)", "one_relation.times(1)"),
    ("(roots + n_relations) * embedding_bits", "roots * embedding_bits"),
    ("best = _argmax(bits, n_entities // distinct)", "best = n_entities // distinct"),
    ("n_relations ** (j + 1)).less(spent)", "n_relations**j).less(spent)"),
    ("tables = log2_factorial(q) if", "tables = log2_factorial(m) if"),
    ("q * unembedding_bits", "m * unembedding_bits"),
    ("j = hops - 1 - i", "j = hops - i"),
    ("{1, n_entities // nodes}", "{1}"),
    ("{1, n_entities // nodes}", "{n_entities // nodes}"),
    ("round_down(bits.lower)", "float(bits.upper) + 1e-9"),
    (".lower > 0:", ".lower < 0:"),
    ("key=lambda pair: (pair[0]", "key=lambda pair: (-pair[0]"),
    ("return tree(n_relations, terms)", "return tree(n_relations, terms) + 1"),
    ("log2(n_entities).times(roots * leaves)", "log2(n_entities).times(roots * whole)"),
    ("else log2(q).times(q)", "else log2(max(m, q)).times(q)"),
    ("cap.bit_length() + 1)", "cap.bit_length() - 1)"),
    (
        "fact_aware_unembedding_bound(*sizes, unembedding_bits)",
        "fact_aware_unembedding_bound(*sizes, embedding_bits)",
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault[1][:40])
def test_a_planted_fault_in_the_bounds_is_caught(fault):
    assert caught(planted(no_cot, fault))


def test_without_a_fault_nothing_is_caught():
    assert not caught(planted(no_cot, ("best = _argmax", "best = _argmax")))


def test_the_table_of_fixed_unembedding_bounds_is_complete():
    assert list(every_bound(64, 2, 2, 6, 6)) == [
        *FIXED_UNEMBEDDING_BOUNDS,
        "fact_aware_unembedding",
    ]
    assert sharpened_global_bound(64, 2, 1, 6).bits == global_bound(64, 2, 1, 6).bits


# -------------------------------------------------------------------- what mutation testing has
# asked for


@pytest.mark.parametrize(
    ("n", "r", "k"), [(4096, 4, 3), (4096, 4, 1), (4096, 1, 3), (64, 2, 2), (3, 2, 2)]
)
def test_every_bound_has_the_name_by_which_it_is_found(n, r, k):
    for name, bound in every_bound(n, r, k, 3, 3).items():
        assert isinstance(bound, str) or bound.name == name


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: disjoint_trees_bound(20, 4, 2, 0),
            (
                "disjoint_trees_bound needs M I(k+1) <= N for some M >= 1; one tree of R = 4"
                " relations has 1 + R + ... + R^2 nodes, at least 21 > 20 = N"
            ),
        ),
        (
            lambda: shared_leaves_bound(1_400, 1_400, 2, 0),
            (
                "shared_leaves_bound needs M I(k) <= N for some M >= 1; one tree of R = 1,400"
                " relations has 1 + R + ... + R^1 nodes, at least 1,401 > 1,400 = N"
            ),
        ),
    ],
)
def test_a_tree_that_does_not_fit_is_reported_with_its_condition_and_both_sizes(call, message):
    with pytest.raises(InputError) as error:
        call()
    assert str(error.value) == message


@pytest.mark.parametrize("bound", FIXED_UNEMBEDDING_BOUNDS.values())
@pytest.mark.parametrize("bits", [-1, 0.5])
def test_the_number_of_bits_is_checked(bound, bits):
    with pytest.raises(
        InputError, match=f"^embedding_bits must be an integer of at least 0; got {bits}$"
    ):
        bound(64, 2, 2, bits)


@pytest.mark.parametrize("bound", [disjoint_trees_bound, shared_leaves_bound])
def test_of_equally_good_m_the_smallest_is_reported(bound):
    """Each root is worth 2 log2 64 = 12 bits, and its embedding has as many."""
    best = bound(64, 2, 1, 12, facts="functions")
    assert (best.M, best.bits) == (1, 12 - (1 + 2) * 12)


def test_a_bound_that_does_not_apply_says_why():
    found = every_bound(5, 3, 3, 0, 0)
    assert "M I(k+1) <= N" in found["disjoint_trees"]
    assert "M I(k) <= N" in found["shared_leaves"]
    assert "i + j = k - 1" in found["fact_aware_unembedding"]


@pytest.mark.parametrize("bits", [(-1, 0), (0, -1), (0.5, 0), (0, 0.5)])
def test_both_numbers_of_bits_are_checked(bits):
    with pytest.raises(InputError, match="bits must be an integer of at least 0"):
        fact_aware_unembedding_bound(64, 2, 2, *bits)


def test_a_split_that_does_not_fit_does_not_hide_a_later_one():
    """For i = 0 the backward tree has 15 nodes; i = 1 and i = 2 fit."""
    best = fact_aware_unembedding_bound(14, 2, 4, 0, 0)
    assert (best.i, best.j, best.M, best.Q, best.bits) == (2, 1, 1, 2, 4)
