"""Theorem 4.2: every bound has the values of exact integer arithmetic, those that are known, and
those that counting finds; wrong bounds, written out here, must be caught.

What holds at every size is in tests/bounds/test_bounds_at_every_size.py, what is refused in
tests/bounds/test_conditions_of_bounds.py, the logarithms in tests/bounds/test_logarithms.py.
"""

import math
from dataclasses import replace

import mpmath
import pytest
from exact_bounds import (
    exact,
    exact_disjoint_trees,
    exact_fact_aware,
    exact_global,
    exact_shared_leaves,
    exact_sharpened_global,
    tree,
)

from bounds import theorem_4_2
from bounds.counting import count_tables, fact_aware_family, shared_leaves_family
from constructions import InputError


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
    detector(theorem_4_2)


# ------------------------------------------------------------------ wrong bounds are caught


class Wrong:
    """The module with one function in place of the right one."""

    def __init__(self, name, function):
        vars(self).update(vars(theorem_4_2) | {name: function})


def other(name, change):
    """The module with the bound of that name changed: `change` gets what is found, then the sizes,
    and gives the fields that differ.
    """
    right = getattr(theorem_4_2, name)

    def wrong(*sizes, facts="bijections"):
        found = right(*sizes, facts=facts) if facts != "bijections" else right(*sizes)
        return replace(found, **change(found, *sizes, functions=facts == "functions"))

    return Wrong(name, wrong)


def more(name, bits):
    """The module with a bound that is more by some bits, a function of N, R, k and B_e."""
    return other(
        name, lambda found, n, r, k, b_e, *_, **__: {"bits": found.bits + bits(n, r, k, b_e)}
    )


def as_if(name, number, spent):
    """The module with a bound for bijections that is log2 of another number less what is spent,
    functions of what is found and of the sizes.
    """

    def bits(found, *sizes, functions):
        right = found.bits if functions else float(exact(number(found, *sizes), 0))
        return {"bits": right - (0 if functions else spent(found, *sizes))}

    return other(name, bits)


def as_split(choose):
    """The module with a bound for unembeddings that know the facts at another of all splits."""

    def bound(*sizes, facts="bijections"):
        right = theorem_4_2.fact_aware_unembedding_bound(*sizes, facts=facts)
        if facts == "functions":
            return right
        (i, m, q), bits = choose(exact_fact_aware(*sizes).items())
        return replace(right, bits=min(float(bits), right.bits), i=i, M=m, Q=q)

    return Wrong("fact_aware_unembedding_bound", bound)


def most_roots(n, r, k, b_e, facts="bijections"):
    found = theorem_4_2.shared_leaves_bound(n, r, k, b_e, facts)
    most, bits = list(exact_shared_leaves(n, r, k, b_e).items())[-1]
    return found if facts == "functions" else replace(found, bits=float(bits) - 1e-13, M=most)


LOCAL, SHARED, AWARE = (
    "disjoint_trees_bound",
    "shared_leaves_bound",
    "fact_aware_unembedding_bound",
)
WRONG = {
    "all relations are free, whatever the hops": Wrong(
        "global_bound",
        lambda n, r, k, *rest, **facts: theorem_4_2.global_bound(n, r, 1, *rest, **facts),
    ),
    "relations have no embeddings": more("global_bound", lambda n, r, k, b_e: r * b_e),
    "embeddings add bits": more("global_bound", lambda n, r, k, b_e: 2 * (n + r) * b_e),
    "rounded to the nearest, not down": more("global_bound", lambda *_: 1e-9),
    "two relations have N, not N^2, tuples to a table": more(
        "sharpened_global_bound", lambda n, r, *_: math.log2(n) * (r == 2)
    ),
    "no two tuples share a table": more("sharpened_global_bound", lambda n, r, *_: r > 2),
    "trees of depth k - 1": Wrong(
        LOCAL,
        lambda n, r, k, *rest, **facts: theorem_4_2.disjoint_trees_bound(
            n, r, max(k - 1, 1), *rest, **facts
        ),
    ),
    "leaves may be inner nodes": as_if(
        LOCAL,
        lambda found, n, r, k, b_e: math.perm(n, found.M * r**k),
        lambda found, n, r, k, b_e: (found.M + r) * b_e,
    ),
    "one leaf for each root": as_if(
        LOCAL,
        lambda found, n, r, k, b_e: math.perm(n - found.M * tree(r, k), found.M),
        lambda found, n, r, k, b_e: (found.M + r) * b_e,
    ),
    "relations of local trees have no embeddings": more(LOCAL, lambda n, r, k, b_e: r * b_e),
    "another number of roots is reported": other(
        LOCAL, lambda found, *_, **__: {"M": found.M + 1}
    ),
    "inner nodes of functions are choices too": other(
        LOCAL,
        lambda found, n, r, k, b_e, functions: {
            "bits": found.bits + functions * found.M * tree(r, k) * math.log2(n)
        },
    ),
    "edges may lead to inner nodes": as_if(
        SHARED,
        lambda found, n, r, k, b_e: math.perm(n, found.M * r ** (k - 1)) ** r,
        lambda found, n, r, k, b_e: (found.M + r) * b_e,
    ),
    "edges of one relation alone": as_if(
        SHARED,
        lambda found, n, r, k, b_e: math.perm(
            n - found.M * tree(r, k - 1), found.M * r ** (k - 1)
        ),
        lambda found, n, r, k, b_e: (found.M + r) * b_e,
    ),
    "as many roots as there are, not the best number": Wrong(SHARED, most_roots),
    "the condition of disjoint trees": Wrong(
        SHARED,
        lambda n, r, k, *rest, **facts: theorem_4_2.disjoint_trees_bound(n, r, k, *rest, **facts),
    ),
    "one relation fewer to the targets": as_if(
        AWARE,
        lambda found, n, r, k, b_e, b_u: math.factorial(found.Q) ** (r**found.j),
        lambda found, n, r, k, b_e, b_u: (found.M + r) * b_e + found.Q * b_u,
    ),
    "roots are permuted, not targets": as_if(
        AWARE,
        lambda found, n, r, k, b_e, b_u: math.factorial(found.M) ** (r ** (found.j + 1)),
        lambda found, n, r, k, b_e, b_u: (found.M + r) * b_e + found.Q * b_u,
    ),
    "rows of the unembedding for roots": as_if(
        AWARE,
        lambda found, n, r, k, b_e, b_u: math.factorial(found.Q) ** (r ** (found.j + 1)),
        lambda found, n, r, k, b_e, b_u: (found.M + r) * b_e + found.M * b_u,
    ),
    "the depths add up to k": other(AWARE, lambda found, *_, **__: {"j": found.j + 1}),
    "the worst split": as_split(lambda found: min(found, key=lambda pair: pair[1])),
    "of equals the largest M": as_split(
        lambda found: max(found, key=lambda pair: (pair[1], pair[0][1]))
    ),
    "functions choose among the roots": other(
        AWARE,
        lambda found, *_, functions: {
            "bits": found.bits + functions * math.log2(max(found.M / found.Q, 1))
        },
    ),
    "rows of both kinds have the bits of an embedding": Wrong(
        "every_bound", lambda n, r, k, b_e, b_u: theorem_4_2.every_bound(n, r, k, b_e, b_e)
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_bound_is_caught(wrong):
    caught = []
    for detector in DETECTORS:
        try:
            detector(WRONG[wrong])
        except (AssertionError, LookupError, InputError) as error:
            caught.append(error)
            break
    assert caught
