"""A real Dask cluster of worker processes on this machine, of which one is killed."""

import os
import signal
import sys
from dataclasses import replace

import dask
import distributed
import pytest
from items import done_or_raise, killed_first, process
from made_up_scheduler import MEANT, Scheduler

from constructions.guards.errors import InputError
from verify.__main__ import main
from verify.cells.cell import Cell
from verify.cells.jobs import CELLS
from verify.runner.cluster import Cluster, cluster
from verify.runner.job import Cost, Job, Kind
from verify.runner.outcome import Lost
from verify.runner.places import here
from verify.runner.running import run_jobs

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(autouse=True, scope="module")
def _workers_that_were_killed_are_waited_for():
    """A cluster of this process closes the nanny of a worker that has ended and that has not come
    back 15 seconds later, for ever; on a busy machine, or where it is killed again, it comes later
    than that, and the next test would find no worker.
    """
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1 hour"}):
        yield


@pytest.fixture(scope="module")
def address():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as local:
        yield local.scheduler_address


CELLS_OF_ALL_KINDS = [
    Cell(name, 5, 2, hops, form=form)
    for name, hops in (("selector", 1), ("key_value_rows", 2), ("chain_of_thought", 3))
    for form in ("", "basis", "layernorm pre")
]


def found(jobs, place, after=lambda index: None):
    """The results of all jobs, each of which is reported once; without their seconds."""
    outcomes = {}
    for index, outcome in run_jobs(jobs, place):
        assert index not in outcomes
        outcomes[index] = outcome
        after(len(outcomes))
    return [replace(outcomes[index].result, seconds=0.0) for index in range(len(jobs))]


@pytest.mark.long
def test_results_are_those_of_this_process_although_a_worker_is_killed(address):
    jobs = [Job(CELLS, cell, "code") for cell in CELLS_OF_ALL_KINDS]
    with here(0) as place:
        undisturbed = found(jobs, place)
    with cluster(address) as place:
        pid = place.submit(Cost(0, 0), process).result()
        assert pid != os.getpid()

        def kill(n_done):
            if n_done == 3:
                os.kill(pid, signal.SIGKILL)

        assert found(jobs, place, kill) == undisturbed
    assert {result.verdict for result in undisturbed} == {"PASS"}


@pytest.mark.long
def test_a_job_that_kills_each_worker_is_reported_and_the_rest_goes_on(address):
    kind = Kind("made up", str, done_or_raise, repr, lambda item: Cost(0, 0), None)
    with cluster(address) as place:
        outcomes = dict(run_jobs([Job(kind, item, "code") for item in ("a", "kill", "b")], place))
    assert (outcomes[0].result, outcomes[2].result) == ("a is done", "b is done")
    assert isinstance(outcomes[1], Lost)
    assert "KilledWorker" in str(outcomes[1])
    assert not outcomes[1].crashed


@pytest.mark.long
def test_all_on_a_cluster(address, monkeypatch, capsys):
    monkeypatch.setattr("verify.cli.commands.cells.default_grid", lambda: CELLS_OF_ALL_KINDS)
    assert main(["all", "--dask", address]) == 0
    assert "PASS: 9 cells planned, 9 passed" in capsys.readouterr().out


@pytest.mark.long
def test_workers_of_several_threads_are_refused(capsys):
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as local:
        assert main(["all", "--dask", local.scheduler_address]) == 2
    assert "start workers with --nthreads 1, one process for each core" in capsys.readouterr().err


@pytest.mark.long
def test_the_address_of_a_worker_is_told(address, capsys):
    with distributed.Client(address) as client:
        worker = next(iter(client.scheduler_info()["workers"]))
    assert main(["all", "--dask", worker]) == 2
    assert "this is a worker; give the address that it was given" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.parametrize(
    "address", ["nonsense", "tcp://127.0.0.1:1", "tcp://no-host.invalid:8786"]
)
def test_a_cluster_that_is_not_there_is_reported(address, capsys, monkeypatch):
    monkeypatch.setattr("verify.runner.cluster.SECONDS", 2)
    assert main(["all", "--dask", address]) == 2
    before, said, why = capsys.readouterr().err.partition("no scheduler has answered there: ")
    assert before == f"error: --dask {address}: "
    assert said
    assert why.strip(), "an error of the network may have no words"


@pytest.mark.parametrize("workers", [0, 1, 64])
def test_each_worker_is_given_one_job_ahead(workers):
    place = Cluster(Scheduler(workers), MEANT)
    assert place.workers() == workers
    assert place.slots() == max(1, 2 * workers), "some may come later"


def test_workers_that_are_unfit_are_given_no_job_also_if_they_come_later(monkeypatch):
    monkeypatch.setattr("verify.runner.cluster.A_MOMENT", -1.0)
    scheduler, said = Scheduler(3, other_code=[1, 4], threads=[3]), []
    place = Cluster(scheduler, MEANT, said.append)
    assert place.workers() == 2
    assert said == ["the worker worker 1 is given no job: it is old"]
    scheduler.workers = 6
    assert place.workers() == 3
    assert [line[:31] for line in said[1:]] == [
        "the worker worker 3 is given no",
        "the worker worker 4 is given no",
    ]
    assert "start workers with --nthreads 1" in said[1]
    place.require_workers("here")
    scheduler.workers, scheduler.other_code = 2, [0, 1]
    with pytest.raises(InputError, match="here: no worker can do a job; of worker 0: it is old"):
        Cluster(scheduler, MEANT).require_workers("here")


def test_without_dask_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(["all", "--dask", "tcp://127.0.0.1:1"]) == 2
    assert "error: --dask needs the package distributed: pip install" in capsys.readouterr().err


def test_memory_is_not_asked_for_beside_a_cluster(capsys):
    assert main(["all", "--dask", "tcp://127.0.0.1:1", "--memory", "1GiB"]) == 2
    assert "workers of Dask have limits of their own" in capsys.readouterr().err


@pytest.mark.long
def test_a_job_whose_only_large_worker_has_ended_is_taken_back(tmp_path, monkeypatch):
    """The nanny starts another worker in its place, which has another address."""
    monkeypatch.setattr("verify.runner.running.A_WHILE", 0.2)
    monkeypatch.setattr("verify.runner.cluster.A_MOMENT", 0.2)
    costs = {str(tmp_path / "large"): Cost(1, 10**9), str(tmp_path / "small"): Cost(1, 0)}
    kind = Kind("made up", str, killed_first, repr, costs.__getitem__, None)
    with (
        distributed.SpecCluster(
            scheduler={"cls": distributed.Scheduler, "options": {"dashboard_address": None}},
            workers={
                name: {"cls": distributed.Nanny, "options": {"nthreads": 1, "memory_limit": most}}
                for name, most in (("large", "4GiB"), ("small", "500MiB"))
            },
        ) as local,
        cluster(local.scheduler_address) as place,
    ):
        outcomes = dict(run_jobs([Job(kind, file, "code") for file in costs], place))
    assert [outcomes[index].result for index in (0, 1)] == ["done", "done"]
    assert (tmp_path / "large").read_text() == "xx"


@pytest.mark.long
def test_a_scheduler_that_ends_is_told_in_the_results(monkeypatch):
    """No exception of the client's ends the run: the first results stay."""
    kind = Kind("made up", str, done_or_raise, repr, lambda item: Cost(0, 0), None)
    monkeypatch.setattr("verify.runner.cluster.SECONDS", 2)
    local = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with local, cluster(local.scheduler_address) as place:
        jobs = [Job(kind, f"{number}", "code") for number in range(40)]
        outcomes = {}
        for index, outcome in run_jobs(jobs, place):
            outcomes[index] = outcome
            if len(outcomes) == 3:
                local.close()
    assert len(outcomes) == 40
    lost = [str(one) for one in outcomes.values() if isinstance(one, Lost)]
    assert len(lost) >= 30
    assert any("others were lost" not in why for why in lost)


@pytest.mark.long
def test_a_cluster_without_workers_is_told(monkeypatch, capsys):
    def interrupted(*words, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("verify.runner.long_work.run_jobs", interrupted)
    with distributed.LocalCluster(n_workers=0, dashboard_address=None) as local:
        assert main(["all", "--dask", local.scheduler_address]) == 130
    assert "no worker is there yet; jobs wait 10 min for the first" in capsys.readouterr().err
