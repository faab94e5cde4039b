"""What travels with the weights: the decoder that is exported, and the names of its tokens."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from constructions.decoders.reaching import steps_that_reach
from constructions.decoders.seeding import standard
from constructions.decoders.standard_model import StandardModel
from constructions.guards.errors import InputError
from constructions.guards.wording import shortened
from constructions.model.answering import Answering
from constructions.model.fact_model import FactModel
from constructions.model.step import Step

ABOUT_NAMES = """
`vocabulary.json` has the names of the tokens in the order of their ids: entities from 0, then
relations, then special tokens. A question is a subject and then its relations; the logits at its
last token answer it. (A chain of thought answers at the token before END; its questions are filled
up with PAD to `hops` relations.) Its list `names` has another name for each token: a relation that
is named as an entity has a colon behind. `mechanism.json`, where it is there, lists what each head
and each group of hidden units does, under this tool's names.
"""


@dataclass(frozen=True)
class ComponentNames:
    """What a tool calls the parts of block {block}.

    Attributes:
        heads: the tensor that holds the outcome of each head, before they are added up.
        attention: what the attention adds to the stream.
        units: the activations of the hidden units.
        mlp: what the MLP adds to the stream.
    """

    heads: str
    attention: str
    units: str
    mlp: str

    def named(self, step: Step) -> Step:
        """The step of a standard decoder in this tool's names."""
        acts, adds = (self.heads, self.attention) if step.units is None else (self.units, self.mlp)
        return replace(
            step, acts=acts.format(block=step.layer), adds=adds.format(block=step.layer)
        )


def known_steps(decoder: StandardModel, names: ComponentNames) -> list[Step] | None:
    """The steps that the logits of an export depend on, in the tool's names; None where it is not
    known what the weights do.
    """
    try:
        return [names.named(step) for step in steps_that_reach(decoder)]
    except InputError:
        return None


def mechanism_json(steps: list[Step]) -> str:
    """All steps, for the folder of an export; of a range of units its first and its last."""
    listed = [
        {
            "name": step.name,
            "block": step.layer,
            "adds": step.adds,
            "acts": step.acts,
            "head": step.head,
            "units": None if step.units is None else [step.units.start, step.units.stop - 1],
            "attends_by": [list(slots) for slots in step.attends_by],
            "reads": list(step.reads),
            "writes": list(step.writes),
        }
        for step in steps
    ]
    return json.dumps(listed, ensure_ascii=False, indent=1) + "\n"


def as_standard(model: Answering) -> StandardModel:
    """The model as a standard decoder; one that is one already, as it is.

    Raises:
        InputError: the model is neither a construction as a builder makes it nor a standard
            decoder in which one stands.
    """
    if isinstance(model, StandardModel):
        return model
    if not isinstance(model, FactModel):
        raise InputError(
            f"a {type(model).__name__} cannot be exported: other tools get a construction as its"
            " builder makes it, or a standard decoder (of standard, normalize or seed_into); a"
            " form made by change_basis, widen (noise) or seed_into a Transformer has no standard"
            " decoder with proven logits: export the construction that it was made from"
        )
    return standard(model)


def vocabulary_json(model: Answering) -> str:
    """All names in the order of their token ids: entities from 0, then relations, then special
    tokens.
    """
    facts = model.facts
    names = {
        "entities": facts.entity_names,
        "relations": facts.relation_names,
        "specials": model.vocabulary.specials,
        "hops": model.hops,
        "names": distinct_names(model),
    }
    return json.dumps(names, ensure_ascii=False, indent=1) + "\n"


def about_claims(model: Answering) -> str:
    """A sentence for the README of an export whose model claims stored facts alone; else
    nothing.
    """
    if not model.stored_only:
        return ""
    claimed = model.n_all_queries()
    every = sum(map(model.facts.n_queries, model.path_lengths))
    return (
        f"\nOf {shortened(every)} queries it answers the {shortened(claimed)} that are stored,"
        " whose path meets no\nmissing fact. What it says to any other means nothing, and it"
        " cannot tell: look a question up in\nthe table of facts first.\n"
    )


def distinct_names(model: Answering) -> list[str]:
    """A name of its own for each token, in the order of the ids, none with a tab.

    An entity keeps its name; a relation that is named as an entity gets a colon behind, as many as
    it takes. For special tokens see `special_name`.
    """
    taken = dict.fromkeys(model.facts.entity_names)
    for name in model.facts.relation_names:
        while name in taken:
            name += ":"
        taken[name] = None
    names = list(taken)
    for special in model.vocabulary.specials:
        names.append(special_name(special, names))
    return names


def special_name(special: str, names: list[str]) -> str:
    """`<unknown>`, `<pad>`, `<end>`; with a colon behind, or as many as it takes, where it stands
    within another name.

    A tokenizer looks for its special tokens everywhere in a text, also within names.
    """
    name = f"<{special}>"
    while any(name in other for other in names):
        name += ":"
    return name
