"""Random rows that are spread as a decoder's own are, in any basis."""

from __future__ import annotations

import numpy as np

from verify.learned.decoder import Floats


def shifts_alike(rows: Floats, n: int, generator: np.random.Generator) -> Floats:
    """Gaussian vectors (n, d) with mean 0 and the covariance of rows (N, d)."""
    centred = rows - rows.mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    drawn = generator.standard_normal((n, len(sizes)))
    shifts: Floats = drawn @ (sizes[:, None] * axes) / np.sqrt(len(rows))
    return shifts


def rows_alike(rows: Floats, generator: np.random.Generator) -> Floats:
    """Gaussian rows (N, d) with the mean and the covariance of these."""
    alike: Floats = rows.mean(axis=0) + shifts_alike(rows, len(rows), generator)
    return alike


def size_of(rows: Floats) -> float:
    """The root mean square of an entry of the centred rows."""
    return float(np.sqrt(np.square(rows - rows.mean(axis=0)).mean()))
