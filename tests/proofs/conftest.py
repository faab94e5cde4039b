"""Folders of proofs that are built once for all tests of a worker."""

import coq
import pytest


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A function that builds a copy of a folder, once."""
    copies = {}

    def folder_of(proofs):
        if proofs not in copies:
            copies[proofs] = coq.copied(proofs, tmp_path_factory.mktemp("proofs") / "copy")
            coq.build(copies[proofs])
        return copies[proofs]

    return folder_of
