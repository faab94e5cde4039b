"""Random rows that are spread as a decoder's own are, in any basis."""

from __future__ import annotations

import numpy as np

from verify.learned.decoder import Floats, pieces

_WEIGHTS_AT_ONCE = 2**22


def shifts_alike(rows: Floats, n: int, generator: np.random.Generator) -> Floats:
    """Gaussian vectors (n, d) with mean 0 and the covariance of rows (N, d): sums of centred rows
    with Gaussian weights, so that the same seed draws the same vectors in every basis.
    """
    centred = (rows - rows.mean(axis=0)) / np.sqrt(len(rows))
    drawn = [
        generator.standard_normal((part.stop - part.start, len(rows))) @ centred
        for part in pieces(n, _WEIGHTS_AT_ONCE // len(rows))
    ]
    return np.concatenate(drawn)


def rows_alike(rows: Floats, generator: np.random.Generator) -> Floats:
    """Gaussian rows (N, d) with the mean and the covariance of these."""
    alike: Floats = rows.mean(axis=0) + shifts_alike(rows, len(rows), generator)
    return alike


def size_of(rows: Floats) -> float:
    """The root mean square of an entry of the centred rows."""
    return float(np.sqrt(np.square(rows - rows.mean(axis=0)).mean()))
