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
