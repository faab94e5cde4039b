"""A random sample of queries beside every proof: the stored weights, run.

A proof reads weights and runs nothing. So whoever gets a PASS from the checker also has some
queries run, by `constructions.model.transformer.Transformer` made of the architecture in the
manifest and of the tensors in the file alone: no builder and no catalogue takes part, so that it
does for constructions of the user's own too. What should be answered is computed from the stored
facts. A query that is answered otherwise refutes the proof, and so does a logit margin below the
proven one where the proof says `exact`.

* **Which queries**: all, if there are at most `MOST_SAMPLED`; else as many drawn at random, always
  the same for one seed. A chain of thought is asked paths of random lengths; it is continued with
  what it says itself, and must write each intermediate entity and then END; so is a model that
  writes sets.
* **In which arithmetic**: in the stored dtype where the proof says that the module computes in it
  without rounding. Any other proof is about real arithmetic, in which the module's own dtype may
  be wrong where the proof is right; then weights and states are float64, the nearest there is.
* **At what cost**: tensors are mapped from the file, of the embedding only the rows of the sampled
  tokens are read, and of logits only the best are kept. Where one query takes much work, fewer are
  drawn. What does not fit in memory in float64 is not run, and that is said.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from torch import Tensor

from constructions.facts.named import Names
from constructions.files.undisturbed import undisturbed
from constructions.guards.errors import InputError
from constructions.guards.memory import is_out_of_memory, memory_limit
from constructions.model.shapes import TransformerShape
from constructions.model.transformer import Transformer
from constructions.saved.form_folder import is_form
from constructions.saved.manifest import Manifest, read_manifest, shape_of
from constructions.saved.reading import read_facts
from constructions.saved.weight_files import Mapped, mapped_weights
from verify.checking.check import check
from verify.kernel.verdict import Verdict as Proven
from verify.queries.drawn import Drawn, Questions
from verify.queries.drawn_sets import questions_of
from verify.queries.forms_checked import check_form
from verify.queries.mapped_tables import InPieces, MappedRows, judged, rows_at_once
from verify.queries.sample import SEED, Sample

MOST_SAMPLED = 256
MOST_WORK = 2**37
"""So many products are made for a sample: some seconds."""
LEAST_MEMORY, MOST_MEMORY, SHARE = 2**25, 2**29, 8
"""Bytes for states and logits at once, beside the weights: so many at least and at most, and
between them an eighth of what the weights take.
"""
ALSO_WHOLE = 8
"""So many queries of a batch are also asked by `model(tokens)`, without a cache."""


def check_and_sample(
    folder: str | os.PathLike[str], by: str = "auto"
) -> tuple[Proven, Sample | None]:
    """Prove a saved model, and run a sample of its queries if it is proven; both of one folder,
    also where another program replaces it meanwhile.

    Args:
        folder: as `constructions.save` writes it.
        by: the checker that is asked, see `verify.checking.check`.

    Returns:
        The checker's verdict, and the sample; None where there is no proof to be held against,
        of a form (`verify.queries.forms_checked`), and of a rounded trained model, of which the
        proof itself computes every fact.
    """
    path = Path(folder)

    def both() -> tuple[Proven, Sample | None]:
        """The proof and the sample of what is there now."""
        if is_form(path):
            return check_form(path, by), None
        proven = check(path, by)
        # a rounded trained model is proven by computing every fact
        sampled = proven.verdict == "PASS" and proven.by != "rounded"
        return proven, sample(path, proven) if sampled else None

    try:
        return undisturbed(path, both)
    except InputError as error:
        return Proven("UNKNOWN", str(error)), None


def sample(folder: Path, proven: Proven, most: int = MOST_SAMPLED, seed: int = SEED) -> Sample:
    """Run a sample of the queries of a saved model whose proof is known.

    Args:
        folder: of the model.
        proven: what the checker says of it, a PASS.
        most: how many queries are run at most.
        seed: of the random choice.
    """
    started = Sample(proven, seed=seed)
    try:
        manifest = read_manifest(folder)
        facts = read_facts(folder, manifest)
        shape, dtype = shape_of(manifest), proven.exact or "float64"
        if why := _no_room(shape, manifest, dtype):
            return replace(started, not_run=why)
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            stored = mapped_weights(folder, manifest["files"])
            module = _module(stored, shape, getattr(torch, dtype))
            questions = questions_of(manifest, facts, proven.hops_per_token)
            drawn = questions.drawn(min(most, max(1, MOST_WORK // questions.work(shape))), seed)
            return _run(module, questions, drawn, replace(started, dtype=dtype))
    except (InputError, OSError, SafetensorError) as error:
        return replace(started, not_run=str(error))
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return replace(started, not_run=f"out of memory: {error}")


def _no_room(shape: TransformerShape, manifest: Manifest, dtype: str) -> str:
    """Why weights are not converted to another dtype; empty if they are, or need not be."""
    needed, limit = 8 * shape.n_parameters(), memory_limit() // 2
    if dtype == manifest["dtype"] or needed <= limit:
        return ""
    return (
        f"the weights in {dtype} need {needed:,} bytes, and half the memory of this machine is"
        f" {limit:,}"
    )


def _module(stored: dict[str, Mapped], shape: TransformerShape, dtype: torch.dtype) -> Transformer:
    """The transformer of a shape, with stored tensors for its weights: mapped, not read, in their
    own dtype.
    """
    with torch.device("meta"):
        module = Transformer(shape, dtype)
    weights = {name: one.tensor().to(dtype) for name, one in stored.items()}
    module.load_state_dict(weights, assign=True)
    for part, reads in (("embedding", MappedRows), ("unembedding", InPieces)):
        name = f"{part}.weight"
        setattr(module, part, reads(weights[name], stored[name].raw))
    return module


def _run(module: Transformer, questions: Questions, drawn: Drawn, started: Sample) -> Sample:
    """Run the queries, some at a time, and say what was found."""
    at_once = _at_once(module, drawn)
    margins, largest = [], 0.0
    for start in range(0, len(drawn.prompts), at_once):
        some = slice(start, start + at_once)
        found, own = _margins(module, drawn.prompts[some], drawn.wanted[some])
        margins.append(found)
        largest = max(largest, own)
    smallest = torch.cat(margins)  # (Q,)
    wrong = (~(smallest > 0)).nonzero().ravel().tolist()
    return replace(
        started,
        queries=len(smallest),
        all_queries=sum(questions.counts()),
        wrong=len(wrong),
        margin=smallest.min().item(),
        largest=largest,
        first_wrong=_in_words(questions.facts, drawn, wrong[0]) if wrong else "",
    )


def _in_words(facts: Names, drawn: Drawn, query: int) -> str:
    """One query in names."""
    path = drawn.paths[query, : drawn.lengths[query]]
    return facts.query_text(int(drawn.subjects[query]), path.tolist())


def _at_once(module: Transformer, drawn: Drawn) -> int:
    """How many queries are run together: what they need is within that memory, if one's is."""
    shape = module.shape
    positions = drawn.prompts.shape[1]
    everywhere = positions + drawn.wanted.shape[1]
    numbers = positions * (4 * shape.d_model + shape.widest_layer)
    numbers += 3 * min(shape.d_vocab, rows_at_once(shape.d_model))
    numbers += everywhere * shape.cached_widths
    numbers += 3 * positions**2 * shape.n_heads
    weights = sum(weight.nbytes for weight in module.parameters())
    room = min(MOST_MEMORY, max(LEAST_MEMORY, weights // SHARE))
    return max(1, room // (8 * numbers))


def _margins(module: Transformer, prompts: Tensor, wanted: Tensor) -> tuple[Tensor, float]:
    """The smallest margin of each query (Q,) over all tokens that it writes, float64, NaN if any
    is; and the largest absolute logit of a wanted token.

    What the module says is fed back to it. Some queries are also asked without a cache.
    """
    unembedding = cast("InPieces", module.unembedding)
    states, cache = module.states(prompts)
    found, said = [], [prompts]
    largest = 0.0
    for step in range(wanted.shape[1]):
        if step:
            states, cache = module.states(said[-1], cache)
        one = unembedding.judged(states[:, -1], wanted[:, step])
        found.append(one.margins)
        largest = max(largest, one.largest)
        said.append(one.said[:, None])
    tokens = torch.cat(said[:-1], dim=1)
    some = max(1, min(ALSO_WHOLE, 2**24 // (tokens.shape[1] * module.shape.d_vocab)))
    whole = module(tokens[:some])[:, prompts.shape[1] - 1 :]
    for step in range(wanted.shape[1]):
        again = judged(whole[:, step], wanted[:some, step]).margins
        found[step] = torch.cat([torch.minimum(found[step][:some], again), found[step][some:]])
    return torch.stack(found).amin(0), largest  # both pass NaN on
