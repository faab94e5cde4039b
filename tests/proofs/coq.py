"""Coq, run on copies of folders of proofs: building, what theorems rest on, where a proof fails."""

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from statements import Damage, Proofs

ROOT = Path(__file__).parents[2]

HAVE = all(shutil.which(name) for name in ("coqc", "coqchk"))
MISSING = None if HAVE or "COQ_REQUIRED" in os.environ else "Coq is not installed"
"""Why nothing can be built here; with COQ_REQUIRED in the environment it fails where Coq lacks."""

GAPS = ("Admitted", "admit", "Axiom", "Axioms", "Conjecture", "Parameter", "Parameters", "Unset")
"""Words that open a gap. `Unset` is allowed before what Mathematical Components unsets."""

_OF_SECTIONS = ("Hypothesis", "Hypotheses", "Variable", "Variables", "Context")
_HARMLESS = {"Unset Strict Implicit.", "Unset Printing Implicit Defensive."}


class Project:
    """What a `_CoqProject` says: options of coqc, the files in their order, their logical name."""

    def __init__(self, folder: Path):
        words = (folder / "_CoqProject").read_text().split()
        self.files = [word for word in words if word.endswith(".v")]
        self.name = words[words.index("-Q") + 2]
        arguments = [words[i + 1] for i, word in enumerate(words) if word == "-arg"]
        self.options = ["-q", "-Q", ".", self.name, *arguments]


def without_comments(text: str) -> str:
    """The source with each comment, nested ones too, replaced by its line ends."""
    kept, depth = [], 0
    for part in re.split(r"(\(\*|\*\)|\n)", text):
        depth += (part == "(*") - (part == "*)")
        if part == "\n" or (depth == 0 and part != "*)"):
            kept.append(part)
    return "".join(kept)


def gaps(text: str) -> list[str]:
    """Every sentence of a source by which something may go unproven: gaps, and assumptions that
    are made outside of sections.
    """
    found, depth = [], 0
    for sentence in re.split(r"(?<=\.)\s", without_comments(text)):
        sentence = " ".join(sentence.split())
        first = sentence.split(" ")[0]
        depth += (first == "Section") - (first == "End")
        if sentence in _HARMLESS:
            continue
        words = set(re.findall(r"\w+", sentence))
        if words & set(GAPS) or (depth == 0 and first in _OF_SECTIONS):
            found.append(sentence)
    return found


def copied(proofs: Proofs, to: Path) -> Path:
    """The sources of a folder, without anything built, under `to`."""
    to.mkdir(parents=True, exist_ok=True)
    for path in sources(proofs):
        shutil.copy(path, to)
    return to


def sources(proofs: Proofs) -> list[Path]:
    """What a folder of proofs is built from."""
    found = sorted((ROOT / proofs.folder).iterdir())
    return [path for path in found if path.suffix == ".v" or path.name == "_CoqProject"]


def digest(proofs: Proofs) -> str:
    """Of the sources of a folder, and of the version of Coq that builds them."""
    of = hashlib.sha256(subprocess.run(["coqc", "--version"], capture_output=True).stdout)
    for path in sources(proofs):
        of.update(f"{path.name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return of.hexdigest()


def coqc(folder: Path, file: str) -> subprocess.CompletedProcess[str]:
    """One file compiled."""
    command = ["coqc", *Project(folder).options, file]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)


def build(folder: Path) -> None:
    """All files compiled, in their order.

    Raises:
        AssertionError: one is refused; with Coq's words.
    """
    for file in Project(folder).files:
        done = coqc(folder, file)
        assert done.returncode == 0, f"{folder.name}/{file}:\n{done.stdout}{done.stderr}"


def answers(folder: Path, sentences: list[str], requires: tuple[str, ...] = ()) -> list[str]:
    """What Coq prints to each sentence, asked in a built copy.

    Raises:
        AssertionError: a sentence is refused; with Coq's words.
    """
    project = Project(folder)
    modules = " ".join(file.removesuffix(".v") for file in project.files)
    end = '"------"%string'
    lines = ["From Coq Require Import String NArith.", *requires]
    lines.append(f"From {project.name} Require {modules}.")
    for sentence in sentences:
        lines += [sentence, f"Check {end}."]
    (folder / "asked.v").write_text("\n".join(lines) + "\n")
    done = coqc(folder, "asked.v")
    assert done.returncode == 0, done.stdout + done.stderr
    return [
        " ".join(part.split())
        for part in re.split(r'"------"%string\s*: string', done.stdout)[: len(sentences)]
    ]


def damaged(built: Path, damage: Damage, to: Path) -> tuple[str, int, str]:
    """A built copy with one damage, its files compiled until one is refused: (file, line, Coq's
    words); ("", 0, "") where none is.
    """
    shutil.copytree(built, to, ignore=shutil.ignore_patterns(f"{Path(damage.file).stem}.vo*"))
    path = to / damage.file
    text = path.read_text()
    assert text.count(damage.old) == 1, f"{damage.file} has {text.count(damage.old)} {damage.old}"
    path.write_text(text.replace(damage.old, damage.new))
    files = Project(to).files
    for file in files[files.index(damage.file) :]:
        done = coqc(to, file)
        if done.returncode:
            said = done.stderr[done.stderr.rindex("File ") :]
            return file, int(re.search(r"line (\d+)", said).group(1)), said
    return "", 0, ""


def inside_a_proof(source: str, line: int) -> bool:
    """Whether the line stands between `Proof.` and its end, so that the statement was accepted."""
    lines = source.splitlines()
    before = "\n".join(["", *lines[: line - 1], ""])
    opened = lines[line - 1].startswith("Proof.")
    return opened or before.rfind("\nProof.") > before.rfind("Qed.")
