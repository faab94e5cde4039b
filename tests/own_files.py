"""Files as users write them: a construction or a bound of their own, and how each can be wrong."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TERNARY = f"{ROOT / 'docs' / 'ternary_selector.py'}:mine"
IDLE = f"{ROOT / 'docs' / 'idle_relation.py'}:mine"

START = f"""
from dataclasses import replace
from functools import partial
import torch
from constructions import Codebook, Construction, FactTable, InputError, Option, construction
from constructions.model.recipe import recorded
right = construction({TERNARY!r})
build = right.builder
"""
"""A file of a user's begins so: `right` is the construction of the page, which he then changes."""


def own_file(folder, text, name="own.py"):
    """A file of a user's in a folder, and the text by which `mine` in it is named."""
    path = folder / name
    path.write_text(START + text)
    return f"{path}:mine"


RAISES = """
@recorded
def unlucky(facts, *, codebook: Codebook | None = None, dtype=torch.float32):
    return inner(facts.n_entities)

def inner(n):
    return 1 // (n - n)

mine = Construction(unlucky)
"""

RETURNS_NOTHING = """
@recorded
def forgetful(facts, *, codebook: Codebook | None = None, dtype=torch.float32):
    build.plan(facts, dtype=dtype)

mine = Construction(forgetful)
"""

UNDECORATED = """
def plain(facts, *, codebook: Codebook | None = None, dtype=torch.float32):
    return build.plan(facts, dtype=dtype)

mine = Construction(plain)
"""

OTHER_SIZES = """
def sizes(s):
    return replace(right.sizing(s), d_mlp=s.R + 7)

mine = replace(right, sizing=sizes)
"""

WITHOUT_FORMULAS = """
mine = replace(right, sizing=None)
"""

WRONG_ANSWERS = """
@recorded
def shifted(facts, *, codebook: Codebook | None = None, dtype=torch.float32):
    other = FactTable((facts.answers + 1) % facts.n_entities)
    return replace(build.plan(facts, dtype=dtype), write=build.plan(other, dtype=dtype).write)

mine = Construction(shifted, sizing=right.sizing)
"""
"""Its weights answer another table."""

TOO_MUCH_CLAIMED = """
from constructions.model.margin import MarginClaim

@recorded
def boastful(facts, *, codebook: Codebook | None = None, dtype=torch.float32):
    return replace(build.plan(facts, dtype=dtype), claim=MarginClaim.exactly(2))

mine = Construction(boastful, sizing=right.sizing)
"""

WITH_AN_OPTION = """
from constructions import Sizing
from constructions.model.readout import Readout

@recorded
def padded(facts, spare: int = 1, *, codebook: Codebook | None = None, dtype=torch.float32):
    \"\"\"As the page has it; spare does nothing but be recorded.\"\"\"
    if spare > 3:
        raise InputError(f"spare is at most 3; got {spare}")
    return build.plan(facts, codebook=codebook, dtype=dtype)

def sizes(s):
    assert s.options["e"] in (0, 1, 2, 3)
    return right.sizing(s)

spare = Option(
    "spare",
    "e",
    "50% of nothing",
    default=lambda R, k: 1,
    choices=lambda R, k: (0, 1),
    most=lambda R, k: 3,
)
mine = Construction(padded, sizing=sizes, options=(spare,))
"""

NO_CONSTRUCTION = {
    "the function": ("mine = build", "the function ternary_selector"),
    "a number": ("mine = 5", "a int, 5"),
    "the class": ("mine = Construction", "the class Construction"),
}
"""What stands in the file, and what is said of it."""
