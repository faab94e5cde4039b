"""Jobs are run in their order, within memory, each is reported once, and lost ones say why."""

import itertools
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from items import done_or_raise, killed_first, made_of, squared
from made_up_places import Simulated, wait

from constructions import FactTable, save, selector
from verify.attacking.jobs import SERIES_OF_ATTACKS, all_attacks
from verify.runner.executors import Serial
from verify.runner.job import Cost, Job, Kind
from verify.runner.outcome import Done, Lost
from verify.runner.performing import perform
from verify.runner.places import Here, here
from verify.runner.running import MOST_LOST, ORDERS, run_jobs
from verify.runner.same_code import Meant, meant


@pytest.fixture(autouse=True, scope="module")
def _simulated_places_finish_jobs():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("verify.runner.running.wait", wait)
        yield


def kind_of(run, costs=None):
    return Kind(
        "made up",
        str,
        run,
        lambda argument: {"argument": repr(argument)},
        lambda argument: Cost(1.0, 0) if costs is None else costs[argument],
        lambda argument, why: f"{argument}: {why}",
    )


def jobs_of(run, arguments, costs=None):
    kind = kind_of(run, costs)
    return [Job(kind, argument, "code") for argument in arguments]


def outcomes(jobs, place, order="listed"):
    """What has become of each job; each must be reported once."""
    found = list(run_jobs(jobs, place, order))
    assert Counter(index for index, _ in found) == Counter(range(len(jobs)))
    return [outcome for _, outcome in sorted(found, key=lambda one: one[0])]


def results(jobs, place, order="listed"):
    return [
        outcome.result if isinstance(outcome, Done) else str(outcome)
        for outcome in outcomes(jobs, place, order)
    ]


# --------------------------------------------------------- the same results


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_results_are_the_same_whatever_executor_number_and_order(order, workers):
    arguments = list(range(20))
    costs = {n: Cost((7 * n) % 5 + 1.0, 0) for n in arguments}
    with here(workers) as place:
        assert results(jobs_of(squared, arguments, costs), place, order) == [
            n * n for n in arguments
        ]


def test_a_job_is_measured():
    with here(1) as place:
        small, large, after = outcomes(jobs_of(made_of, [10**6, 3 * 10**8, 10**6]), place)
    assert small.memory < large.memory - 2 * 10**8
    assert after.memory < large.memory - 2 * 10**8, "the peak is that of each job"
    assert 0 < small.seconds < 60
    assert small.where


# ------------------------------------------------------------ order, memory

COSTS = st.lists(
    st.builds(Cost, st.floats(0.1, 100), st.integers(0, 100)), min_size=1, max_size=30
)


@given(COSTS, st.integers(1, 5), st.integers(0, 100), st.sampled_from(ORDERS), st.randoms())
def test_what_runs_side_by_side_fits(costs, workers, memory, order, draws):
    """In whatever order jobs finish."""
    place = Simulated(workers, memory, draws)
    jobs = jobs_of(squared, list(range(len(costs))), dict(enumerate(costs)))
    assert results(jobs, place, order) == [n * n for n in range(len(costs))]
    for together in place.seen:
        assert len(together) <= workers
        assert len(together) == 1 or sum(cost.memory for cost in together) <= memory


@given(COSTS, st.randoms())
def test_a_place_that_does_not_count_memory_is_found_out(costs, draws):
    """The control of the test above: without the rule more is taken than there is."""
    costs = [*costs, Cost(1.0, 60), Cost(1.0, 60)]
    place = Simulated(len(costs), 10**9, draws)
    results(jobs_of(squared, list(range(len(costs))), dict(enumerate(costs))), place)
    assert any(sum(cost.memory for cost in together) > 100 for together in place.seen)


@given(COSTS)
def test_one_worker_begins_jobs_in_the_order_that_is_asked_for(costs):
    for order in ORDERS:
        begun = []
        jobs = jobs_of(squared, list(range(len(costs))), dict(enumerate(costs)))
        place = Here(Serial(), 1, 10**9)
        list(run_jobs(jobs, place, order, lambda running, begun=begun: begun.extend(running)))
        seconds = [costs[index].seconds for index in begun]
        expected = {
            "listed": [cost.seconds for cost in costs],
            "cheapest": sorted(seconds),
            "longest": sorted(seconds, reverse=True),
        }
        assert seconds == expected[order]
        assert sorted(begun) == list(range(len(costs)))


def test_a_job_that_takes_all_memory_runs_alone():
    costs = {"large": Cost(1.0, 99), **{f"small {n}": Cost(1.0, 30) for n in range(6)}}
    place = Simulated(3, 90, None)
    results(jobs_of(done_or_raise, list(costs), costs), place)
    assert [costs["large"]] in place.seen
    assert max(map(len, place.seen)) == 3


# ---------------------------------------------------------------- lost jobs


def test_a_job_that_raises_or_crashes_is_reported_at_once_and_the_rest_goes_on():
    items = ["a", "raise", "b", "crash", "c"]
    with here(2) as place:
        found = outcomes(jobs_of(done_or_raise, items), place)
    assert [found[i].result for i in (0, 2, 4)] == ["a is done", "b is done", "c is done"]
    assert (str(found[1]), found[1].crashed) == ("it raised ValueError: no such thing", True)
    assert (str(found[3]), found[3].crashed) == ("its process was ended by SIGABRT", True)


def test_a_job_that_is_killed_from_outside_is_tried_again_alone(tmp_path):
    files = [str(tmp_path / f"{n}") for n in range(5)]
    with here(2) as place:
        assert results(jobs_of(killed_first, files), place) == ["done"] * 5
    assert all(len((tmp_path / f"{n}").read_text()) == 2 for n in range(5))


@given(st.integers(1, 4), st.lists(st.booleans(), min_size=1, max_size=20), st.randoms())
def test_what_is_tried_again_runs_alone_after_all_others(workers, losing, draws):
    """The jobs that are True are lost the first time."""
    tries = Counter()

    def lost_first(at):
        tries[at] += 1
        if losing[at] and tries[at] == 1:
            raise MemoryError("so much")
        return at

    jobs = jobs_of(lost_first, list(range(len(losing))))
    place, moments = Simulated(workers, 10**9, draws), []
    found = list(run_jobs(jobs, place, begun=lambda running: moments.append(list(running))))
    if not any("others were lost" in str(outcome) for _, outcome in found):
        assert tries == Counter({at: 1 + losing[at] for at in range(len(losing))})
        again = moments[len(moments) - sum(losing) :] if any(losing) else []
        assert sorted(again) == [[at] for at in range(len(losing)) if losing[at]]


def test_a_job_is_not_done_by_another_version_of_the_code():
    lost = perform(squared, 3, Meant("0123456789abcdef"))
    assert isinstance(lost, Lost)
    assert "and this run began with 0123456789abcdef" in str(lost)
    assert not lost.crashed
    assert perform(squared, 3, meant()).result == 9


def test_what_was_given_and_is_no_longer_there_is_no_crash(tmp_path):
    """A model that is replaced while it is attacked says nothing of the checker."""
    folder = tmp_path / "model"
    save(selector(FactTable.random_bijections(5, 1, seed=0)), folder)
    (attacks,) = all_attacks(folder, 3, 0, ["flips"])
    save(selector(FactTable.random_bijections(6, 1, seed=0)), folder)
    lost = perform(SERIES_OF_ATTACKS.run, attacks, meant())
    assert (str(lost), lost.crashed) == (
        f"{folder} is not the model that it was when this began",
        False,
    )
    assert "it raised" in str(perform(done_or_raise, "raise", meant()))


def test_a_job_that_is_killed_each_time_is_lost_once():
    with here(2) as place:
        found = outcomes(jobs_of(done_or_raise, ["a", "kill", "b"]), place)
    assert isinstance(found[1], Lost)
    assert not found[1].crashed
    assert "SIGKILL" in str(found[1])


def test_memory_that_runs_out_is_no_fault_of_the_job():
    with here(1) as place:
        (lost,) = outcomes(jobs_of(done_or_raise, ["out of memory"]), place)
    assert (str(lost), lost.crashed) == ("out of memory: so much", False)


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("item", ["leave", "kill"])
def test_a_run_whose_workers_all_end_gives_up(workers, item):
    """With one process none is left when the rest is given up; with more, all may end at once."""
    with here(workers) as place:
        found = results(jobs_of(done_or_raise, ["a", "b", *[item] * 30]), place)
    assert found[:2] == ["a is done", "b is done"]
    not_run = [one for one in found if one.startswith("it was not run, since ")]
    assert 0 < 30 - len(not_run) <= MOST_LOST + 2 * workers or item == "kill"
    assert not_run
    assert all(one.endswith(" others were lost one after another") for one in not_run)
    why = {"leave": "its process ended with status 3", "kill": "its process was ended by SIGKILL"}
    others = found[2 : len(found) - len(not_run)]
    assert len(others) >= MOST_LOST
    assert all(one.startswith(why[item]) for one in others)


def test_losses_with_successes_between_them_are_no_reason_to_give_up():
    items = list(itertools.chain.from_iterable(["crash", f"a{n}"] for n in range(MOST_LOST + 3)))
    with here(1) as place:
        found = results(jobs_of(done_or_raise, items), place)
    assert found[1::2] == [f"{item} is done" for item in items[1::2]]
    assert set(found[::2]) == {"its process was ended by SIGABRT"}


def test_leaving_ends_the_workers_at_once():
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted_after_one(jobs_of(done_or_raise, ["a", "sleep", "sleep"]))
    assert time.monotonic() - started < 50, "what sleeps takes a minute"


def interrupted_after_one(jobs):
    with here(2) as place:
        for _ in run_jobs(jobs, place):
            raise KeyboardInterrupt


# ------------------------------------------------------------------- names


def test_a_job_is_named_by_all_that_decides_its_result():
    names = {
        Job(kind_of(squared), 3, "code").key,
        Job(kind_of(squared), 4, "code").key,
        Job(kind_of(squared), 3, "other code").key,
        Job(Kind("other", *list(vars(kind_of(squared)).values())[1:]), 3, "code").key,
    }
    assert len(names) == 4
    assert Job(kind_of(squared), 3, "code").key in names
