"""The known mechanism of a construction, step by step: what is to be found by whoever interprets
it.

    for step in mechanism(selector(facts)):
        print(step)

Each head and each group of hidden units does one step of the proof, between named slots of the
residual stream. The list is the record that the builder has left in the model;
`docs/certificates.md` says how the same is proven. Use it as the ground truth that probes,
patching or circuit finding are scored against; `Transformer.trace` watches and edits the stream.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from constructions.decoders.model_form import ModelForm
from constructions.decoders.standard_model import StandardModel
from constructions.guards.errors import InputError
from constructions.model.fact_model import FactModel
from constructions.model.stated import digest
from constructions.model.step import Step, recorded_steps

_elsewhere: WeakKeyDictionary[nn.Module, tuple[list[Step], dict[str, bytes | None]]] = (
    WeakKeyDictionary()
)
"""The steps of modules of other tools, with the contents of the weights that do them."""


def mechanism(model: FactModel | ModelForm | StandardModel | Any) -> list[Step]:
    """All steps in the order in which they happen.

    In `widen`ed and turned forms, and where there is noise beside them, heads and units have the
    same numbers as in the construction. A standard decoder has them in its own blocks, of which an
    MLP of several hidden layers takes several. Of what `to_transformerlens` or `to_huggingface`
    has returned, the steps are in that tool's names (`Step.acts`, `Step.adds`), and steps are left
    out whose outcome nothing reads any more.

    Raises:
        InputError: it is none of these; or its weights are no longer those that the builder, or
            the function that made the module, has written: what such a model does is not known.

    Example:
        >>> [step.name for step in mechanism(selector(facts))]
        ['read the subject', 'close']
    """
    if isinstance(model, StandardModel):
        return model.steps()
    if isinstance(model, nn.Module) and model in _elsewhere:
        steps, contents = _elsewhere[model]
        changed = [name for name, held in _contents(model).items() if contents.get(name) != held]
        if changed:
            raise InputError(
                "what this module does is known of the weights with which it was made, and"
                f" {changed[0]} has changed; make it anew"
            )
        return list(steps)
    source = model.source if isinstance(model, ModelForm) else model
    if not isinstance(source, FactModel):
        raise InputError(
            "steps are known of constructions, of their forms, of standard decoders in which one"
            " stands, and of what to_transformerlens and to_huggingface return (a folder of"
            f" `export` has them in mechanism.json); got a {type(model).__name__}"
        )
    if isinstance(model, ModelForm) and (change := model.change()) is not None:
        raise InputError(
            f"what a form does is known of the weights that it was made with: {change}; ask of its"
            " source"
        )
    source.margin_of_weights()
    return recorded_steps(source)


def note_steps(module: nn.Module, steps: list[Step]) -> None:
    """Remember, as long as it lives, what a module of another tool does: `mechanism` of it."""
    _elsewhere[module] = steps, _contents(module)


def _contents(module: nn.Module) -> dict[str, bytes | None]:
    """A digest of each tensor of a module."""
    tensors: dict[str, Tensor] = module.state_dict()
    return {name: digest(tensor) for name, tensor in tensors.items()}
