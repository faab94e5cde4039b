"""A run that is killed again and again, or whose workers are, and goes on from its journal: every
job is done once, and the results are those of a run that nobody has disturbed.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from kill_runs import N_JOBS, results

PROGRAM = Path(__file__).parents[1] / "kill_runs.py"
KILLS = 50


def started(journal):
    command = [sys.executable, str(PROGRAM), str(journal), "2"]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def killed(program):
    """Kill the runner, one of its workers, or all of them at once; says which."""
    what = random.choice(["runner", "worker", "all"])
    try:
        if what == "all":
            os.killpg(program.pid, signal.SIGKILL)
        elif what == "runner":
            os.kill(program.pid, signal.SIGKILL)
        else:
            tasks = Path(f"/proc/{program.pid}/task").glob("*/children")
            children = [child for task in tasks for child in task.read_text().split()]
            os.kill(int(random.choice(children)), signal.SIGKILL)
    except (OSError, IndexError):  # it has ended, or has no workers yet
        return ""
    return what


def done_lines(journal):
    if not journal.exists():
        return []
    lines = journal.read_bytes().split(b"\n")[:-1]
    return [json.loads(line) for line in lines if line.startswith(b'{"done":')]


@pytest.mark.long
def test_no_job_is_lost_or_done_twice_whatever_is_killed(tmp_path):
    """Something is killed 50 times, at random moments after 0 to 5 more jobs are done, over as
    many runs as that takes; then one goes on to the end.
    """
    journal = tmp_path / "jobs.journal"
    undisturbed = results(None, 0)
    kills, in_the_middle = Counter(), 0
    program = started(journal)
    while kills.total() < KILLS:
        enough = len(done_lines(journal)) + random.randint(0, 5)
        while program.poll() is None and len(done_lines(journal)) < min(enough, N_JOBS):
            time.sleep(random.uniform(0, 0.02))
        before = len(done_lines(journal))
        if program.poll() is None and (what := killed(program)):
            kills[what] += 1
            in_the_middle += 0 < before < N_JOBS
        if program.poll() is not None or what != "worker":
            program.communicate()
            if len(done_lines(journal)) == N_JOBS:
                journal.unlink()  # from the beginning: not enough was killed
            program = started(journal)
    assert set(kills) == {"runner", "worker", "all"}
    assert in_the_middle > KILLS / 2
    program.communicate()
    program = started(journal)  # what was lost twice is done by the next run
    printed, complaints = program.communicate()
    assert program.returncode == 0, complaints
    expected = [[one.number, list(one.roots), one.verdict] for one in undisturbed]
    assert json.loads(printed) == expected
    lines = done_lines(journal)
    assert Counter(line["done"] for line in lines).most_common(1)[0][1] == 1
    stored = sorted([line["result"][name] for name in ("number", "roots")] for line in lines)
    assert stored == [[number, roots] for number, roots, _ in expected]
