"""The kernel: proves from the files of a model alone that it answers every claimed query right.

It tabulates. For every node of the fact graph that may be at hand (an entity, or *unknown*) and
every choice of the letters that layers take, of a claimed query, it computes what the deciding
position holds, in exact integers; after a layer it keeps the columns that are a function of the
next node. Codes, bits and blocks are nowhere spoken of, so that a model in a code of one's own is
proven like any other. Lemmas K1 to K9 of docs/certificates.md say why that suffices; each check
names its lemma. A comment such as `# rules.v: take_holds` names the theorem of verify/proofs/, in
Coq, that justifies the lines after it; docs/machine-checked.md says what that covers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from verify.kernel.arithmetic import LARGEST, Noted, grown, leaked, small, times, upward
from verify.kernel.folder import MOST_NUMBERS, Head, Model
from verify.kernel.verdict import Undecided, Verdict, require

Array = np.ndarray
AT_ONCE = 2**23
"""Numbers of a table that is made piece by piece."""


@np.errstate(over="ignore", invalid="ignore")
def prove(files: Mapping[str, Any], manifest: Any) -> Verdict:
    """PASS, or an exception.

    Args:
        files: of a model folder, by name, as bytes-like objects.
        manifest: what manifest.json says.

    Raises:
        Refuted: a claim is false, or the files are not those of the architecture.
        Undecided: the lemmas do not reach a verdict, or tables are larger than is held.
    """
    model, noted = Model(files, manifest), Noted()
    # kernel.v: direct_model_right; chain.v: chain_right
    margins = [Position(model, noted, *run).margin(model.claims) for run in model.runs()]
    require(next(model.claims, None) is None, "the certificate holds more claims than are needed")
    limit, real = (min(some) for some in zip(*margins, strict=True))
    rounds, chain = noted.doubt(model), model.per_token
    exact = None if rounds else model.dtype
    return Verdict("PASS", "", *model.queries(), limit, real, exact, chain, rounds, "kernel")


class Position:
    """A deciding position: what it holds in each of Q cases, a node with a choice of the letters
    at hand, is `known` plus one row of each table, whichever they are, up to an error.

    Attributes:
        step, left: which it is, see `Model`.
        kinds: of each position, which tokens it may hold.
        rows: of each position, the embeddings of these tokens.
        beside: (d,): bounds on what any of them holds before the first layer.
        at_hand: the positions whose tokens are at hand: a node's, None once letters have been
            applied, then those of letters.
        cases: int (Q, 1 + letters): which node, and which letters.
        reached: int (Q,): the node to which they lead.
        known: (Q, d).
        tables: (rows, d) each, by the position or the pass whose choice it is.
        unknown: bool (d,): columns of which nothing is known.
        written: bool (d,): columns that a layer has written.
        error: (d,): how far the stream may be from its limit, in units of `leak`.
        leak: the largest weight that a head has put outside of the positions that it selects.
    """

    def __init__(self, model: Model, noted: Noted, step: int, left: int):
        """Before the first layer it holds its own token and its position (Lemma K2)."""
        # rules.v: start_holds
        self.model, self.noted, self.step, self.left = model, noted, step, left
        self.kinds, d = model.kinds(step, left), model.embedding.shape[1]
        self.rows, here = [model.rows[kind] for kind in self.kinds], len(self.kinds) - 1
        origin = here if step > 1 else 0
        self.at_hand, self.reached = list[int | None]([origin]), np.arange(len(self.rows[origin]))
        self.cases, own = self.reached[:, None], self.rows[origin] * (step > 1)
        self.known: Array = small(own + model.positions[here])
        self.tables: dict[int | str, Array] = {} if step > 1 else {here: self.rows[here]}
        self.leak, self.error = Fraction(0), np.zeros(d)
        self.unknown, self.written = np.zeros(d, bool), np.zeros(d, bool)
        most = np.max([np.abs(rows).max(axis=0) for rows in self.rows], axis=0)
        self.beside = most + np.abs(model.positions[: here + 1]).max(axis=0)
        noted.sums(self.beside)

    def margin(self, claims: Iterator[dict[str, Any]]) -> tuple[Fraction, Fraction]:
        """Of the token that this position says: in the limit of attention, and with leaks. By
        induction over the layers (Theorem K).
        """
        first = (self.step - 1) * self.model.per_token + 1
        end = first + self.left
        # rules.v: passes_compose; kernel.v: run_right
        for number, layer in enumerate(self.model.layers, start=1):
            named = {"claim": "pass", "step": self.step, "left": self.left, "layer": number}
            claim, where = next(claims, {}), ", ".join(f"{s} {i}" for s, i in named.items())
            require({s: claim.get(s) for s in named} == named, f"the next claim is not of {where}")
            letters, first = claim["letters"], first + len(claim["letters"])
            taken = letters == [*range(first - len(letters), first)] and first <= end
            require(taken, f"{where}: takes the letters {letters}")
            widths = [len(matrix) for part in (*layer[0], layer[1]) for matrix in part]
            self.take(letters, max([len(self.rows), len(self.error), *widths]))
            self.add_heads(layer[0], where)
            if layer[1]:
                self.add_units(layer[1], where)
            if claim["keeps"] is not None:
                self.rebase(claim["keeps"], where, number == len(self.model.layers))
        require(first == end, f"step {self.step}: letters {first} to {end - 1} are never taken")
        return self.decide()

    def take(self, letters: list[int], width: int) -> None:
        """Letters come to hand: from now on there is a case for each choice of a claimed query
        (Lemma K2).
        """
        # rules.v: take_holds, all_taken_hold
        self.at_hand, facts = [*self.at_hand, *letters], self.model.facts
        for number, letter in enumerate(letters):
            # of all these letters, before anything is held; then of the next one
            cases = int(self.model.ways(1 if number else len(letters))[self.reached].sum())
            needed = max(cases * max(width, len(self.at_hand)), len(facts) * len(self.reached))
            held = cases > 0 and needed <= MOST_NUMBERS
            require(held, f"a table of {needed:,} in {cases:,} cases is not held", Undecided)
            at, chosen = np.nonzero(np.less(facts[:, self.reached].T, self.model.nodes))
            self.reached, self.known = facts[chosen, self.reached[at]], self.known[at]
            self.cases = np.column_stack([self.cases[at], chosen])
            if letter in self.tables:
                self.known = small(self.known + self.tables.pop(letter)[chosen])

    def sizes(self) -> Array:
        """Bounds on the absolute values of the stream, (d,)."""
        tables = [np.abs(table).max(axis=0) for table in self.tables.values()]
        return np.asarray(np.abs(self.known).max(axis=0) + sum(tables))

    def read(self, matrix: Array, what: str) -> Array:
        """The stream as the matrix sees it, (Q, d): the first rows of the tables stand for all,
        since it tells none apart (Lemma K2).
        """
        # unread_columns.v: unread_columns_never_matter; stated.v: read_within
        require(not matrix[:, self.unknown].any(), f"{what} reads an unknown column", Undecided)
        stream = self.known
        for place, table in self.tables.items():
            differs = times(table - table[0], matrix).any()
            require(not differs, f"{what} tells apart what is not at hand: {place}", Undecided)
            stream = small(stream + table[0])
        self.noted.product(self.sizes(), matrix)
        return stream

    def add_heads(self, heads: list[Head], where: str) -> None:
        """All heads of a layer read the stream; then what they copy is added to it."""
        known, tables, error, written = self.known, {**self.tables}, self.error, self.written
        sums, parts = self.sizes(), 1
        # heads.v: heads_sound
        for h, (query, key, value, output) in enumerate(heads):
            what = f"{where}, head {h}"
            elsewhere = key[:, self.written].any() or value[:, self.written].any()
            # Lemma K3; heads.v: key_exact, value_exact
            require(not elsewhere, f"{what}: reads what a layer has written", Undecided)
            keys = self.seen(key)
            for p, of_tokens in enumerate(keys):
                alike = (of_tokens == of_tokens[0]).all()  # Lemma K4
                require(alike, f"{what}: the key of {p} depends on its token", Undecided)
            held = np.stack([of_tokens[0] for of_tokens in keys])
            scores = times(times(self.read(query, f"{what}: its query"), query), held)
            most = self.noted.product(self.beside, key)
            # scores, in the units of the query
            self.noted.product(self.sizes(), np.vstack([times(most[None], abs(query).T), query]))
            chosen = scores == scores.max(axis=-1, keepdims=True)
            count, ever = chosen.sum(axis=-1, keepdims=True), chosen.any(axis=0)
            alike = (count == 1).all() or (held[ever] == held[ever][0]).all()
            # Lemma K4; heads.v: equal_scores
            require(alike, f"{what}: different keys have one score", Undecided)
            seen = self.seen(value, output)
            added, later = self.mixed(seen, chosen, what)
            rounded = (added % count).any() or (count & (count - 1)).any()
            require(not rounded, f"{what}: an average of {count.max()} is rounded", Undecided)
            known = small(known + added / count)
            tables |= {p: small(tables.get(p, 0) + seen[p]) for p in later}
            # heads.v: head_within; computed_bounds.v: units_of_leak
            if not chosen.all():
                error = upward(error + self.leaks(query, held, scores, seen))
            read = count.max() * self.noted.product(self.beside, value)
            sums, parts = sums + grown(read, output), max(parts, int(count.max()))
            self.noted.sums(read)
            written = written | output.any(axis=1)
        self.noted.sums(sums * parts)
        self.known, self.tables, self.error, self.written = known, tables, error, written

    def seen(self, *matrices: Array) -> list[Array]:
        """The matrices, one after another, times what each position holds, (tokens, out): in every
        layer what it holds before the first, as no layer has written what they read (Lemma K3).
        """
        of, at = {kind: self.model.rows[kind] for kind in self.kinds}, self.model.positions
        for matrix in matrices:
            of, at = {kind: times(rows, matrix) for kind, rows in of.items()}, times(at, matrix)
        return [small(of[kind] + at[p]) for p, kind in enumerate(self.kinds)]

    def mixed(self, seen: list[Array], chosen: Array, what: str) -> tuple[Array, list[int]]:
        """The sum of what chosen positions add, (Q, d) or less where it is alike; and positions
        beside, whose token is not at hand (Lemma K4).
        """
        # copied_values.v: mean_from_sources
        mixed, later = np.zeros((1, seen[0].shape[1])), list[int]()
        for p in np.flatnonzero(chosen.any(axis=0)).tolist():
            value = seen[p]
            if (value == value[0]).all():
                value = value[0]
            elif p in self.at_hand:
                value = value[self.cases[:, self.at_hand.index(p)]]
            elif chosen[:, p].all() and (chosen.sum(axis=-1) == 1).all():
                value, later = np.zeros_like(value[0]), [*later, p]
            else:
                raise Undecided(f"{what}: reads position {p}, whose token is not at hand")
            mixed = small(mixed + np.where(chosen[:, p, None], value, 0))
        return mixed, later

    def leaks(self, query: Array, keys: Array, scores: Array, added: list[Array]) -> Array:
        """How far positions that a head does not select move what it adds, (d,), in units of
        `leak`, which may grow (Lemma K5). `added`: of each position and token, (tokens, d).
        """
        below = scores.max(axis=-1, keepdims=True) - scores
        self.noted.gap = min(self.noted.gap, gap := int(below[below > 0].min()))
        # computed_bounds.v: shaken_by_span, gap_less_one; heads.v: real_gap
        span = keys.max(axis=0) - keys.min(axis=0)
        shaken = self.leak * Fraction(float(grown(grown(self.error, query), span[None])[0]))
        require(shaken <= 1, "earlier leaks may move scores by more than 1", Undecided)
        self.leak = max(self.leak, leaked(gap - (shaken > 0), len(keys) - 1))
        # computed_bounds.v: largest_of_others, smallest_of_others, moved_by_extremes
        high, low = (np.stack([f(rows, axis=0) for rows in added]) for f in (np.max, np.min))
        two, last = np.sort(high, axis=0)[-2:], np.sort(low, axis=0)[:2]
        above = np.where(high == two[1], two[0], two[1]) - low  # of the other positions
        moved = np.maximum(above, high - np.where(low == last[0], last[1], last[0]))
        return np.asarray(moved[(below == 0).any(axis=0)].max(axis=0))

    def add_units(self, mlp: list[Array], where: str) -> None:
        """What the MLP adds; ReLU is 1-Lipschitz (Lemma K6)."""
        # units.v: units_sound; computed_bounds.v: mlp_error_in_units
        hidden = times(self.read(mlp[0], f"{where}: the MLP"), mlp[0])
        error = grown(self.error, mlp[0])
        for matrix in mlp[1:]:
            hidden = np.maximum(hidden, 0)
            self.noted.product(hidden.max(axis=0), matrix)
            hidden, error = times(hidden, matrix), grown(error, matrix)
        self.noted.sums(self.sizes() + np.abs(hidden).max(axis=0))
        self.known, self.error = small(self.known + hidden), upward(self.error + error)
        self.written = self.written | mlp[-1].any(axis=1)

    def rebase(self, blocks: list[dict[str, Any]], where: str, last: bool) -> None:
        """The nodes to which the letters at hand lead are the nodes from now on: a column is known
        where it is a function of that node, else by a table where the letters alone decide it;
        else nothing is known of it (Lemma K7). After the last layer claims are looked at alone.
        """
        claimed = np.zeros(len(self.error), bool)
        for block in blocks:
            claimed[slice(*block["columns"])] = True
        # rules.v: rebase_holds
        nodes, one, at = np.unique(self.reached, return_index=True, return_inverse=True)
        kept = (self.known[one[at]] == self.known).all(axis=0) & ~self.unknown
        differ = [(table != table[0]).any(axis=0) for table in self.tables.values()]
        false = claimed & (~kept | np.any(differ, axis=0))
        require(not false.any(), f"{where}: column {false.argmax()} is no function of the node")
        if last:
            return
        _, of, at = np.unique(self.cases[:, 1:], axis=0, return_index=True, return_inverse=True)
        by_letters = (self.known[of[at.ravel()]] == self.known).all(axis=0) & ~kept & ~self.unknown
        self.tables[where] = np.where(by_letters, self.known[of], 0)
        self.at_hand, self.reached, self.cases = [None], nodes, nodes[:, None]
        self.known, self.unknown = np.where(kept, self.known[one], 0), ~kept & ~by_letters

    def decide(self) -> tuple[Fraction, Fraction]:
        """By how much the right token has the largest logit in every case, in the limit and with
        leaks (Lemma K8).
        """
        # rules.v: decided_answer
        model, matrix, margins = self.model, self.model.unembedding, []
        states = self.read(matrix, "the unembedding")
        target = np.append(np.arange(model.n), model.n + model.r)[self.reached]
        target = np.where(self.left or not model.per_token, target, len(matrix) - 1)  # END
        # computed_bounds.v: margin_by_sizes
        most = self.leak * Fraction(2 * float(grown(self.error, matrix).max()))
        sharp = most > Fraction(1, 2**64)
        some = max(1, AT_ONCE // (matrix.size if sharp else len(matrix)))
        for start in range(0, len(target), some):
            own, each = target[start : start + some], np.arange(len(target[start : start + some]))
            logits = times(states[start : start + some], matrix)
            apart = small(logits[each, own][:, None] - logits)
            apart[each, own] = LARGEST
            least, worst = Fraction(float(apart.min())), own[apart.min(axis=1).argmin()]
            require(least > 0, f"the logit of token {worst} is not above all others ({least})")
            margins.append((least, least - most))
            if sharp:  # |U_target - U_t| error for each token t; the sums are rounded
                moved = np.abs(matrix[own][:, None] - matrix) @ self.error * float(self.leak)
                rounded = (np.abs(logits).max() * 2 + moved.max()) * len(self.error) * 2.0**-50
                margins[-1] = least, Fraction(float((apart - moved).min() - rounded))
        limit, real = (min(some) for some in zip(*margins, strict=True))
        require(real > 0, f"the margin is {limit}, and leaks may take all of it", Undecided)
        return limit, real
