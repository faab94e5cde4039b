"""Long work from Python: each job once, parts that make the whole, and what is remarked."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from items import squared

from verify.runner.job import Cost, Kind
from verify.runner.long_work import Settings, Watcher, planned, work


class Heard(Watcher):
    """Keeps all that it hears."""

    def __init__(self):
        self.remarks, self.was_known, self.has_ended = [], [], []

    def remark(self, text):
        self.remarks.append(text)

    def known(self, index, seconds):
        self.was_known.append(index)

    def ended(self, index, seconds):
        self.has_ended.append(index)


SQUARES = Kind(
    "square", int, squared, lambda n: {"n": n}, lambda n: Cost(1.0, n), lambda n, why: 0
)


def done(numbers, watcher=None, **settings):
    settings = Settings(**{"workers": 0, **settings})
    plan = planned(SQUARES, numbers, settings)
    found = dict(work(plan, settings, watcher))
    return [found[index] for index in range(len(plan.jobs))]


@given(st.lists(st.integers(0, 9), max_size=20), st.integers(1, 5))
def test_each_job_is_done_once_and_parts_make_the_whole(numbers, of):
    once = list(dict.fromkeys(numbers))
    assert done(numbers) == [n * n for n in once]
    parts = [done(numbers, part=(which, of)) for which in range(1, of + 1)]
    assert sorted(itertools.chain.from_iterable(parts)) == sorted(n * n for n in once)


def test_what_a_journal_holds_is_known_and_not_done_again(tmp_path, monkeypatch):
    first, second = Heard(), Heard()
    path = tmp_path / "a.journal"
    kind_of_ints(monkeypatch)
    assert done(range(3), first, journal=path) == [0, 1, 4]
    assert done(range(5), second, journal=path) == [0, 1, 4, 9, 16]
    assert (first.was_known, first.has_ended) == ([], [0, 1, 2])
    assert (second.was_known, second.has_ended) == ([0, 1, 2], [3, 4])
    assert second.remarks == [f"{path}: 3 of 5 jobs are done"]


def kind_of_ints(monkeypatch):
    """A journal stores dataclasses; here numbers do."""
    monkeypatch.setattr("verify.runner.journal.encode", lambda value: {"value": value})
    monkeypatch.setattr("verify.runner.journal.decode", lambda kind, said: said["value"])


@pytest.mark.parametrize(("memory", "said"), [(1, 1), (10**12, 0)])
def test_more_workers_than_memory_are_remarked(memory, said):
    heard = Heard()
    assert done(range(3), heard, workers=2, memory=memory) == [0, 1, 4]
    assert len(heard.remarks) == said
    assert all("2 workers take all memory" in remark for remark in heard.remarks)


def test_closing_ends_the_work():
    plan = planned(SQUARES, range(10), Settings(workers=0))
    results = work(plan, Settings(workers=0))
    assert next(results) == (0, 0)
    results.close()
    assert list(results) == []
