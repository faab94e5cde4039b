# %% [markdown]
# # A hidden mechanism, found and scored
#
# *For who interprets models. 15 minutes to read, a minute to run; the extra `examples`. As a
# script: [hidden_mechanism.py](hidden_mechanism.py).*
#
# **At the end you will know** how to find where a model holds its facts, by patching and probes in
# TransformerLens; how to score what you have found, since here the answer is known; and why a
# probe needs a null, on a model where there is nothing to be found and on one that was trained.
#
# ## A model of which the answer is known
#
# The [pack of known answers](../docs/known-answers.md) has decoders with the same facts. In this
# one each relation has a subspace of its own in the embedding of a subject, and hidden units that
# select it; a random rotation hides both:

# %%
import shutil

import matplotlib.pyplot as plt
import numpy as np
import torch

from constructions.export.transformerlens import bridge_of
from verify.learned.adapters import of
from verify.learned.claimed import answers_of
from verify.learned.intervention import intervention
from verify.learned.known_answers import load, write
from verify.learned.structure import Structure, score
from verify.learned.superposition import superposition

shutil.rmtree("pack", ignore_errors=True)  # of an earlier run: no folder is overwritten
write("pack")
models = {known.name: known for known in load("pack")}
hidden = models["rotated"]
facts = hidden.facts
print(facts)

bridge = bridge_of(hidden.decoder)  # a model of TransformerLens
n, relations = facts.n_entities, facts.n_relations
prompts = torch.tensor([[s, n + r] for s in range(n) for r in range(relations)])
logits, cache = bridge.run_with_cache(prompts)
right = torch.from_numpy(facts.answers.T.ravel())
print("right:", float((logits[:, -1].argmax(-1) == right).float().mean()))

# %% [markdown]
# ## Patching: where the subject's facts are
#
# Each prompt gets an activation of another subject that is asked the same. Where the answer
# becomes that of the other subject, the fact has passed through there. Prompts whose two answers
# are equal would show nothing, and are left out.

# %%
donor = prompts.clone()
donor[:, 0] = (donor[:, 0] + 1) % n
wanted = right.view(n, relations).roll(-1, 0).ravel()
differ = wanted != right
_, others = bridge.run_with_cache(donor)
places = {
    "subject, before": ("blocks.0.hook_resid_pre", 0),
    "relation, before": ("blocks.0.hook_resid_pre", 1),
    "relation, attention": ("blocks.0.hook_attn_out", 1),
    "relation, MLP": ("blocks.0.hook_mlp_out", 1),
    "subject, MLP": ("blocks.0.hook_mlp_out", 0),
}
moved = {}
for place, (hook, position) in places.items():

    def patch(x, hook, at=position):
        x = x.clone()
        x[:, at] = others[hook.name][:, at]
        return x

    said = bridge.run_with_hooks(prompts, fwd_hooks=[(hook, patch)])[:, -1].argmax(-1)
    moved[place] = float((said == wanted)[differ].float().mean())
    print(f"{place}: {moved[place]:.1f}")

# %% mystnb={"image": {"alt": "Only the subject's embedding and attention move the answers"}}
figure, ax = plt.subplots(figsize=(6, 2.5), layout="constrained")
ax.barh(list(moved)[::-1], list(moved.values())[::-1], color="#0e7c86")
ax.set(xlabel="share of answers that become the donor's", xlim=(0, 1))
figure.savefig("patching.svg")

# %% [markdown]
# The attributes go from the subject's embedding, by attention, to the position of the relation.
# Patching the MLP there does not carry the answer: it does not hold the fact, it removes what was
# not asked for.
#
# ## Probes: which directions
#
# A relation has few answers, and many subjects share one. The first probe takes the mean of all
# subjects with the same answer; the second fits all relations at once, so that each is freed of
# the others:


# %%
def directions(vectors):
    """An orthonormal basis of what the vectors of a relation's answers differ by."""
    _, sizes, rows = np.linalg.svd(vectors - vectors.mean(0), full_matrices=False)
    return rows[sizes > 0.05 * sizes[0]]


def by_means(rows, answers):
    """Each relation by itself."""
    return Structure(
        {
            r: directions(np.stack([rows[one == a].mean(0) for a in np.unique(one)]))[:4]
            for r, one in enumerate(answers)
        }
    )


def jointly(rows, answers):
    """All relations at once, by least squares."""
    chosen = [one[:, None] == np.unique(one) for one in answers]  # (n, answers) for each relation
    fit = np.linalg.lstsq(np.hstack(chosen).astype(float), rows, rcond=1e-9)[0]
    parts = np.split(fit, np.cumsum([one.shape[1] for one in chosen])[:-1])
    return Structure({r: directions(part)[:4] for r, part in enumerate(parts)})


def tenths(value):
    """A share, rounded down to tenths."""
    return "-" if value is None else f"{np.floor(10 * value + 1e-6) / 10:.1f}"


rows = cache["blocks.0.hook_resid_pre"][::relations, 0].double().numpy()
shuffled = np.random.default_rng(0).permuted(facts.answers, axis=1)
probes = {
    "means": by_means(rows, facts.answers),
    "all at once": jointly(rows, facts.answers),
    "null: all at once, shuffled facts": jointly(rows, shuffled),
}
for name, found in probes.items():
    scored = score(found, hidden.truth)["subspaces"]
    print(f"{name}: precision {tenths(scored.precision)}, recall {tenths(scored.recall)}")

# %% [markdown]
# ## Units: which neurons
#
# A unit of a relation is off whenever that relation is asked for, whatever the subject, and on for
# all others:

# %%
on = cache["blocks.0.mlp.hook_post"][:, 1].view(n, relations, -1) > 1e-4
always, never = on.all(0), ~on.any(0)
units = frozenset(
    (unit, r)
    for r in range(relations)
    for unit in range(on.shape[-1])
    if never[r, unit] and all(always[other, unit] for other in range(relations) if other != r)
)
scored = score(Structure(probes["all at once"].subspaces, units), hidden.truth)
print(len(units), "units:", scored["units"].precision, scored["units"].recall)
assert (scored["units"].precision, scored["units"].recall) == (1, 1)

# %% [markdown]
# ## The same on models that are harder, on a trained one, and where there is nothing
#
# `trained` had its embeddings, heads and units trained, on facts of other tokens. `memory` is the
# control: its facts are in the MLPs, and its subjects hold nothing; there a probe still returns
# directions, of which the score says that none is planted (-). So every measure has a null:

# %%
names, found_at, nulls = list(models), [], []
for name, known in models.items():
    decoder = of(known.decoder, known.facts)
    found = jointly(decoder.rows(), known.facts.answers)
    scored = score(found, known.truth)["subspaces"]
    r2 = superposition(decoder, answers_of(known.facts))
    exchanged = intervention(decoder, answers_of(known.facts)).both.value
    found_at.append(r2.value)
    nulls.append(r2.null)
    above = r2.value > r2.null + 0.2
    print(
        f"{name:13} recall {tenths(scored.recall)}, R^2 above its null: {above},"
        f" exchanged facts answered: {tenths(exchanged)}"
    )

# %% mystnb={"image": {"alt": "R^2 is near 1 where planted, less where trained, 0 of the memory"}}
figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.bar(names, np.clip(found_at, 0, 1), color="#0e7c86", label="R^2, held out")
ax.plot(names, np.clip(nulls, 0, 1), "_", ms=28, color="#c2410c", label="null: shuffled facts")
ax.set(ylabel="R^2 of superposition", ylim=(-0.05, 1.05))
ax.tick_params(axis="x", rotation=25)
ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)
figure.savefig("superposition.svg")

# %% [markdown]
# Training has left much in the rows of `trained` that is no sum of attributes: its R^2 is far
# below 1, and yet the directions are found, and exchanging them exchanges the answers. An R^2
# alone would have said less than the intervention does.
#
# ## Exercises
#
# 1. Score the probe by means on all decoders of the pack. Which of them moves it, and why?
#    ([Known answers](../docs/known-answers.md).)
# 2. Patch `blocks.0.attn.hook_z` in place of `hook_attn_out`. Must the result differ?
#    ([Known mechanisms](../docs/interpretability.md).)
# 3. Draw the trained model, which takes about half a minute: `python -m verify show
#    pack/trained.safetensors`. ([Show](../docs/show.md).)
# 4. Bring a model of your own through `of_module`, or one of Hugging Face.
#    ([Measures](../docs/measures.md), [language models](../docs/pretrained.md).)
