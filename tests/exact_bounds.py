"""The bounds of Theorem 4.2 in exact integers, for small sizes: every number of roots is tried."""

import math

import mpmath


def tree(r, n):
    return sum(r**i for i in range(n))


def exact(count, spent):
    """log2 of an exact integer less an integer, to 80 digits."""
    with mpmath.workdps(80):
        return mpmath.log(mpmath.mpf(count), 2) - spent


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


def exact_refillings(places, free, rows, wrong):
    """Q(L, F, R, e) of bounds/refillings.py, as an integer: row after row."""
    one_row = [
        math.comb(places, x) * math.perm(free + x, x) for x in range(min(wrong, places) + 1)
    ]
    found = [1] + wrong * [0]
    for _ in range(rows):
        found = [
            sum(one_row[x] * found[e - x] for x in range(min(e, len(one_row) - 1) + 1))
            for e in range(wrong + 1)
        ]
    return found[wrong]


def exact_served(places, free, rows, wrong):
    """The same, or all ways if these are fewer."""
    return min(
        exact_refillings(places, free, rows, wrong), math.perm(places + free, places) ** rows
    )


def wrong_of(n, r, k, share):
    return math.floor(share * n * r**k)


def exact_imperfect_global(n, r, k, share):
    """The best number of words, by trying all."""
    e, free = wrong_of(n, r, k, share), r if k == 1 else r - 1
    return max(
        exact(math.factorial(n) ** free, 0) - exact(c * exact_served(n, 0, r, e // c), 0)
        for c in range(1, r ** (k - 1) + 1)
    )


def exact_imperfect_saved(n, r, k, share):
    """With log2(N!) saved, or None where that is not claimed."""
    q = 2 * wrong_of(n, r, k, share) // r ** (k - 1)
    if k == 1 or r == 1 or q == 0 or 2 * q > n:
        return None
    served = n * math.comb(n, 2 * q) * math.perm(n, 2 * q) * exact_served(n, 0, r, q)
    return exact(math.factorial(n) ** r, exact(served, 0))


def exact_imperfect_shared_leaves(n, r, k, share, b_e, m):
    """For M roots."""
    length, inner = m * r ** (k - 1), m * tree(r, k - 1)
    wrong = m * math.floor(share * r**k)
    served = exact_served(length, n - inner - length, r, wrong)
    return exact(math.perm(n - inner, length) ** r, exact(served, 0)) - (m + r) * b_e
