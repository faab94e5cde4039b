"""The public names of the package, and where each is defined.

Builders are those of the catalogue, imported on first use. The stub `constructions/__init__.pyi`
is made of this table, so that type checkers and editors see every name with its type:

    python -c "from constructions.public import stub; print(stub(), end='')"

prints it, for `constructions/__init__.pyi`; a test compares the two.
"""

from __future__ import annotations

from constructions.catalogue import WITH_SETS

AT_ONCE = {
    "catalogue": ("CATALOGUE", "construction"),
    "entry": ("Construction",),
    "facts.answers": ("MISSING",),
    "facts.changed_answers": ("ChangedAnswer", "ChangedAnswers", "changed_answers"),
    "facts.codes": ("Codebook",),
    "facts.noise_prompts": ("NoisePrompts",),
    "facts.set_table": ("SetTable",),
    "facts.table": ("FactTable",),
    "facts.vocabulary": ("Vocabulary",),
    "option": ("Option",),
    "importing.table": ("read_table",),
    "guards.errors": (
        "AmbiguousQuestion",
        "DoesNotFit",
        "FactFileError",
        "InputError",
        "MissingFact",
        "QuestionError",
        "UserCodeError",
    ),
    "sizes.sizing": ("Sizing",),
    "sizes.symbols": ("Symbols",),
}
"""Names that are imported with the package, without torch, by module."""

ON_USE = {
    "decoders.model_form": ("ModelForm",),
    "decoders.seeding": ("needed_shape", "seed_into", "standard"),
    "decoders.standard_decoder": ("StandardDecoder", "StandardShape"),
    "decoders.standard_model": ("StandardModel",),
    "forms.basis": ("change_basis",),
    "forms.installing": ("install",),
    "forms.mechanism": ("mechanism",),
    "forms.noise": ("add_noise", "noise_radius"),
    "forms.normalizing": ("normalize",),
    "forms.widening": ("widen",),
    "learning.examples": ("torch_dataset",),
    "learning.fit": ("fit",),
    "learning.one_layer": ("OneLayer", "OneLayerShape"),
    "learning.recalled": ("Fitted", "n_right"),
    "learning.rounded_folder": ("load_rounded", "save_rounded"),
    "learning.rounding": ("round_weights",),
    "model.answering": ("NotStoredWarning",),
    "model.asked": ("Answered", "answers_to"),
    "model.asked_sets": ("AnsweredSet",),
    "model.fact_model": ("FactModel",),
    "model.margin": ("MarginClaim",),
    "model.noise_reader": ("NoiseReader",),
    "model.readout": ("FormField", "NumberField", "Readout", "SignField"),
    "model.recipe": ("recorded",),
    "model.set_model": ("SetModel",),
    "model.step": ("Step",),
    "model.stream": ("Slot", "Space", "dot"),
    "model.transformer": ("Transformer",),
    "model.updating": ("Update",),
    "saved.folder": ("load", "save"),
    "saved.form_folder": ("load_form", "save_form"),
    "theorems.noise_tokens": ("read_among_noise",),
    "writing.claims": ("Holds",),
    "writing.codes": ("Bits", "Digits", "Number", "Signs"),
    "writing.draft": ("Draft", "require_exact"),
    "writing.plan": ("Plan",),
}
"""Names beside the builders that are imported on first use, with torch, by module."""


def defined_in() -> dict[str, str]:
    """For every public name that is imported on first use, the module that defines it."""
    builders = {entry.builder_name: f"theorems.{entry.file}" for entry in WITH_SETS.values()}
    others = {name: module for module, names in ON_USE.items() for name in names}
    return {name: f"constructions.{module}" for name, module in (builders | others).items()}


def stub() -> str:
    """The text of `constructions/__init__.pyi`."""
    modules = {f"constructions.{module}": set(names) for module, names in AT_ONCE.items()}
    for name, module in defined_in().items():
        modules.setdefault(module, set()).add(name)
    lines = ['"""Made by `constructions.public.stub`: see there."""', ""]
    for module in sorted(modules):
        lines.append(f"from {module} import (")
        lines += [f"    {name} as {name}," for name in sorted(modules[module])]
        lines.append(")")
    return "\n".join([*lines, "", "__version__: str", ""])
