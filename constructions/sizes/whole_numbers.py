"""Functions of whole numbers that size formulas are made of, exact at every size."""

from __future__ import annotations

from functools import lru_cache


def bits(values: int) -> int:
    """ceil(log2 n): the bits that tell n >= 1 values apart; 0 for one."""
    return (values - 1).bit_length()


def digits(values: int, base: int) -> int:
    """ceil(log_q n): the digits of base q >= 2 that tell n >= 1 values apart; 0 for one."""
    count, told_apart = 0, 1
    while told_apart < values:
        count, told_apart = count + 1, told_apart * base
    return count


@lru_cache(maxsize=1024, typed=True)
def tree(base: int, terms: int) -> int:
    """1 + R + ... + R^(n-1): the vertices of an R-ary tree of depth n - 1; 0 for n = 0."""
    if base == 1:
        return terms
    total: int = (base**terms - 1) // (base - 1)
    return total


def odd(number: int) -> int:
    """A positive number without its factors of two."""
    return number // (number & -number)


def least_gain(relations: int) -> int:
    """The gain beta of `attention_selector` for R relations: the least positive integer with
    2.718^beta >= 2 R - 1, so that e^beta >= 2 R - 1 and the margin is at least 1.
    """
    gain = 1
    while 2718**gain < (2 * relations - 1) * 1000**gain:
        gain += 1
    return gain
