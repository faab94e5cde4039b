"""Seeds and tiers of the whole suite; CONTRIBUTING.md says how they are used.

Everything that tests draw derives from one number, the environment variable TEST_SEED. Where it
is not set, each run draws another, and prints it when a test fails, so that the run can be
repeated. TEST_EXAMPLES is how many examples Hypothesis draws where a test does not say.
"""

import os
import random
import secrets
import sys
import zlib

import numpy as np
import pytest
from hypothesis import settings

# Each worker of xdist has a core to itself; torch would start as many threads as there are cores.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Before the workers of xdist start, so that all of them have the same.
FRESH = "TEST_SEED" not in os.environ
os.environ.setdefault("TEST_SEED", str(secrets.randbits(32)))

settings.register_profile(
    "ours",
    deadline=None,
    max_examples=int(os.environ.setdefault("TEST_EXAMPLES", "15")),
    print_blob=True,
)
settings.load_profile("ours")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Give Hypothesis its seed."""
    if config.getoption("hypothesis_seed", None) is None:
        config.option.hypothesis_seed = os.environ["TEST_SEED"]


def pytest_runtest_setup(item):
    """Start the generators that tests share at a number that depends on the seed and on the test
    alone, so that no order of tests matters.
    """
    seed = zlib.crc32(f"{os.environ['TEST_SEED']} {item.nodeid}".encode())
    random.seed(seed)
    np.random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def pytest_terminal_summary(terminalreporter, exitstatus):
    """The seed, where it may be wanted."""
    if exitstatus or not FRESH:
        said = " ".join(f"{name}={os.environ[name]}" for name in ("TEST_SEED", "TEST_EXAMPLES"))
        terminalreporter.write_line(f"{said} in the environment repeats these draws")
