"""The size of the construction of sets of answers."""

from __future__ import annotations

from dataclasses import dataclass

from constructions.guards.integers import require_integer_fields
from constructions.sizes.sizing import Sizing, Tensor
from constructions.sizes.whole_numbers import bits


@dataclass(frozen=True)
class SetSizes:
    """What the sizes of a model of sets are a function of: whole numbers, of any size.

    Attributes:
        entities, relations: N and R.
        places: W, the sum of the largest numbers of answers of all relations; at least 1.
        most: w, the largest of these.
        answers: how many different entities are answers.
    """

    entities: int
    relations: int
    places: int
    most: int
    answers: int

    def __post_init__(self) -> None:
        require_integer_fields(self)

    @property
    def code_bits(self) -> int:
        """m, the bits of an answer or END."""
        return max(1, bits(self.answers + 1))

    @property
    def position_bits(self) -> int:
        """p, the bits of one of w + 2 positions."""
        return bits(self.most + 2)


def sets_of_answers(s: SetSizes) -> Sizing:
    """A block of m bits for each place, p bits of the position, and a constant; d = W m + p + 1.

    Values hold -p, -1, 0, 1 and 2; queries 0 and both signs of the gain. E holds bits, and -1 in
    the blocks of other relations, if there are any; U twice the signs of codes, and the number
    below all of them.
    """
    m, p = s.code_bits, s.position_bits
    width = s.places * m
    d = width + p + 1
    return Sizing(
        d_vocab=s.entities + s.relations + 1,
        d_model=d,
        d_mlp=width,
        n_layers=1,
        n_heads=2,
        internal=(
            Tensor("positions", (s.most + 2) * d, 2),
            Tensor("queries", (2 * p - 1) * d, 2),
            Tensor("keys", (2 * p - 1) * d, 1),
            Tensor("values", 2 * width * d, bits(p + 3)),
            Tensor("outputs", 2 * width * d, 1),
            Tensor("units that read", width * d, 1),
            Tensor("units that write", width * d, 1),
        ),
        embedding_entry_bits=bits(2 + min(s.relations - 1, 1)),
        unembedding_entry_bits=bits(max(m, 2) + m + 2),
        internal_fact_bits=0,
        embedding_fact_bits=width,
        written_tokens=s.most + 1,
        widest_head=width,
    )
