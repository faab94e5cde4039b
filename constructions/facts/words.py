"""Words: paths of relations, in lexicographic order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def all_words(n_relations: int, length: int) -> NDArray[np.int64]:
    """All words of the given length, in lexicographic order: int64 (R^length, length)."""
    return np.indices((n_relations,) * length).reshape(length, n_relations**length).T
