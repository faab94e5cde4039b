"""A process does a job only by the code that is meant, of a user's own files too."""

from items import value_in

from verify.runner.executors import Processes
from verify.runner.job import Cost, Kind
from verify.runner.long_work import Settings, planned, work
from verify.runner.outcome import Lost
from verify.runner.performing import perform
from verify.runner.same_code import Meant, meant


def own(folder, value, helper=0):
    (folder / "helping_same_code.py").write_text(f"helper = {helper}\n")
    (folder / "own.py").write_text(f"import helping_same_code\nmine = {value}\n")
    return f"{folder / 'own.py'}:mine"


def test_a_worker_that_has_loaded_another_file_of_the_user_s_does_no_job(tmp_path, monkeypatch):
    """A worker of a cluster outlives runs: what it has loaded for one is not what the next
    means.
    """
    monkeypatch.syspath_prepend(str(tmp_path))
    with Processes(1) as old, Processes(1) as new:

        def found(workers, reference):
            return workers.submit(perform, value_in, reference, meant([reference])).result()

        reference = own(tmp_path, 1)
        assert found(old, reference).result == 1
        assert found(old, reference).result == 1
        own(tmp_path, 2)
        lost = found(old, reference)
        assert isinstance(lost, Lost)
        assert not lost.crashed
        assert f"another {tmp_path / 'own.py'} than this run" in str(lost)
        assert found(new, reference).result == 2
        own(tmp_path, 2, helper=3)
        assert f"another {tmp_path / 'helping_same_code.py'} than" in str(found(new, reference))


def test_a_file_that_changes_after_a_run_has_begun_is_not_taken_for_its_own(tmp_path):
    reference = own(tmp_path, 1)
    code = meant([reference])
    (tmp_path / "own.py").write_text("mine = 2\n")
    with Processes(1) as workers:
        assert isinstance(workers.submit(perform, value_in, reference, code).result(), Lost)


def test_a_file_that_changes_after_the_jobs_were_named_does_none_of_them(tmp_path):
    """While a large journal is read, for instance; the jobs have the name of the old file."""
    reference = own(tmp_path, 1)
    kind = Kind("own", int, value_in, repr, lambda one: Cost(0, 0), lambda one, why: str(why))
    plan = planned(kind, [reference], Settings(workers=1, own=[reference]))
    own(tmp_path, 2)
    ((_, found),) = work(plan, Settings(workers=1))
    assert "another" in found
    assert "than this run" in found


def test_a_path_that_is_not_whole_is_looked_up_where_the_worker_works(tmp_path, monkeypatch):
    own(tmp_path, 1)
    (tmp_path / "elsewhere").mkdir()
    own(tmp_path / "elsewhere", 2)
    monkeypatch.chdir(tmp_path)
    code = meant(["own.py:mine"])
    monkeypatch.chdir(tmp_path / "elsewhere")
    with Processes(1) as workers:
        lost = workers.submit(perform, value_in, "own.py:mine", code).result()
    assert "another own.py than this run" in str(lost)


def test_a_file_that_is_missing_is_no_crash_unless_it_is_installed_elsewhere(tmp_path):
    ours = meant().ours
    lost = perform(len, "abc", Meant(ours, ((str(tmp_path / "own.py"), "1"),)))
    assert str(lost).endswith(f"has no file {tmp_path / 'own.py'}, which this run needs")
    assert not lost.crashed
    installed = str(tmp_path / "site-packages" / "own.py")
    assert perform(len, "abc", Meant(ours, ((installed, "1"),))).result == 3
