"""What the unembedding makes of the final state: in every case the right token has the largest
logit, whatever node is spelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Any

import numpy as np

from verify.kernel.verdict import Undecided, require
from verify.reading.stored import integers
from verify.symbolic.logits import Final, separate
from verify.symbolic.run import Run
from verify.symbolic.unmet import Unmet
from verify.symbolic.values import Values, added_up, product, segments, size_of

Margins = list[tuple[Fraction, Fraction]]
Groups = dict[tuple[bytes, ...], list[Final]]


def unembed(run: Run, x: Values, at_hand: int, end: bool) -> Margins:
    """Of every final state the least margin, in the limit of attention and in real arithmetic.

    `at_hand` letters of the last pass are still to be applied: by reading the node that they lead
    to, where columns spell it, else because the unembedding holds that node's token in its row for
    these letters. With `end` no letter was left, and the answer is END.

    Cases that cannot be distinguished are tried once (Lemma S15).
    """
    groups = _groups(run, x, at_hand, end)
    differ, beside = _read_rows(run, groups)
    margins = []
    for name, group in groups.items():
        for final in group if name in differ else group[:1]:
            margins.append(separate(run, final, beside))
    return margins


def _groups(run: Run, x: Values, at_hand: int, end: bool) -> Groups:
    """The final state of every case; those together that differ in the columns that are read, at
    most (Lemma S15).
    """
    d, const = run.setting.model.d, x.plus(run.first_choices()).const
    groups: Groups = {}
    answers: dict[tuple[int, ...], tuple[np.ndarray, np.ndarray]] = {}
    ends = np.searchsorted(x.at, np.arange(len(const) + 1) * d)
    for case in range(len(const)):
        mine = slice(ends[case], ends[case + 1])
        column, key, coef = x.at[mine] % d, x.key[mine], x.coef[mine]
        if not (key < d).all():
            raise Undecided("decoder: the final state is no code")
        spelled, applied = _spelled(run, at_hand, case, end)
        answer, book = spelled[key], run.now.book[spelled][:1]
        kind = case if applied else -1, *book[:1].tolist()  # on which nodes and targets depend
        if kind not in answers:
            answers[kind] = _answers(run, at_hand, case, applied, spelled if not end else None)
        nodes, target = answers[kind]
        if not (end or (len(book) and (answer.any() or len(nodes) == 1))):
            raise Undecided("decoder: no column spells the answer")
        run.used[key] = True
        final = Final(const[case], column, key, coef, answer, nodes, target)
        # nodes and targets
        same = np.array([case if applied else -1, *(() if end else book)])
        now, fixed = run.now, np.flatnonzero(const[case])
        roles = (coef, answer, now.bit[key], now.book[key], now.top[key])
        name = tuple(part.tobytes() for part in (const[case][fixed], *roles, same))
        groups.setdefault(name, []).append(final)
    return groups


def _spelled(run: Run, at_hand: int, case: int, end: bool) -> tuple[np.ndarray, bool]:
    """The columns that spell the answer, and whether letters are still to be applied to that node:
    the word of the letters at hand if columns spell it, else the node at hand; none if the answer
    is END (Lemma S14).
    """
    now, word = run.now, case if at_hand else 0
    spelled = (now.length == at_hand) & (now.word == word) & (not end)
    applied = at_hand > 0 and not end and not spelled.any()
    return (now.length == 0 if applied else spelled), applied


def _answers(
    run: Run, at_hand: int, case: int, applied: bool, spelled: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Every node that the columns may spell, reached or not, and the token that is right for each;
    END where nothing is spelled.
    """
    model = run.setting.model
    nodes, target = np.zeros(1, int), np.array([model.n_vocab - 1])  # END is the last token
    if spelled is not None:
        book = run.now.book[spelled][:1]
        nodes = (
            np.flatnonzero(run.setting.books.numbers[int(book[0])] >= 0) if len(book) else nodes
        )
        reached = run.setting.words.of(at_hand)[case][nodes] if applied else nodes
        target = np.where(reached == model.n, model.n + model.n_relations, reached)
    return nodes, target


@dataclass(frozen=True)
class _Beside:
    """What the unembedding holds beside the columns that final states are read from.

    Attributes:
        columns: bool (d,), where they are.
        apart: for each letter that is not at hand where its choices differ, and by what.
        most: where it adds something, and at most how much.
    """

    columns: np.ndarray
    apart: list[tuple[np.ndarray, np.ndarray]]
    most: list[tuple[np.ndarray, np.ndarray]]


def _read_rows(run: Run, groups: Groups) -> tuple[set[tuple[bytes, ...]], int]:
    """Read every row of the unembedding once.

    Returns:
        The groups in which some row tells cases apart (Lemma S15), and how much letters that are
        not at hand may add to a logit's sums (Lemma S17).
    """
    together = {
        name: list(segments(np.stack([final.columns for final in group])))
        for name, group in groups.items()
    }
    beside, stale = _beside(run, [columns for columns, _ in chain(*together.values())]), run.stale

    def look(_: slice, held: np.ndarray) -> tuple[int, set[tuple[bytes, ...]]]:
        rows = integers(held[:, beside.columns], "unembedding.weight")
        known = not rows[:, stale[beside.columns]].any()
        require(known, "decoder: reads a column of which nothing is known", Unmet)
        distinguished = any(
            product(rows[:, on[beside.columns]], table[:, on].T).any()
            for on, table in beside.apart
        )
        require(not distinguished, "decoder: tells letters apart that are not at hand", Unmet)
        bits, differ = held.view(f"u{held.itemsize}"), set()
        for name, parts in together.items():
            for columns, width in parts if len(groups[name]) > 1 else ():
                some = bits[:, columns]
                if (some[:, width:] != some[:, :-width]).any():
                    differ.add(name)
        added = [
            product(np.abs(rows[:, on[beside.columns]]), most.T).max(axis=1)
            for on, most in beside.most
        ]
        return size_of(added_up(np.zeros(len(rows), np.int64), *added)), differ

    looked = run.setting.model.over("unembedding", run.setting.model.n_vocab, look)
    return set().union(*(names for _, names in looked)), max(most for most, _ in looked)


def _beside(run: Run, read: list[Any]) -> _Beside:
    """Columns that no final state is read from, or that hold something else as well."""
    tables = list(run.free.values())
    apart = [((table != table[0]).any(axis=0), table - table[0]) for table in tables]
    most = [(on, np.abs(table[:, on])) for table in tables for on in [np.any(table, axis=0)]]
    columns: np.ndarray = np.ones(run.setting.model.d, bool)
    for some in read:
        columns[some] = False  # `separate` reads them
    for on in [run.stale, *(on for on, _ in [*apart, *most])]:
        columns |= on
    return _Beside(columns, apart, most)
