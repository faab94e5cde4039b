"""Folders of proofs that are built once for all tests of a worker; or once for several runs, where
PROOFS_BUILT in the environment names a folder that keeps them.
"""

import os
import shutil
from pathlib import Path

import coq
import pytest


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A function that gives a built copy of a folder, which tests may write to."""
    copies = {}

    def folder_of(proofs):
        if proofs not in copies:
            copies[proofs] = tmp_path_factory.mktemp("proofs") / "copy"
            keeps = os.environ.get("PROOFS_BUILT")
            if keeps:
                shutil.copytree(kept(proofs, Path(keeps), tmp_path_factory), copies[proofs])
            else:
                coq.build(coq.copied(proofs, copies[proofs]))
        return copies[proofs]

    return folder_of


def kept(proofs, keeps, tmp_path_factory):
    """The built folder that is kept of these very sources; it is built if there is none."""
    found = keeps / coq.digest(proofs)
    if not found.exists():
        new = coq.copied(proofs, tmp_path_factory.mktemp("proofs") / "new")
        coq.build(new)
        keeps.mkdir(parents=True, exist_ok=True)
        beside = Path(shutil.copytree(new, keeps / f"{found.name}.{os.getpid()}"))
        try:
            beside.rename(found)  # whole, or not at all
        except OSError:  # another worker was faster
            shutil.rmtree(beside)
    return found
