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
    except (OSError, IndexError):
        return ""
    return what


def done_lines(journal):
    lines = journal.read_bytes().split(b"\n")[:-1]
    return [json.loads(line) for line in lines if line.startswith(b'{"done":')]


@pytest.mark.long
def test_no_job_is_lost_or_done_twice_whatever_is_killed(tmp_path):
    journal = tmp_path / "jobs.journal"
    undisturbed = results(None, 0)
    kills, starts = Counter(), 0
    while kills.total() < KILLS or starts == 0:
        if journal.exists() and len(done_lines(journal)) == N_JOBS:
            journal.unlink()  # all was done before enough was killed: from the beginning
        program, starts = started(journal), starts + 1
        while program.poll() is None and kills.total() < KILLS:
            time.sleep(random.uniform(0, 1.2))
            kills[killed(program)] += 1
            del kills[""]
        if kills.total() < KILLS:
            program.communicate()
    printed, complaints = program.communicate()
    if program.returncode != 0:
        program = started(journal)
        printed, complaints = program.communicate()
    assert program.returncode == 0, complaints
    assert len(kills) == 3, kills
    assert starts > 10
    expected = [[one.number, list(one.roots), one.verdict] for one in undisturbed]
    found = json.loads(printed)
    lost = [number for number, roots, verdict in found if verdict != "PASS"]
    if lost:  # its workers were killed twice: the next run does it
        found = [list(one) for one in json.loads(started(journal).communicate()[0])]
    assert found == expected
    keys = Counter(line["done"] for line in done_lines(journal))
    assert len(keys) == N_JOBS
    assert set(keys.values()) == {1}
    stored = sorted(
        (line["result"]["number"], line["result"]["roots"]) for line in done_lines(journal)
    )
    assert stored == [(number, roots) for number, roots, _ in expected]
