"""Every exception of the product is the same in another process."""

import ast
import builtins
import copy
import importlib
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

import bounds
import constructions
import verify
from constructions import FactFileError
from constructions.facts.tsv import read_tsv

MADE_OF = {
    "FactFileError": [(["a.tsv:1:1: one", "a.tsv:2:1: two"],), (["a.tsv:1:1: one"], 25), ([],)],
    "AmbiguousQuestion": [("a b c", ["a <TAB> b c", "a b <TAB> c"], 2), ("a", ["b"], 10**6)],
    "MissingFact": [("a b", "no such fact")],
    "QuestionError": [("a b", "no entity is named 'a'")],
    "Lost": [("its process was killed", False), ("its process crashed", True)],
    None: [("N = 3, but R = 4; give other sizes",)],
}
"""What an exception is made of: by the name of its class, or else a message."""


def exceptions():
    """All exception classes of the packages: found in the sources, so that no tool is imported for
    nothing.
    """
    classes = {}
    for package in (constructions, bounds, verify):
        folder = Path(package.__file__).parent
        for path in folder.rglob("*.py"):
            module = ".".join(path.relative_to(folder.parent).with_suffix("").parts)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    bases = {ast.unparse(base).split(".")[-1] for base in node.bases}
                    classes[module, node.name] = bases
    types = {name: value for name, value in vars(builtins).items() if isinstance(value, type)}
    known = {name for name, value in types.items() if issubclass(value, BaseException)}
    found = {}
    while more := {key for key, bases in classes.items() if key not in found and bases & known}:
        known |= {name for _, name in more}
        found |= {
            (module, name): getattr(importlib.import_module(module), name) for module, name in more
        }
    return {f"{module}.{name}": kind for (module, name), kind in found.items()}


def same(error, other):
    return (
        type(other) is type(error)
        and str(other) == str(error)
        and other.args == error.args
        and vars(other) == vars(error)
        and getattr(other, "__notes__", None) == getattr(error, "__notes__", None)
    )


def test_every_exception_survives_pickle_and_copy():
    classes = exceptions()
    assert {
        "constructions.guards.errors.FactFileError",
        "verify.kernel.verdict.Refuted",
    } <= classes.keys()
    assert len(classes) >= 6
    for kind in classes.values():
        for given in MADE_OF.get(kind.__name__, MADE_OF[None]):
            error = kind(*given)
            error.add_note("while reading")
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                assert same(error, pickle.loads(pickle.dumps(error, protocol))), kind
            assert same(error, copy.copy(error)), kind
            assert same(error, copy.deepcopy(error)), kind


class OfItsMessage(FactFileError):
    """A control: made again from its message, as exceptions are that say nothing else."""

    def __reduce__(self):
        return type(self), self.args


def test_an_exception_made_again_from_its_message_is_another():
    error = OfItsMessage(["a.tsv:1:1: one", "a.tsv:2:1: two"])
    assert not same(error, pickle.loads(pickle.dumps(error)))


def test_the_defects_of_a_fact_file_come_through_a_process_pool(tmp_path):
    path = tmp_path / "facts.tsv"
    path.write_text("one field\n" * 25)
    with pytest.raises(FactFileError) as here:
        read_tsv(path)
    with (
        ProcessPoolExecutor(1, get_context("spawn")) as pool,
        pytest.raises(FactFileError) as there,
    ):
        pool.submit(read_tsv, path).result()
    assert there.value.defects == here.value.defects
    assert (there.value.total, str(there.value)) == (25, str(here.value))
