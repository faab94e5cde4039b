"""A family, and the program as another process."""

import os
import subprocess
import sys
import time

import pytest

from verify.__main__ import main

FAMILY = (
    "Alice\tmother\tBeth\nBeth\tmother\tCarla\nAlice\twife\tDora\nDora\tmother\tBeth\nAnn"
    " Lee\tborn in\tNew York\n"
)


def run(*arguments, **options):
    command = [sys.executable, "-m", "verify", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def on_a_terminal(*words, **environment):
    """What a terminal of 200 columns shows while a command runs, and its status."""
    pty = pytest.importorskip("pty")
    primary, secondary = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "verify", *words],
        stdout=secondary,
        stderr=secondary,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "200", **environment},
    )
    os.close(secondary)
    printed = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            chunk = os.read(primary, 65536)
        except OSError:
            break
        if not chunk:
            break
        printed += chunk
    os.close(primary)
    return printed.decode(), process.wait(timeout=60)


def runs(command, folder, monkeypatch, capsys):
    """Runs a command in a folder: its status, and what it prints."""
    monkeypatch.chdir(folder)

    def run(*words):
        status = main([command, *words])
        return status, capsys.readouterr()

    return run
