"""Attacks on the kernel: whatever it passes is run on every query by a forward pass of the tests'
own. Models are drawn at random, right ones and wrong ones; and a kernel that is broken on purpose
is caught.
"""

import numpy as np
import pytest
from drawn_changes import low_gain, scaled
from drawn_models import chains, drawn_of_the_catalogue, memory
from drawn_spies import (
    blurred,
    random_model,
    shift,
    spied,
    spy_of_written,
    spy_own,
    spy_pad,
    spy_token,
    spy_unit,
)
from reference_pass import broken, is_right
from tiers import few

from verify.checking.check import check_files
from verify.kernel import arithmetic
from verify.kernel.arithmetic import Noted
from verify.kernel.folder import Model
from verify.kernel.proof import Position


def generator():
    """One that depends on TEST_SEED and on the test."""
    return np.random.default_rng(np.random.randint(2**31))


@pytest.mark.parametrize("number", few([60, 1500], 60))
def test_what_the_kernel_passes_is_so(number):
    rng, passed, refused = generator(), 0, 0
    for _ in range(number):
        drawn = random_model(rng)
        files = drawn.files()
        verdict = check_files(files, "kernel")
        found = broken(verdict, files, drawn.facts, rng)
        assert not found, (found, verdict, drawn)
        passed += verdict.verdict == "PASS"
        refused += verdict.verdict != "PASS" and not is_right(files, drawn.facts)
    assert passed >= number // 5  # and many a model that is refused is wrong indeed
    assert refused >= number // 20


@pytest.mark.parametrize("number", few([20, 200], 20))
def test_a_memory_of_codes_of_ones_own_is_proven(number):
    rng = generator()
    verdicts = [check_files(memory(rng).files(), "kernel").verdict for _ in range(number)]
    assert verdicts.count("PASS") >= number * 3 // 5
    assert "FAIL" not in verdicts


# Kernels that are broken on purpose.


def never(monkeypatch, name):
    """A mark of columns is never set."""
    off = property(lambda self: np.zeros(self.model.embedding.shape[1], bool), lambda *_: None)
    monkeypatch.setattr(Position, name, off, raising=False)


def leaks_are_ignored(monkeypatch):
    monkeypatch.setattr(Position, "leaks", lambda self, *_: np.zeros_like(self.error))


def leaks_are_thought_small(monkeypatch):
    leaks = Position.leaks
    monkeypatch.setattr(Position, "leaks", lambda *given: leaks(*given) / 50)


def letters_that_are_not_at_hand_are_not_looked_at(monkeypatch):
    def read(self, matrix, what):
        return self.known + sum(table[0] for table in self.tables.values())

    monkeypatch.setattr(Position, "read", read)


def columns_of_which_nothing_is_known_are_read(monkeypatch):
    never(monkeypatch, "unknown")


def what_a_layer_has_written_is_read(monkeypatch):
    never(monkeypatch, "written")


def all_columns_are_kept(monkeypatch):
    def rebase(self, blocks, where, last):
        if not last:
            nodes, at = np.unique(self.reached, return_inverse=True)
            known = np.empty((len(nodes), self.known.shape[1]))
            known[at] = self.known
            self.reached, self.known, self.at_hand = nodes, known, [None]
            self.cases = nodes[:, None]

    monkeypatch.setattr(Position, "rebase", rebase)


def floats_are_thought_exact(monkeypatch):
    monkeypatch.setattr(Noted, "doubt", lambda *_: "")


def sums_are_not_noted(monkeypatch):
    monkeypatch.setattr(Noted, "sums", lambda *_: None)


def nothing_overflows(monkeypatch):
    monkeypatch.setattr(arithmetic, "FINITE", dict.fromkeys(arithmetic.FINITE, 1023))


def a_small_gap_is_thought_one_hot(monkeypatch):
    monkeypatch.setattr(arithmetic, "ONE_HOT_GAP", 15)


def a_path_never_ends_early(monkeypatch):
    kinds = Model.kinds

    def alike(*given):
        return ["letter" if kind == "either" else kind for kind in kinds(*given)]

    monkeypatch.setattr(Model, "kinds", alike)


def unknown_is_never_written(monkeypatch):
    init = Model.__init__

    def forgetful(self, *given):
        init(self, *given)
        self.rows["written"] = self.rows["entity"]

    monkeypatch.setattr(Model, "__init__", forgetful)


BROKEN = {
    leaks_are_ignored: (memory, low_gain),
    leaks_are_thought_small: (memory, low_gain),
    letters_that_are_not_at_hand_are_not_looked_at: (memory, spy_unit),
    columns_of_which_nothing_is_known_are_read: (memory, spy_token),
    what_a_layer_has_written_is_read: (memory, spy_of_written),
    all_columns_are_kept: (memory, spy_token),
    floats_are_thought_exact: (drawn_of_the_catalogue, shift),
    sums_are_not_noted: (memory, shift),
    nothing_overflows: (memory, scaled),
    a_small_gap_is_thought_one_hot: (memory, blurred),
    a_path_never_ends_early: (chains, spy_pad),
    unknown_is_never_written: (chains, spy_own),
}
"""Each with the models on which it shows."""
MOST_DRAWN = 3000


@pytest.mark.parametrize(
    "breaks",
    few(
        BROKEN,
        leaks_are_ignored,
        what_a_layer_has_written_is_read,
        floats_are_thought_exact,
        sums_are_not_noted,
    ),
)
def test_a_broken_kernel_is_caught(breaks, monkeypatch):
    rng, (make, change) = generator(), BROKEN[breaks]
    breaks(monkeypatch)
    for _ in range(MOST_DRAWN):
        drawn = spied(rng, make(rng), (change,))
        files = drawn.files()
        if broken(check_files(files, "kernel"), files, drawn.facts, rng):
            return
    pytest.fail("nothing that it passes is wrong")
