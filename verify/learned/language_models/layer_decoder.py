"""A language model as a decoder whose rows are the states of subjects at one layer.

A subject's row at layer l is the mean over all relations' prompts of the stream there, at the last
token of the subject: `row[s] = 1/R sum_r h_l(r, s)`. It is the stream itself where all templates
begin alike. A decoder with other rows adds the difference there, in every prompt:
`h_l(r, s) + row'[s] - row[s]`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from constructions.guards.errors import InputError
from verify.learned.decoder import Floats, Ints, pieces
from verify.learned.language_models.known import Known, scored
from verify.learned.language_models.passes import run
from verify.learned.language_models.units import units_of


@dataclass(frozen=True)
class LayerDecoder:
    """A decoder `WithUnits` (`verify.learned.decoder`).

    Attributes:
        known: the model, the questions, and what it says.
        layer: 0 to the number of layers.
        changed: rows (N, d) in place of its own; None for its own.
    """

    known: Known
    layer: int
    changed: Floats | None = None

    @property
    def n_entities(self) -> int:
        """N: subjects."""
        return len(self.known.asked.subjects)

    @property
    def n_relations(self) -> int:
        """R."""
        return len(self.known.asked.relations)

    @property
    def n_answers(self) -> int:
        """A."""
        return len(self.known.asked.answers)

    def rows(self) -> Floats:
        """Float64 (N, d)."""
        return self._own() if self.changed is None else self.changed

    def with_rows(self, rows: Floats) -> LayerDecoder:
        """The same model, with the stream shifted to these rows."""
        if rows.shape != self._own().shape:
            raise InputError(f"rows must be {self._own().shape}; got {rows.shape}")
        return replace(self, changed=np.array(rows, dtype=np.float64))

    def unembedding(self) -> Floats:
        """For each answer the mean row of the tokens by which it is scored, (A, d_state)."""
        first = self.known.asked.scoring == "first"
        found = [
            self.known.language.rows_of(own[:1] if first else own).double().mean(dim=0)
            for own in self.known.asked.answer_tokens
        ]
        return np.stack([row.cpu().numpy() for row in found])

    def states(self, subjects: Ints, relations: Ints) -> Floats:
        """What the unembedding reads at the end of the prompts (Q, d_state), without a shift."""
        if self.changed is not None:
            raise InputError("last states are known of the model's own rows alone")
        return self.known.states[relations, subjects].astype(np.float64)

    def logits(self, subjects: Ints, relations: Ints) -> Floats:
        """The scores of all answers (Q, A)."""
        if self.changed is None:
            return self.known.scores[relations, subjects]
        shift = (self.changed - self._own())[subjects]
        known = self.known
        return scored(known.language, known.asked, subjects, relations, (self.layer, shift))

    def units(self, subjects: Ints, relations: Ints) -> Floats:
        """The hidden units of the MLP of this layer at the end of the prompts, (Q, n_units)."""
        language, asked = self.known.language, self.known.asked
        found = []
        for part in pieces(len(subjects), language.batch):
            pairs = zip(relations[part], subjects[part], strict=True)
            tokens = [asked.tokens[r][s] for r, s in pairs]
            last = [len(own) - 1 for own in tokens]
            with units_of(language.layers[self.layer], self.known.streams.shape[-1]) as seen:
                run(language, tokens, [[place] for place in last])
            found.append(seen[0][range(len(last)), last].double().cpu().numpy())
        return np.concatenate(found)

    def _own(self) -> Floats:
        """Its own rows."""
        streams: Floats = self.known.streams[self.layer].mean(axis=0, dtype=np.float64)
        return streams
