"""What all tests of exports have: no network, and a small family."""

import random
import socket

import numpy as np
import pytest
from export_tools import FAMILY

from constructions import (
    FactTable,
    chain_of_thought,
    selector,
)
from constructions.export import to_huggingface


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    def refuse(*_):
        raise AssertionError("a test of exports asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def family():
    return chain_of_thought(FactTable.from_triples(FAMILY), max_hops=2)


@pytest.fixture
def rng():
    seed = random.getrandbits(32)
    print(f"seed {seed}")
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def chain():
    return to_huggingface(chain_of_thought(FactTable.from_triples(FAMILY), max_hops=2))


@pytest.fixture(scope="module")
def single():
    return to_huggingface(selector(FactTable.from_triples(FAMILY)))
