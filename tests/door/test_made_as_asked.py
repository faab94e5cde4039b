"""A builder must make what it was asked for. A proof is about the facts, paths and dtype that stand
in the folder: of others it would say PASS.
"""

import re

import pytest
from own_files import TERNARY, TOO_MUCH_CLAIMED, own_file

from constructions import construction
from verify import check_construction
from verify.__main__ import main

BUILDER = """
@recorded
def mine_alone(facts, *, codebook: Codebook | None = None, dtype=torch.float32):
    {body}

mine = Construction(mine_alone)
"""
OTHER_FACTS = BUILDER.format(
    body="return build.plan(FactTable((facts.answers + 1) % facts.n_entities), dtype=dtype)"
)
OTHER_DTYPE = BUILDER.format(body="return build.plan(facts, dtype=torch.float16)")
ENDS = BUILDER.format(body="raise SystemExit(0)")
SHORTER_PATHS = """
def one_hop(facts, hops, **others):
    return build(facts, **others)

mine = Construction(one_hop, multi_hop=True)
"""
NO_NUMBER = """
def endless(facts, **others):
    model = build(facts, **others)
    model.embedding.weight.data[0, 0] = float("nan")
    return model

mine = Construction(endless)
"""
TOO_LITTLE_CLAIMED = TOO_MUCH_CLAIMED.replace("exactly(2)", "exactly(0.5)")


@pytest.mark.parametrize("by", ["proof", "both"])
@pytest.mark.parametrize(
    ("text", "k", "reason"),
    [
        (OTHER_FACTS, 1, "has written other facts than it was given"),
        (OTHER_DTYPE, 1, "asked for torch.float32, and embedding.weight is torch.float16"),
        (SHORTER_PATHS, 2, "asked for paths of 2 relations, and its model answers 1"),
        (NO_NUMBER, 1, "has written a number into embedding.weight that is not finite"),
        (ENDS, 1, "the builder of mine_alone: SystemExit: 0"),
        (TOO_MUCH_CLAIMED, 1, "margin .*1(.0)?, claimed is at least 2"),
        (TOO_LITTLE_CLAIMED, 1, "margin .*1(.0)?, claimed is exactly 1/2"),
    ],
)
def test_what_is_made_otherwise_than_asked_fails(text, k, reason, by, tmp_path):
    result = check_construction(construction(own_file(tmp_path, text)), N=5, R=3, k=k, by=by)
    assert result.verdict == "FAIL"
    assert re.search(reason, result.reason), result.reason


def test_what_is_made_as_asked_is_proven():
    """The control."""
    result = check_construction(TERNARY, N=5, R=3, by="proof")
    assert (result.verdict, result.by) == ("PASS", "proof")


def test_a_builder_that_ends_the_program_is_no_success(tmp_path, capsys):
    """It would end with the exit status 0, and without a verdict."""
    assert main([own_file(tmp_path, ENDS), "-N", "3", "-R", "1"]) == 1
    assert "FAIL: 1 cell planned" in capsys.readouterr().out
