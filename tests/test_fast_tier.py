"""What a plain `python -m pytest` runs touches every construction, every form, every command and
every check.

The table names tests by their functions; a construction, form or command that is added is looked
for among their cases, and a test that becomes `long` or gets another name is missed.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tiers import diagonal, few

from constructions import CATALOGUE
from verify.cli.arguments import COMMANDS
from verify.queries.forms import FORMS

ROOT = Path(__file__).parent.parent

EVERY = {
    "test_weights_of_each_construction_are_the_golden_ones": CATALOGUE,
    "test_a_sound_cell_passes_with_all_its_numbers": CATALOGUE,
    "test_every_construction_is_proven": CATALOGUE,
    "test_dense_bits_equal_the_formulas": CATALOGUE,
    "test_every_construction_comes_back": CATALOGUE,
    "test_one_construction_at_one_size": CATALOGUE,
    "test_the_same_logits_to_the_last_bit_without_norms_and_with_rmsnorm": CATALOGUE,
    "test_all_facts_are_recalled_with_the_same_logits": CATALOGUE,
    "test_every_head_and_unit_is_reported_once_in_each_pass": CATALOGUE,
    "test_gradients_flow": CATALOGUE,
    "test_what_is_shown_stands_in_the_stream": CATALOGUE,
    "test_every_query_is_answered_right_in_the_other_tool": CATALOGUE,
    "test_a_form_is_run_on_all_queries_of_all_lengths": FORMS,
    "test_every_command_ends_with_0_and_says_what_it_found": COMMANDS,
}
"""Tests that have a case for each of these."""

CHECKS = {
    "answers": "test_a_fault_in_the_recall_fails_the_cell",
    "rounding": "test_a_model_whose_answer_rounding_decides_is_unknown",
    "sizes": "test_a_wrong_formula_fails_the_cell",
    "bits": "test_an_accounting_that_forgets_a_tensor_fails_the_cell",
    "formats": "test_a_cell_whose_builder_hides_facts_in_its_format_fails",
    "bounds": "test_a_model_below_a_bound_fails_the_cell",
    "proof": "test_no_forged_certificate_is_accepted",
    "proof against answers": "test_the_checker_and_the_exhaustive_pass_agree_on_every_attack",
    "saved folders": "test_every_defect_is_reported_before_weights_are_allocated",
    "fact files": "test_a_reader_that_knows_one_rule_less_is_noticed",
    "bounds of Theorem 4.2": "test_a_wrong_bound_is_caught",
    "a construction of a user's own": "test_what_is_not_as_it_says_fails",
    "a bound of a user's own": "test_a_false_bound_fails_with_both_numbers",
    "what is shown": "test_an_edited_weight_changes_what_is_shown",
    "noise": "test_noise_at_the_radius_changes_no_answer_and_some_larger_noise_does",
    "journals": "test_every_changed_bit_of_a_line_is_noticed",
    "jobs that are lost": "test_a_job_that_is_killed_from_outside_is_tried_again_alone",
    "memory of jobs": "test_a_place_that_does_not_count_memory_is_found_out",
    "the time left": "test_counting_jobs_does_worse",
}
"""For each check a test in which it fails what is wrong."""


def missing(collected):
    """What the collected tests do not touch; `collected` are node ids."""
    cases = {}
    for node in collected:
        function, _, parameters = node.rpartition("::")[2].partition("[")
        cases.setdefault(function, []).append(parameters.removesuffix("]"))
    found = [
        f"{function} of {name}"
        for function, names in EVERY.items()
        for name in names
        if not any(
            re.search(rf"(^|-){re.escape(name)}($|-)", case) for case in cases.get(function, [])
        )
    ]
    return found + [f"{check}: {test}" for check, test in CHECKS.items() if test not in cases]


@pytest.fixture(scope="module")
def fast(request):
    """The node ids of a plain run: of this run, if it is one; else they are collected."""
    items = request.session.items
    if {item.path for item in items} >= set((ROOT / "tests").rglob("test_*.py")):
        return [item.nodeid for item in items if not item.get_closest_marker("long")]
    words = ["-m", "pytest", "--collect-only", "-n0", "-p", "no:cacheprovider"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_the_fast_tier_touches_everything(fast):
    assert missing(fast) == []


def test_what_the_fast_tier_leaves_out_is_noticed(fast):
    without = [node for node in fast if "[wide]" not in node and "forgets_a_tensor" not in node]
    assert missing(without) == [
        "test_a_form_is_run_on_all_queries_of_all_lengths of wide",
        "bits: test_an_accounting_that_forgets_a_tensor_fails_the_cell",
    ]


def test_long_tests_are_left_out_and_there_are_some(fast):
    assert not any("test_commands_print_what_stands_there" in node for node in fast)
    assert any("test_there_is_something_to_run" in node for node in fast)


def test_few_and_diagonal_mark_the_others():
    marked = [bool(case.marks) for case in few(["a", "b", "c"], "b")]
    assert marked == [True, False, True]
    with pytest.raises(ValueError, match="are not among"):
        few(["a"], "b")
    kept = [case.values for case in diagonal("abc", [1, 2]) if not case.marks]
    assert kept == [("a", 1), ("b", 2), ("c", 1)]
    assert len(diagonal("abc", [1, 2])) == 6
