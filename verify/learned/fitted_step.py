"""What one answer, or one written token, of any decoder comes from, in a basis of attributes that
is fitted to its stream.

At every point of the forward pass a basis of its own is fitted to the streams of many subjects who
are asked for the same relation (`verify.learned.fitted_basis`), and tells what stands in the
block of each relation. Which relation is asked for is read off the means of the streams over the
subjects. What is the same for all queries, and the rest, have a column as well: the columns of a
row add up to the stream, and those of the last row to the logits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from constructions.facts.answers import MISSING
from constructions.guards.integers import whole
from verify.learned.claimed import require_answers
from verify.learned.decoder import Floats, Ints
from verify.learned.fitted_basis import FittedPoint, deciding_relations, fitted_point, groups_of
from verify.learned.fitted_names import Names, require_names
from verify.learned.relation_basis import RelationBasis
from verify.learned.seen import END, Place, Prompt, Seeable, Seen
from verify.queries.shown import Evidence, Fired, Held, Look, Row, ShownStep
from verify.queries.shown_blocks import OTHERS, Block

MOST_SUBJECTS, MOST_RELATIONS = 512, 16
"""So many subjects are fitted, and so many relations told apart; others are left out at random."""
ROUNDING = 1e-5
"""A unit fires if its activation is above this share of the largest one of its layer, whatever is
asked for.
"""
LEAST_WEIGHT, MOST_LOOKED = 0.005, 3
"""Of attention that is shown, and to how many tokens of a head."""


@dataclass(frozen=True)
class Asked:
    """A query that is answered with one token.

    Attributes:
        decoder: any of `verify.learned.adapters`, or one of your own.
        answers: int64 (R, N), the column of the logits of each fact, -1 where one is missing.
        subject, relation: which query, 0 to N - 1 and 0 to R - 1.
        names: of subjects, relations and answers.
        number: which of the tokens that are written it is about, counted from 1.
        others: the relations that may stand in place of this one; None for all.
        tokens: the names of its tokens; None where the decoder says them, or they are a subject
            and then a relation's.

    Raises:
        InputError: these are no answers to the decoder's queries, or a number is out of range.
    """

    decoder: Seeable
    answers: NDArray[np.int64]
    subject: int
    relation: int
    names: Names
    number: int = 1
    others: Sequence[int] | None = None
    tokens: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        require_answers(self.decoder, self.answers)
        whole("subject", self.subject, 0, self.decoder.n_entities - 1)
        whole("relation", self.relation, 0, self.decoder.n_relations - 1)
        require_names(self.decoder, self.names)

    @property
    def known(self) -> int:
        """What the facts say."""
        return int(self.answers[self.relation, self.subject])


def fitted_step(asked: Asked, seed: int) -> FittedStep:
    """Watch some subjects who are asked for all relations, and fit a basis at every point."""
    decoder, relation = asked.decoder, asked.relation
    generator = np.random.default_rng(whole("seed", seed, 0, 2**63 - 1))
    some = _among(decoder.n_entities, MOST_SUBJECTS, asked.subject, generator)
    every = np.array(range(decoder.n_relations) if asked.others is None else asked.others)
    place = int(np.flatnonzero(every == relation)[0])
    others = every[_among(len(every), MOST_RELATIONS, place, generator)].tolist()
    held = {r: decoder.seen(some, np.full(len(some), r)) for r in others}
    seen, answers = held[relation], asked.answers[:, some]
    here = int(np.searchsorted(some, asked.subject))
    groups = groups_of(answers, seed)
    points = {
        place: _point(decoder, answers, stream, here, relation, seed)
        for place, stream in seen.streams.items()
    }
    relations = {
        place: RelationBasis({r: held[r].streams[place] for r in others}, groups, here)
        for place in seen.streams
        if place.at == END
    }
    prompt = decoder.prompt(asked.subject, relation)
    largest = np.array(
        [[np.abs(units).max(initial=0) for _, units in one.hidden] for one in held.values()]
    ).max(axis=0)
    (logits,) = decoder.logits(np.array([asked.subject]), np.array([relation]))
    return FittedStep(asked, answers, here, seed, seen, logits, largest, prompt, points, relations)


def _among(
    total: int, most: int, needed: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """At most so many of 0 to total - 1, one of which is needed, in order."""
    drawn = generator.permutation(total)[:most]
    if needed not in drawn:
        drawn[0] = needed
    return np.sort(drawn)


def _point(
    decoder: Seeable, answers: Ints, held: Floats, subject: int, relation: int, seed: int
) -> FittedPoint | None:
    """The basis of what the stream holds at a place; None where nothing depends on the subject."""
    if np.isfinite(held).all() and not np.ptp(held, axis=0).any():
        return None
    return fitted_point(decoder, answers, held, subject, relation, seed)


def columns(steps: Iterable[FittedStep]) -> tuple[list[int], int]:
    """The relations that have a column: those that are asked for, and the first ones of those that
    have a block anywhere, or of all; and how many have none.
    """
    asked, there, every = set[int](), set[int](), set[int]()
    for step in steps:
        asked.add(step.asked.relation)
        there |= {r for point in step.points.values() if point for r in point.shares}
        every |= set(np.flatnonzero((step.answers != MISSING).any(axis=1)).tolist())
    order = sorted(every, key=lambda r: (r not in asked, r not in there, r))
    return sorted(order[:OTHERS]), len(order[OTHERS:])


def blocks(names: Names, shown: list[int]) -> list[Block]:
    """All columns of the picture."""
    return [
        *(Block("attributes", names.relations[r], (), "fitted") for r in shown),
        Block("relation", "", ()),
        Block("always", "", ()),
        Block("rest", "", ()),
    ]


@dataclass(frozen=True)
class FittedStep:
    """What is seen of one query, and fitted.

    Attributes:
        asked: the query.
        answers: (R, n), of the subjects that are fitted.
        subject: the number among them of the one that is followed.
        seed: of what is drawn.
        seen: of all these subjects, asked for this relation.
        logits: of the query, (A,).
        largest: for each hidden layer the largest activation, whatever is asked for.
        prompt: of the one who is followed.
        points: the basis at each place; None where nothing depends on the subject.
        relations: what tells relations apart at each place of the last position.
    """

    asked: Asked
    answers: Ints
    subject: int
    seed: int
    seen: Seen[Floats]
    logits: Floats
    largest: Floats
    prompt: Prompt
    points: dict[Place, FittedPoint | None]
    relations: dict[Place, RelationBasis]

    @property
    def evidence(self) -> list[Evidence]:
        """How good each basis is, in the order of the forward pass."""
        return [point.evidence for point in self.points.values() if point]

    @property
    def d_model(self) -> int:
        """Coordinates of the stream."""
        return int(next(iter(self.seen.streams.values())).shape[1])

    @property
    def depth(self) -> int:
        """How many layers were seen."""
        numbers = (place.point.split(".") for place in self.seen.streams)
        return 1 + max((int(parts[1]) for parts in numbers if len(parts) > 1), default=-1)

    def shown(self, shown: list[int], largest: Floats) -> ShownStep:
        """All that leads to the answer, with a column for each of these relations; of units whose
        largest activations in each hidden layer these are.
        """
        asked, logits = self.asked, self.logits
        rows: list[Row] = []
        parts: list[Floats] = []
        before: dict[str, Row] = {}
        for place in self.points:
            row, parts = self._row(place, shown, before)
            rows.append(row)
            before[place.at] = row
        best = np.argsort(-logits, kind="stable")[:3]
        read = asked.decoder.unembedding()[best[:2]] @ np.stack(parts).T
        return ShownStep(
            asked.number,
            self.tokens,
            tuple(rows),
            tuple(self._looks()),
            tuple(self._fired(shown, largest)),
            tuple((asked.names.answers[t], float(logits[t])) for t in best.tolist()),
            tuple(zip(read[0].tolist(), read[-1].tolist(), strict=True)),
        )

    def _row(
        self, place: Place, shown: list[int], before: dict[str, Row]
    ) -> tuple[Row, list[Floats]]:
        """What stands in all columns at one place, and what each of them is of the stream."""
        point, relations = self.points[place], self.relations.get(place)
        state = self.seen.streams[place][self.subject]
        asked, names = self.asked.relation, self.asked.names
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
                name, share = names.answers[one.answer], point.shares[r] if point else None
                size = float(np.linalg.norm(one.part)) / longest
                held.append(Held(one.coordinates, name, kind, None, False, False, share, size))
                parts.append(one.part)
            elif point is not None and (
                point.evidence.value is None or (point.evidence.alone and r != asked)
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
            known_centre = centre is not None and read == asked
            parts.append(centre - always if known_centre else relations.part(read))
        left = state - always - hidden - sum(parts)
        for part in (always, left):
            length = np.linalg.norm(part)
            held.append(Held(np.array([length]), f"{length:.3g}", "numbers", None, False, False))
        evidence = None if point is None else point.evidence
        position = self.prompt.length - 1 if place.at == END else self.prompt.subject
        row = Row(place.point, position, self.tokens[position], tuple(held), evidence)
        return row, [*parts, always, left + hidden]

    def _of_relation(self, relations: RelationBasis, state: Floats) -> Held:
        """Which relation stands there."""
        if not relations.differ:
            return Held(np.zeros(0), "", "zero", None, False, False)
        read = relations.read(state)
        if not relations.is_told(read):
            return Held(np.zeros(0), "", "unknown", None, False, False)
        kind = "relation" if read == self.asked.relation else "doubtful"
        name = self.asked.names.relations[read]
        return Held(relations.part(read), name, kind, None, False, False, relations.shares)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The names of the tokens."""
        if known := self.asked.tokens or self.prompt.tokens:
            return known
        names = self.asked.names
        name, after = names.relations[self.asked.relation], self.prompt.length - 1
        words = name.split(" ")
        return (
            names.subjects[self.asked.subject],
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

    def _fired(self, shown: list[int], largest: Floats) -> list[Fired]:
        """How many units of each hidden layer fire."""
        found = []
        for (layer, units), most in zip(self.seen.hidden, largest, strict=True):
            on = units[self.subject] > ROUNDING * most
            of = deciding_relations(self.asked.decoder, self.answers, units, self.seed)
            parts = tuple(
                (self.asked.names.relations[r], int((on & (of == r)).sum()), int((of == r).sum()))
                for r in shown
                if (of == r).any()
            )
            found.append(Fired(layer, "", int(on.sum()), on.size, parts))
        return found
