"""A run that has lost all its workers ends; what is done stays, and the next run goes on."""

import signal
import time
from concurrent.futures import Future

import distributed
import pytest
from items import done_or_raise
from made_up_scheduler import MEANT, Scheduler

from verify.cells.cell import Cell
from verify.cells.jobs import CELLS
from verify.runner.cluster import WITHOUT_WORKERS, Cluster
from verify.runner.job import Cost, Job, Kind
from verify.runner.long_work import Settings, Watcher, planned, work
from verify.runner.outcome import Lost
from verify.runner.places import Place
from verify.runner.running import run_jobs

pytestmark = pytest.mark.filterwarnings("default")


class Deserted(Place):
    """A place whose workers do the first jobs, and go; it says so when `looks` have passed."""

    def __init__(self, does, looks=3):
        self.does, self.looks, self.handed = does, looks, 0

    def workers(self):
        return 2

    def submit(self, cost, function, *arguments):
        future = Future()
        self.handed += 1
        if self.handed <= self.does:
            future.set_result(function(*arguments))
        return future

    def deserted(self):
        self.looks -= 1
        return "" if self.looks > 0 else "all are gone"


MADE_UP = Kind("made up", str, done_or_raise, repr, lambda item: Cost(0, 0), None)


@pytest.mark.parametrize("does", range(6))
def test_a_run_whose_place_is_deserted_ends_with_what_is_done(does, monkeypatch):
    monkeypatch.setattr("verify.runner.running.A_WHILE", 0.01)
    jobs = [Job(MADE_UP, f"{number}", "code") for number in range(5)]
    outcomes = dict(run_jobs(jobs, Deserted(does, looks=8)))
    assert sorted(outcomes) == [0, 1, 2, 3, 4], "each is reported, once"
    assert [outcomes[n].result for n in range(min(does, 5))] == [
        f"{n} is done" for n in range(min(does, 5))
    ]
    for number in range(does, 5):
        assert isinstance(outcomes[number], Lost)
        assert str(outcomes[number]) == "it was not done: all are gone"
        assert not outcomes[number].crashed


def test_a_place_that_says_nothing_would_be_waited_for(monkeypatch):
    """The control of the test above: without the word of the place the run goes on waiting."""

    class Enough(Exception):
        pass

    class Silent(Deserted):
        def deserted(self):
            self.looks -= 1
            if not self.looks:
                raise Enough
            return ""

    monkeypatch.setattr("verify.runner.running.A_WHILE", 0.01)
    jobs = [Job(MADE_UP, f"{number}", "code") for number in range(5)]
    with pytest.raises(Enough):
        list(run_jobs(jobs, Silent(2, looks=20)))


def test_a_cluster_is_deserted_when_it_has_had_no_worker_for_long(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("verify.runner.cluster.time.monotonic", lambda: now[0])
    scheduler = Scheduler(2, other_code=[5])
    place = Cluster(scheduler, MEANT)

    def later(seconds, workers):
        now[0] += seconds
        scheduler.workers = workers
        return place.deserted()

    assert later(0, 2) == ""
    assert later(10**5, 0) == "", "it was not looked for long, and there may have been some"
    assert later(WITHOUT_WORKERS - 1, 0) == ""
    assert later(1, 1) == "", "one has come, at the last moment"
    assert later(10, 0) == ""
    assert later(WITHOUT_WORKERS - 1, 0) == ""
    said = "at least one worker was expected, and for 10 min there was none"
    assert later(1, 0) == said
    assert later(10, 1) == said, "the run has ended meanwhile"


def test_workers_that_are_given_no_job_are_none(monkeypatch):
    monkeypatch.setattr("verify.runner.cluster.A_MOMENT", -1.0)
    monkeypatch.setattr("verify.runner.cluster.WITHOUT_WORKERS", 0.0)
    place = Cluster(Scheduler(1, other_code=[0]), MEANT)
    assert place.deserted() == ""
    assert place.deserted().endswith("there was none; worker 0 is given no job: it is old")


class Heard(Watcher):
    """Keeps what is remarked."""

    def __init__(self):
        self.remarks = []

    def remark(self, text):
        self.remarks.append(text)


@pytest.mark.long
def test_a_run_that_loses_all_workers_ends_and_goes_on_from_its_journal(tmp_path, monkeypatch):
    monkeypatch.setattr("verify.runner.running.A_WHILE", 0.2)
    monkeypatch.setattr("verify.runner.cluster.A_MOMENT", 0.2)
    monkeypatch.setattr("verify.runner.cluster.WITHOUT_WORKERS", 3.0)
    cells = [Cell("selector", 5, 2, 1, seed=seed) for seed in range(20)]
    journal, heard = tmp_path / "all.journal", Heard()

    def ran(local, after, watcher):
        settings = Settings(dask=local.scheduler_address, journal=journal)
        found = {}
        for index, result in work(planned(CELLS, cells, settings), settings, watcher):
            assert index not in found
            found[index] = result
            if len(found) == after:
                local.scale(0)
                while local.scheduler.workers:
                    time.sleep(0.1)
        return [found[index] for index in range(len(cells))]

    def waits_for_ever(*signalled):
        raise TimeoutError("the run has not ended")

    cluster_of = {"threads_per_worker": 1, "processes": True, "dashboard_address": None}
    signal.signal(signal.SIGALRM, waits_for_ever)
    signal.alarm(600)
    try:
        with distributed.LocalCluster(n_workers=2, **cluster_of) as local:
            first = ran(local, 3, heard)
        done = [result for result in first if result.verdict == "PASS"]
        assert 3 <= len(done) < len(cells)
        assert {result.verdict for result in first} == {"PASS", "UNKNOWN"}
        assert [line for line in heard.remarks if line.startswith("error")] == [
            f"error: --dask {local.scheduler_address}: at least one worker was expected, and for"
            f" 10 s there was none; {len(cells) - len(done)} of 20 jobs are not done."
            f" {journal} keeps what is done: start workers, and give the same command again"
        ]
        after = Heard()
        with distributed.LocalCluster(n_workers=2, **cluster_of) as local:
            second = ran(local, None, after)
        assert after.remarks == [f"{journal}: {len(done)} of 20 jobs are done"]
        assert {result.verdict for result in second} == {"PASS"}
    finally:
        signal.alarm(0)
