"""Follows one query through any decoder, in a basis of attributes that is fitted to its stream.

    found = fitted_shown(of(model), answers_of(facts), 3, 1, Names.of(facts))
    found.steps[0].rows[-1].held  # what stands there, block by block

At every point of the forward pass a basis of its own is fitted to the streams of many subjects who
are asked for the same relation (`verify.learned.fitted_basis`), and tells what stands in the
block of each relation. Which relation is asked for is read off the means of the streams over the
subjects. What is the same for all queries, and the rest, have a column as well: the columns of a
row add up to the stream, and those of the last row to the logits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from constructions.facts.answers import MISSING
from constructions.guards.integers import whole
from verify.learned.claimed import require_answers
from verify.learned.decoder import Floats, Ints
from verify.learned.fitted_basis import FittedPoint, deciding_relations, fitted_point, groups_of
from verify.learned.fitted_names import Names, remarks, require_names
from verify.learned.relation_basis import RelationBasis
from verify.learned.seen import END, Place, Prompt, Seeable, Seen
from verify.queries.shown import Fired, Held, Look, Row, Shown, ShownStep
from verify.queries.shown_blocks import OTHERS, Block

MOST_SUBJECTS, MOST_RELATIONS = 512, 16
"""So many subjects are fitted, and so many relations told apart; others are left out at random."""
ROUNDING = 1e-5
"""A unit fires if its activation is above this share of the largest one of its layer."""
LEAST_WEIGHT, MOST_LOOKED = 0.005, 3
"""Of attention that is shown, and to how many tokens of a head."""


def fitted_shown(
    decoder: Seeable,
    answers: NDArray[np.int64],
    subject: int,
    relation: int,
    names: Names,
    seed: int = 0,
) -> Shown:
    """Follow one query.

    Args:
        decoder: any of `verify.learned.adapters`, or one of your own.
        answers: int64 (R, N), the column of the logits of each fact, -1 where one is missing.
        subject, relation: which query, 0 to N - 1 and 0 to R - 1.
        names: of subjects, relations and answers.
        seed: of what is drawn: subjects if they are many, folds, shuffled facts.

    Raises:
        InputError: these are no answers to the decoder's queries, or a number is out of range.
    """
    require_answers(decoder, answers)
    subject = whole("subject", subject, 0, decoder.n_entities - 1)
    relation = whole("relation", relation, 0, decoder.n_relations - 1)
    require_names(decoder, names)
    generator = np.random.default_rng(whole("seed", seed, 0, 2**63 - 1))
    some = _among(decoder.n_entities, MOST_SUBJECTS, subject, generator)
    others = _among(decoder.n_relations, MOST_RELATIONS, relation, generator)
    seen = decoder.seen(some, np.full(len(some), relation))
    asked = {
        r: seen if r == relation else decoder.seen(some, np.full(len(some), r)) for r in others
    }
    here = int(np.searchsorted(some, subject))
    prompt = decoder.prompt(subject, relation)
    name = names.subjects[subject]
    query = _Query(decoder, answers[:, some], here, name, relation, names, seed, seen, prompt)
    groups = groups_of(answers[:, some], seed)
    points = {place: query.point(place) for place in seen.streams}
    relations = {
        place: RelationBasis({r: one.streams[place] for r, one in asked.items()}, groups, here)
        for place in seen.streams
        if place.at == END
    }
    shown = query.blocks(points, relation)
    logits = decoder.logits(np.array([subject]), np.array([relation]))[0]
    known = int(answers[relation, subject])
    step = query.step(points, relations, shown, logits)
    best = int(logits.argmax())
    return Shown(
        name=names.model,
        query=f"{names.subjects[subject]} {names.relations[relation]}",
        answer=names.answers[best],
        right=best == known,
        claimed=known != MISSING,
        d_model=next(iter(seen.streams.values())).shape[1],
        depth=query.depth,
        blocks=tuple(query.columns(shown)),
        cut=decoder.n_relations - len(shown),
        steps=(step,),
        remarks=tuple(remarks([point.evidence for point in points.values() if point], len(some))),
    )


def _among(
    total: int, most: int, needed: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """At most so many of 0 to total - 1, one of which is needed, in order."""
    drawn = generator.permutation(total)[:most]
    if needed not in drawn:
        drawn[0] = needed
    return np.sort(drawn)


@dataclass(frozen=True)
class _Query:
    """What is needed to describe one query.

    Attributes:
        decoder: which.
        answers: (R, n), of the subjects that are fitted.
        subject: the number among them of the one that is followed.
        name: its name.
        relation: what is asked for.
        names: of everything.
        seed: of what is drawn.
        seen: of all these subjects, asked for this relation.
        prompt: of the one who is followed.
    """

    decoder: Seeable
    answers: Ints
    subject: int
    name: str
    relation: int
    names: Names
    seed: int
    seen: Seen[Floats]
    prompt: Prompt

    @property
    def depth(self) -> int:
        """How many layers were seen."""
        numbers = (place.point.split(".") for place in self.seen.streams)
        return 1 + max((int(parts[1]) for parts in numbers if len(parts) > 1), default=-1)

    def point(self, place: Place) -> FittedPoint | None:
        """The basis at a place; None where nothing depends on the subject."""
        held = self.seen.streams[place]
        if np.isfinite(held).all() and not np.ptp(held, axis=0).any():
            return None
        return fitted_point(
            self.decoder, self.answers, held, self.subject, self.relation, self.seed
        )

    def blocks(self, points: dict[Place, FittedPoint | None], relation: int) -> list[int]:
        """The relations that have a column: the one that is asked for, and the first ones of those
        that have a block anywhere, or of all.
        """
        there = {r for point in points.values() if point is not None for r in point.shares}
        order = sorted(range(len(self.answers)), key=lambda r: (r != relation, r not in there, r))
        return sorted(order[:OTHERS])

    def columns(self, shown: list[int]) -> list[Block]:
        """All columns of the picture."""
        return [
            *(Block("attributes", self.names.relations[r], (), "fitted") for r in shown),
            Block("relation", "", ()),
            Block("always", "", ()),
            Block("rest", "", ()),
        ]

    def step(
        self,
        points: dict[Place, FittedPoint | None],
        relations: dict[Place, RelationBasis],
        shown: list[int],
        logits: Floats,
    ) -> ShownStep:
        """All that leads to the answer."""
        rows: list[Row] = []
        parts: list[Floats] = []
        before: dict[str, Row] = {}
        for place, point in points.items():
            position = self.prompt.length - 1 if place.at == END else self.prompt.subject
            row, parts = self._row(place, point, relations.get(place), shown, position, before)
            rows.append(row)
            before[place.at] = row
        best = np.argsort(-logits, kind="stable")[:3]
        read = self.decoder.unembedding()[best[:2]] @ np.stack(parts).T
        return ShownStep(
            self.tokens,
            tuple(rows),
            tuple(self._looks()),
            tuple(self._fired(shown)),
            tuple((self.names.answers[t], float(logits[t])) for t in best.tolist()),
            tuple(zip(read[0].tolist(), read[-1].tolist(), strict=True)),
        )

    def _row(
        self,
        place: Place,
        point: FittedPoint | None,
        relations: RelationBasis | None,
        shown: list[int],
        position: int,
        before: dict[str, Row],
    ) -> tuple[Row, list[Floats]]:
        """What stands in all columns at one place, and what each of them is of the stream."""
        state = self.seen.streams[place][self.subject]
        held, parts = [], []
        found = {} if point is None else point.read(state)
        was = before[place.at].held if place.at in before else None
        known = self.answers[:, self.subject]
        longest = max((float(np.linalg.norm(one.part)) for one in found.values()), default=0.0)
        longest = max(longest, np.finfo(float).tiny)
        for index, r in enumerate(shown):
            if r in found:
                one = found[r]
                kind = "entity" if one.answer == known[r] else "doubtful"
                name, share = self.names.answers[one.answer], point.shares[r] if point else None
                size = float(np.linalg.norm(one.part)) / longest
                held.append(Held(one.coordinates, name, kind, None, False, False, share, size))
                parts.append(one.part)
            elif point is not None and (
                point.evidence.value is None or (point.evidence.alone and r != self.relation)
            ):
                held.append(Held(np.zeros(0), "", "unknown", None, False, False))
                parts.append(np.zeros_like(state))
            else:
                cleared = was is not None and was[index].kind in ("entity", "doubtful")
                held.append(Held(np.zeros(0), "", "zero", None, cleared, False))
                parts.append(np.zeros_like(state))
        hidden = sum(
            (one.part for r, one in found.items() if r not in shown), np.zeros_like(state)
        )
        centre = None if point is None or point.basis is None else point.basis.origin
        if relations is None:
            always = self.seen.streams[place].mean(axis=0) if centre is None else centre
            held.append(Held(np.zeros(0), "", "zero", None, False, False))
            parts.append(np.zeros_like(state))
        else:
            always = relations.always
            held.append(self._of_relation(relations, state))
            read = relations.read(state)
            known_centre = centre is not None and read == self.relation
            parts.append(centre - always if known_centre else relations.part(read))
        left = state - always - hidden - sum(parts)
        for part in (always, left):
            length = np.linalg.norm(part)
            held.append(Held(np.array([length]), f"{length:.3g}", "numbers", None, False, False))
        evidence = None if point is None else point.evidence
        row = Row(place.point, position, self.tokens[position], tuple(held), evidence)
        return row, [*parts, always, left + hidden]

    def _of_relation(self, relations: RelationBasis, state: Floats) -> Held:
        """Which relation stands there."""
        if not relations.differ:
            return Held(np.zeros(0), "", "zero", None, False, False)
        read = relations.read(state)
        if not relations.is_told(read):
            return Held(np.zeros(0), "", "unknown", None, False, False)
        kind = "relation" if read == self.relation else "doubtful"
        name = self.names.relations[read]
        return Held(relations.part(read), name, kind, None, False, False, relations.shares)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The names of the tokens."""
        if self.prompt.tokens is not None:
            return self.prompt.tokens
        name, after = self.names.relations[self.relation], self.prompt.length - 1
        words = name.split(" ")
        return (
            self.name,
            *(words if len(words) == after else [name] * after),
        )

    def _looks(self) -> list[Look]:
        """What each head of the last position looks at."""
        found = []
        for layer, patterns in self.prompt.patterns:
            for head, pattern in enumerate(patterns.tolist()):
                order = sorted(range(len(pattern)), key=lambda at: -pattern[at])[:MOST_LOOKED]
                looked = tuple((at, pattern[at]) for at in order if pattern[at] >= LEAST_WEIGHT)
                found.append(Look(layer, head, "", (), (), looked))
        return found

    def _fired(self, shown: list[int]) -> list[Fired]:
        """How many units of each hidden layer fire."""
        found = []
        for layer, units in self.seen.hidden:
            on = units[self.subject] > ROUNDING * np.abs(units).max(initial=0)
            of = deciding_relations(self.decoder, self.answers, units, self.seed)
            parts = tuple(
                (self.names.relations[r], int((on & (of == r)).sum()), int((of == r).sum()))
                for r in shown
                if (of == r).any()
            )
            found.append(Fired(layer, "", int(on.sum()), on.size, parts))
        return found
