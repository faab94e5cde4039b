"""The capacity plane of a report says what `verify bound` says, at all stops of its sliders."""

import json
import re

import pytest
from reported import Rows, report, shown

from constructions.guards.wording import shortened
from verify.__main__ import main
from verify.cli.commands.report import STOPS
from verify.cli.reports.rounding import down


def differences(page, folder, stops, capsys):
    """Where the plane of a page says something else than `verify bound` at its stops."""
    wrong = []
    for n, r, k in stops:
        told = folder / "bound.json"
        assert main(["bound", "-N", str(n), "-R", str(r), "-k", str(k), "--json", str(told)]) == 0
        capsys.readouterr()
        whole = json.loads(told.read_text())
        begin = f'<template id="plane-{n}-{r}-{k}">'
        rows = Rows(page.partition(begin)[2].partition("</template>")[0])
        by_bits = [row for row in rows.rows if len(row) == 6][1:]
        built = [row for row in rows.rows if len(row) == 11][1:]
        said = [
            [shortened(at["embedding_bits"]), *map(bound_in_words, at["bounds"])]
            for at in whole["curves"]
        ]
        # further rows would repeat the last one
        same = said[: len(by_bits)] == by_bits
        same = same and all(set(row[1:]) <= {"-", "negative"} for row in said[len(by_bits) :])
        names = ("embedding_bits", "unembedding_bits", "internal_bits")
        names += ("embedding_fact_bits", "internal_fact_bits")
        numbers = [[row[i] for i in (1, 2, 3, 6, 7)] for row in built]
        same = same and numbers == [
            [shortened(one[name]) for name in names] for one in whole["constructions"]
        ]
        beside = [[row[i].strip("()") for i in (4, 5, 8, 9)] for row in built]
        same = same and beside == [largest(one) for one in whole["constructions"]]
        same = same and f"the facts are {down(whole['information_limit'], 2)} bits" in rows.text
        titles = sum(tag == "title" for tag, _ in rows.elements)
        same = same and titles >= 2 * len(whole["constructions"])
        if not same:
            wrong.append((n, r, k))
    return wrong


def bound_in_words(bound):
    if "why" in bound:
        return "-"
    return down(bound["bits"], 1) if bound["bits"] >= 0 else "negative"


def largest(one):
    """The largest bound that applies, and the ratio to it, dense and of facts; of a chain of thought
    the largest of all.
    """
    applying = [check for check in one["bounds"] if check["applies"]]
    beside = applying or (one["bounds"] if one["written_tokens"] > 1 else [])
    words = []
    for bits, have in (("bits", "internal_bits"), ("fact_bits", "internal_fact_bits")):
        values = [check[bits] for check in beside if check[bits] is not None]
        best = max(values, default=None)
        if best is None:
            words += ["exempt", "-"]
        elif best <= 0:
            words += ["none", "-"]
        else:
            words += [down(best, 1), f"{one[have] / best:.3f}"]
    return words


def stops_of(page):
    """The stops that the sliders of a page can be at."""
    axes = [
        [int(one) for one in attrs["data-stops"].split()]
        for tag, attrs in Rows(page).elements
        if attrs.get("type") == "range"
    ]
    return [(n, r, k) for n in axes[0] for r in axes[1] for k in axes[2]]


def test_the_plane_of_a_report_says_what_bound_says(data, no_figures, tmp_path, capsys):
    _, out = report(tmp_path, data, "-N", "2,100", "-R", "1,4", "-k", "1,3")
    page = shown(out, "plane")
    stops = stops_of(page)
    assert len(stops) == 8
    assert differences(page, tmp_path, stops, capsys) == []
    number = re.search(r"<td>([0-9,]{9,})</td>", page[page.index('id="plane-100-4-3"') :])[1]
    damaged = page.replace(number, number[:-1] + str(9 - int(number[-1])))
    assert (100, 4, 3) in differences(damaged, tmp_path, stops, capsys), "the control"


@pytest.mark.long
def test_the_plane_says_what_bound_says_at_all_default_stops(data, no_figures, tmp_path, capsys):
    default = [w for name, stops in STOPS.items() for w in (f"-{name}", ",".join(map(str, stops)))]
    _, out = report(tmp_path, data, *default)
    page = shown(out, "plane")
    stops = stops_of(page)
    assert len(stops) == 96
    assert differences(page, tmp_path, stops, capsys) == []
