"""Journals of several machines, taken together: the same whatever their order, and nothing that
contradicts goes unseen.
"""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journals import done, found, job, keys, whole_lines, write

from verify.runner import journal, lines, merged
from verify.runner.contents import read
from verify.runner.journal import opened
from verify.runner.merged import Merged


def together(*paths):
    return Merged([read(path) for path in paths])


def as_one(path, *paths):
    """The journals of `paths` as one file."""
    path.write_bytes(b"".join(together(*paths).as_lines()))
    return path


def test_parts_make_the_whole_in_the_order_of_the_plan(tmp_path):
    plan = [5, 3, 1, 4, 2]
    one = write(tmp_path / "one", [5, 1, 2], plan=plan)
    other = write(tmp_path / "other", [3], lost=[4], plan=plan)
    for paths in ((one, other), (other, one)):
        both = together(*paths)
        assert both.keys == keys(plan)
        assert [result.said()["what"]["number"] for result in both.results] == [5, 3, 1, 2]
        assert [lost.entry.key for lost in both.lost_of_plan] == keys([4])
    write(other, [4], plan=plan)
    whole = together(one, other)
    assert whole.lost_of_plan == []
    undisturbed = together(write(tmp_path / "whole", plan))
    assert whole.digest == undisturbed.digest
    assert whole.digest != both.digest


def test_the_digest_is_of_results_and_of_nothing_else(tmp_path):
    first = write(tmp_path / "first", [1, 2, 3])
    order = write(tmp_path / "order", [3, 1], plan=[1, 2, 3])
    write(order, [2], plan=[1, 2, 3])
    assert together(first).digest == together(order).digest, "order and runs do not count"
    for change in ({"seconds": 7.5}, {}):
        other = write(tmp_path / f"other{len(change)}", [1, 2, 3], **change)
        assert together(first).digest == together(other).digest, "nor do seconds"
    verdict = write(tmp_path / "verdict", [1, 2, 3], verdict="FAIL")
    assert together(first).digest != together(verdict).digest
    code = write(tmp_path / "code", [1, 2, 3], code="another")
    assert together(first).digest != together(code).digest


def test_seconds_within_a_result_count_where_they_are_no_time():
    """Only the time of the result itself is left out."""
    nested = lines.digest_of_result({"seconds": 1.0, "inner": {"seconds": 1.0}})
    assert nested == lines.digest_of_result({"seconds": 2.0, "inner": {"seconds": 1.0}})
    assert nested != lines.digest_of_result({"seconds": 1.0, "inner": {"seconds": 2.0}})


def test_what_is_of_another_version_is_left_and_not_counted(tmp_path):
    path = write(tmp_path / "j", [1, 2], code="older")
    write(path, [1], plan=[1, 2])
    both = together(path)
    assert both.keys == keys([1, 2])
    assert [result.entry.key for result in both.results] == keys([1])
    assert both.n_others == 2
    assert len(both.done) == 3


def test_a_later_plan_adds_its_jobs_behind(tmp_path):
    path = write(tmp_path / "j", [2, 1])
    write(path, [3], plan=[3, 2, 1, 4])
    write(path, [], plan=[1])
    assert together(path).keys == keys([2, 1, 3, 4])


def test_a_lost_job_that_was_done_later_is_done(tmp_path):
    path = write(tmp_path / "j", lost=[1])
    assert [lost.entry.lost for lost in together(path).lost_of_plan] == ["its process ended"]
    write(path, [1])
    write(path, lost=[1])
    both = together(path)
    assert both.lost_of_plan == []
    assert [result.entry.verdict for result in both.results] == ["PASS"]


# ------------------------------------------------------------------ conflicts


def test_two_results_of_one_job_are_a_conflict_of_which_both_sides_are_reported(tmp_path):
    one = write(tmp_path / "one", [1, 2])
    other = write(tmp_path / "other", [1, 2], verdict="UNKNOWN")
    for paths in ((one, other), (other, one), (one, other, one)):
        both = together(*paths)
        pairs = [(a.in_words(), b.in_words()) for a, b in both.conflicts]
        assert len(pairs) == 2
        assert f"{one}, line 2" in pairs[0][0]
        assert f"{other}, line 2" in pairs[0][1]


def test_results_that_differ_in_seconds_memory_place_and_moment_are_equal(tmp_path):
    path = write(tmp_path / "one", [1])
    with opened(tmp_path / "other") as book:
        book.begin(["elsewhere"], "square", job(1).code, keys([1]), 1)
        elsewhere = done(1, seconds=99.0)
        book.note_done(job(1), type(elsewhere)(elsewhere.result, 99.0, None, "there"))
    assert together(path, tmp_path / "other").conflicts == []


def test_a_conflict_within_one_file_is_seen(tmp_path):
    path = write(tmp_path / "one", [1])
    write(path, [1], verdict="FAIL")
    assert len(together(path).conflicts) == 1


# ------------------------------------------------------------------ as one file

RUNS = st.lists(
    st.tuples(
        st.integers(0, 2),  # which journal
        st.sets(st.integers(0, 5)),  # done
        st.sets(st.integers(0, 5)),  # lost
        st.sampled_from(["code", "other"]),
    ),
    max_size=8,
)


@given(RUNS, st.randoms(use_true_random=False))
def test_merging_is_independent_of_order_and_repetition(tmp_path_factory, runs, random_):
    folder = tmp_path_factory.mktemp("merge")
    paths = [folder / name for name in "abc"]
    for path in paths:
        path.touch()
    for which, numbers, lost, code in runs:
        write(paths[which], sorted(numbers), lost=sorted(lost), plan=range(6), code=code)
    whole = as_one(folder / "whole", *paths)
    for order in itertools.permutations(paths):
        assert as_one(folder / "again", *order).read_bytes() == whole.read_bytes()
    shuffled = [*paths, random_.choice(paths), whole]
    random_.shuffle(shuffled)
    assert as_one(folder / "again", *shuffled).read_bytes() == whole.read_bytes()
    step = as_one(folder / "step", paths[0], paths[1])
    assert as_one(folder / "steps", step, paths[2]).read_bytes() == whole.read_bytes()
    one, parts = together(whole), together(*paths)
    assert (one.digest, one.keys, one.code) == (parts.digest, parts.keys, parts.code)
    assert found(whole) == {n: n * n for _, numbers, _, _ in runs for n in numbers}
    assert one.lost.keys() == parts.lost.keys()
    assert (read(whole).damaged, read(whole).torn) == ([], 0)


def test_the_merged_journal_is_gone_on_with(tmp_path):
    one, other = write(tmp_path / "one", [1], plan=[1, 2, 3]), write(tmp_path / "other", [2])
    whole = as_one(tmp_path / "whole", one, other)
    write(whole, [3], plan=[1, 2, 3])
    assert found(whole) == {1: 1, 2: 4, 3: 9}
    assert together(whole).keys == keys([1, 2, 3])


def test_what_does_not_count_is_left_out_of_the_merged_journal(tmp_path):
    path = write(tmp_path / "one", [1, 2, 1])
    text = path.read_bytes()
    path.write_bytes(text.replace(b'"square":4', b'"square":5') + b'{"done":')
    whole = as_one(tmp_path / "whole", path)
    assert found(whole) == {1: 1}
    assert len(whole_lines(whole)) == 2
    assert read(whole).damaged == []


def test_a_journal_without_a_plan_has_the_jobs_that_are_done(tmp_path):
    path = write(tmp_path / "one", [2, 1])
    path.write_bytes(b"".join(whole_lines(path)[1:]))
    assert together(path).keys == keys([2, 1])
    assert found(as_one(tmp_path / "whole", path)) == {1: 1, 2: 4}


# ------------------------------------------------------------------ time


def test_time_on_the_clock_counts_runs_side_by_side_once(tmp_path, monkeypatch):
    clock = iter(f"2026-01-01T00:00:{second:02}.000000Z" for second in range(60))
    monkeypatch.setattr(journal, "now", lambda: next(clock))
    one = write(tmp_path / "one", [1, 2])  # 0 to 2
    assert together(one).seconds == 2
    next(clock)
    write(one, [3])  # 4 to 5
    assert together(one).seconds == 3
    other = write(tmp_path / "other", [4, 5])  # 6 to 8
    assert together(one, other).seconds == together(other, one).seconds == 5
    assert together(one, one).seconds == 3


# ------------------------------------------------------------------ broken on purpose


def test_a_digest_in_the_order_of_the_plan_would_depend_on_it(tmp_path, monkeypatch):
    one = write(tmp_path / "one", [1, 2, 3])
    other = write(tmp_path / "other", [3, 2, 1])
    assert together(one).digest == together(other).digest
    monkeypatch.setattr(merged, "sorted", lambda found, key: list(found), raising=False)
    assert together(one).digest != together(other).digest


def test_a_digest_of_results_with_their_seconds_would_see_conflicts(tmp_path, monkeypatch):
    digest = lines.digest_of_result
    one, other = write(tmp_path / "one", [1]), write(tmp_path / "other", [1], seconds=7.5)
    assert together(one, other).conflicts == []
    monkeypatch.setattr(
        lines, "digest_of_result", lambda result: digest({"all": result}), raising=True
    )
    assert len(together(one, other).conflicts) == 1


@pytest.mark.parametrize("kept", [0, 1])
def test_a_merge_that_took_any_of_two_results_would_be_seen(kept, tmp_path):
    """The results of one job that are not equal are reported whichever comes first."""
    paths = [write(tmp_path / "a", [1]), write(tmp_path / "b", [1], verdict="FAIL")]
    assert len(together(paths[kept], paths[1 - kept]).conflicts) == 1
