"""The program as a process: interrupts, terminals, pipes and full disks."""

import json
import os
import signal
import subprocess
import sys
from functools import partial

import pytest
from command_line import on_a_terminal, run

from verify.__main__ import main
from verify.attacking.kinds import KINDS
from verify.cli.commands.saved import ATTACKS


def test_bad_input_gives_status_2_and_no_traceback_in_a_real_process(tmp_path):
    done = run("facts", str(tmp_path / "nowhere.tsv"))
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_an_interrupt_is_reported_and_keeps_what_was_found(tmp_path):
    path = tmp_path / "all.json"
    command = [sys.executable, "-m", "verify", "all", "--json", str(path)]
    # A runner in the background ignores SIGINT, and a child inherits that; a user's shell does
    # not.
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=listen
    ) as process:
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "UNKNOWN" in out
    assert "interrupted" in err
    assert "Traceback" not in err
    result = json.loads(path.read_text())
    assert result["verdict"] == "UNKNOWN"
    assert 0 < result["passed"] < result["planned"]


def test_the_kinds_of_attack_that_help_names_are_those_there_are():
    """They are named twice, since help does not import torch."""
    assert list(ATTACKS) == list(KINDS)


@pytest.mark.parametrize("words", [["example", "out.tsv"], ["facts", "in.tsv"]])
def test_an_interrupt_anywhere_is_reported(words, monkeypatch, capsys, tmp_path):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("verify.cli.examples.unicode_facts", interrupt)
    monkeypatch.setattr("verify.cli.commands.facts.read", interrupt)
    assert main(words) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_names_that_the_terminal_cannot_show_are_escaped(tmp_path):
    path = tmp_path / "facts.tsv"
    path.write_text("Zo\u00eb\tlikes\t\u738b\n", encoding="utf-8")
    done = run(
        "facts",
        str(path),
        "--ask",
        "Zo\u00eb likes",
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0
    assert "Zo\\xeb likes -> \\u738b" in done.stdout


def test_a_full_disk_is_reported_without_a_traceback():
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "verify", "list"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: No space left on device\n"


@pytest.mark.long
def test_a_closed_pipe_ends_quietly():
    command = [sys.executable, "-m", "verify", "all"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 1


def test_a_terminal_gets_a_progress_bar_that_shows_each_phase():
    words = ["selector", "-N", "20000", "-R", "8", "--logits", "fast"]
    printed, status = on_a_terminal(*words)
    assert status == 0
    assert "of 160,000 queries" in printed
    assert "━" in printed
    phases = [printed.index(phase) for phase in ("building", "asking", "proving", "counting bits")]
    assert phases == sorted(phases)
    assert "\x1b[32mPASS\x1b[0m: 1 cell planned" in printed
    assert "theorem" in printed, "there is room for the wide table"


def test_a_terminal_gets_the_phases_of_facts_too_and_no_colour_where_none_is_wanted(family):
    printed, status = on_a_terminal(
        "facts", family, "--ask", "Alice mother", NO_COLOR="1", COLUMNS="150"
    )
    assert status == 0
    assert "building" in printed
    assert "proving" in printed
    assert "PASS: 1 cell planned" in printed
    assert "[32m" not in printed
    assert "theorem" not in printed
