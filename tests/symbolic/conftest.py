"""Small models that are made malformed."""

import pytest
from hand_made import built, files_of
from proofs import MALFORMED


@pytest.fixture(scope="module")
def small():
    return {name: files_of(built(name, 3)) for name in MALFORMED}
