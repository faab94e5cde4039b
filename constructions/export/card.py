"""The `README.md` of an exported folder: what the model is, how it is asked by name, its facts,
what is proven of it, in which dtypes it answers.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from constructions.decoders.standard_model import StandardModel
from constructions.export.names import about_claims, distinct_names
from constructions.export.scale import about_scale
from constructions.facts.answers import MISSING
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError
from constructions.guards.wording import printable, shortened
from constructions.saved.manifest import digest
from constructions.saved.written_facts import write_facts

NOT_CHECKED = """Nothing was proven while this folder was written. To have it proven, save the
model that it was made from (`constructions.save`), and run `python -m verify check` on that
folder.
"""
"""What is said of the proof where the caller says nothing of it."""
PAPER = """The theorems are those of Ravfogel, Yehudai, Bruna and Bietti, *Geometric Factual
Recall in Transformers*, 2026, arXiv:2605.12426:

```bibtex
@misc{ravfogel2026geometric,
  title = {Geometric Factual Recall in Transformers},
  author = {Ravfogel and Yehudai and Bruna and Bietti},
  year = {2026},
  eprint = {2605.12426},
  archivePrefix = {arXiv},
}
```
"""
MOST_LOOKED_AT = 4096
"""Among so many questions one is looked for whose answer is not *unknown*."""


class Question(NamedTuple):
    """A question and what the model writes before it ends: names, as `names.distinct_names` has
    them.
    """

    asked: list[str]
    written: list[str]


def card(
    model: StandardModel, title: str, lines: str, dtypes: str, scale: float, proof: str
) -> str:
    """The text of the `README.md`.

    Args:
        model: what is exported.
        title: the heading, and how the folder is loaded.
        lines: that ask a question by name: see `how_to_ask`.
        dtypes: what the tool does with other dtypes.
        scale: of the logits.
        proof: what was proven of the model, in whole lines.
    """
    return (
        title
        + how_to_ask(lines, model)
        + about_the_model(model)
        + f"\n## Proof\n\n{proof}"
        + f"\n## Logits and dtypes\n{about_scale(scale)}\n{about_dtypes(model)}{dtypes}"
        + f"\n## Citation\n\n{PAPER}"
    )


def about_dtypes(model: StandardModel) -> str:
    """In which dtypes its answers are those of the table, whole lines."""
    dtype = str(model.embedding.weight.dtype).removeprefix("torch.")
    if not is_as_written(model):
        return f"The dtype is {dtype}. In which one its answers are right, nothing guarantees.\n"
    wider = "" if model.norms() else ", and in a wider one"  # norms are no identities there
    return f"Its answers are those of the table in {dtype}{wider}.\n"


def is_as_written(model: StandardModel) -> bool:
    """Whether its weights are those that were written, and a margin is proven of them."""
    try:
        return bool(model.steps()) and model.margin is not None
    except InputError:
        return False


def how_to_ask(lines: str, model: StandardModel) -> str:
    """The lines of a tool that ask a question by name, and what they print.

    Args:
        lines: with the fields `question` (names with tabs between), `names` (a list) and `steps`,
            how many tokens are written.
        model: what is exported.
    """
    asked, written = example(model)
    code = lines.format(question="\t".join(asked), names=asked, steps=len(written))
    printed = "\t".join(map(printable, [*asked, *written]))
    chain = (
        "The entities on the way come first, the answer last, and then `<end>`, which is not"
        " printed.\n\n"
    )
    return (
        "\n## A question by name\n\nIn the folder, with the lines above:\n\n"
        f"```python\n{code}```\n\nThis prints, with tabs between the names:\n\n    {printed}\n\n"
        + chain
        * bool(model.hops_per_token)
    )


def example(model: StandardModel) -> Question:
    """A question of as many hops as the model answers, with a stored answer where one of the first
    `MOST_LOOKED_AT` has any.
    """
    facts, names, hops = model.facts, distinct_names(model), model.hops
    numbers = np.arange(min(model.n_queries(hops), MOST_LOOKED_AT))
    subjects, paths = model.queries(numbers, hops)
    stored = np.flatnonzero(facts.answer(subjects, paths) != MISSING)
    best = int(stored[0]) if len(stored) else 0
    subject, path = int(subjects[best]), paths[best]
    step = model.hops_per_token or hops
    said = [facts.answer(subject, path[:read]) for read in (*range(step, hops, step), hops)]
    asked = [subject, *(model.vocabulary.n_entities + path)]
    return Question(
        [names[token] for token in asked],
        [names[token] for token in model.vocabulary.answer_tokens(np.array(said))],
    )


def about_the_model(model: StandardModel) -> str:
    """What the model is, and its facts."""
    facts, shape = model.facts, model.shape
    name, sha256 = facts_file(facts, model.vocabulary.specials)
    lengths = model.path_lengths
    hops = f"1 to {lengths[-1]}" if model.hops_per_token else f"{model.hops}"
    rows = {
        "facts": f"{facts.n_facts:,}",
        "entities": f"{facts.n_entities:,}",
        "relations": f"{facts.n_relations:,}",
        "relations of a question": hops,
        "questions that it answers": shortened(model.n_all_queries()),
        f"`{name}`, as `constructions.save` writes the facts": f"SHA-256 `{sha256}`",
        "blocks, `d_model`, heads, `d_head`, `d_mlp`": (
            f"{shape.n_layers}, {shape.d_model}, {shape.n_heads}, {shape.d_head}, {shape.d_mlp}"
        ),
        "parameters": f"{sum(weight.numel() for weight in model.parameters()):,}",
    }
    table = "".join(f"| {what} | {value} |\n" for what, value in rows.items())
    trained = "" if is_as_written(model) else " (They have changed since, or nothing is proven.)"
    return (
        "## The model\n\nA decoder-only transformer whose weights were not trained but written,"
        " from a table of facts, by\na construction of the Python package"
        f" `geometric-factual-recall`:\n`{printable(model.construction)}`.{trained} It knows these"
        " facts and nothing else.\n\n"
        f"| what | number |\n|---|---|\n{table}{about_claims(model)}"
    )


def facts_file(facts: FactTable, specials: tuple[str, ...]) -> tuple[str, str]:
    """The name and the SHA-256 of the file of facts in the folder of a saved model."""
    with tempfile.TemporaryDirectory() as folder:
        write_facts(Path(folder), facts, specials)
        (path,) = Path(folder).glob("facts.*")
        return path.name, digest(path)
