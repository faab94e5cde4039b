# %% [markdown]
# # Theorem 4.1 by hand
#
# *For who teaches it, or wants to have seen it once. 15 minutes to read, some seconds to run; the
# extra `plot`. As a script: [by_hand.py](by_hand.py).*
#
# **At the end you will know** what every number of a transformer does that has memorised all facts
# about four people: how one row of its embedding holds two facts at once, how the relation hides
# the one that is not asked for, why the right answer wins by exactly 2, and which single number to
# edit in order to change one answer and no other.
#
# ## The facts
#
# Four people sit at a round table. Each has somebody on the left, and somebody opposite.

# %%
import itertools

import matplotlib.pyplot as plt
import numpy as np
import torch

from constructions import FactTable, selector

facts = FactTable.from_triples(
    [
        ("Ann", "left", "Ben"),
        ("Ben", "left", "Cleo"),
        ("Cleo", "left", "Dan"),
        ("Dan", "left", "Ann"),
        ("Ann", "opposite", "Cleo"),
        ("Ben", "opposite", "Dan"),
        ("Cleo", "opposite", "Ann"),
        ("Dan", "opposite", "Ben"),
    ]
)
model = selector(facts)  # the construction of Theorem 4.1
N, R, d = facts.n_entities, facts.n_relations, model.shape.d_model
people, relations = list(facts.entity_names), list(facts.relation_names)
print(f"{N = }, {R = }, d_model = {d}")

# %% [markdown]
# ## A code for each answer
#
# Each answer gets a binary code `b(t)`, here the number of the person in two bits, the lower one
# first. Two bits are enough for four answers: `m = ceil(log2 N)`. For each relation the stream has
# one *block* of m coordinates, and behind all blocks stands one coordinate more that is 1 at the
# relation. So `d_model` is `R m + 1`.

# %%
m = (N - 1).bit_length()
code = np.array([[t >> j & 1 for j in range(m)] for t in range(N)])
columns = [f"{relation} {j}" for relation in relations for j in range(m)] + ["one"]


def show(matrix, rows, names):
    """Print a matrix with the names of its rows and columns."""
    width = max(map(len, names)) + 2
    print(" " * 10 + "".join(f"{name:>{width}}" for name in names))
    for row, numbers in zip(rows, matrix, strict=True):
        print(f"{row:10}" + "".join(f"{number:{width}.0f}" for number in numbers))


assert d == R * m + 1
print("b, the codes of the people:")
show(code, people, ["bit 0", "bit 1"])

# %% [markdown]
# ## The embedding: two facts in one row
#
# The row of a person is the **superposition** of two codes: that of the person on the left, in the
# first block, and that of the person opposite, in the second. All facts are in these rows. The row
# of a relation has -1 in every block but its own.

# %%
E = model.embedding.weight.detach().numpy()
tokens = people + relations
print("E, the embedding:")
show(E[: N + R], tokens, columns)

# %% [markdown]
# Write the rows yourself, from the table, and compare:

# %%
for s in range(N):
    left, opposite = (facts.answer(s, [r]) for r in range(R))
    assert np.array_equal(E[s], [*code[left], *code[opposite], 0])


# %%
def draw(ax, matrix, rows, title):
    """Numbers as colours: red below 0, white at 0, blue above, the blocks divided by lines."""
    ax.imshow(matrix, cmap="RdBu", vmin=-3, vmax=3)
    for (i, j), number in np.ndenumerate(matrix):
        ax.text(j, i, f"{number:.0f}", ha="center", va="center")
    for block in range(1, R + 1):
        ax.axvline(block * m - 0.5, color="black")
    ax.set_xticks(range(d), columns, rotation=45, ha="right")
    ax.set_yticks(range(len(rows)), rows)
    ax.set_title(title)


# %% mystnb={"image": {"alt": "People have two codes, relations -1 in other blocks"}}
figure, ax = plt.subplots(figsize=(5, 4.5), layout="constrained")
draw(ax, E[: N + R], tokens, "The embedding")
figure.savefig("embedding.svg")

# %% [markdown]
# ## Attention: an average, doubled
#
# The question "Ann left" is two tokens. The head has no query and no key weights, so that all its
# scores are 0 and the second position attends to both tokens alike, 1/2 and 1/2. Its value matrix
# doubles the blocks, its output matrix puts them back where they were:

# %%
attention = model.layers[0].attention
V, out = (part.weight.detach().numpy() for part in (attention.value, attention.output))
print("V, the value matrix:")
show(V, columns[:-1], columns)
print("O, the output matrix:")
show(out, columns, columns[:-1])
assert attention.query.weight.numel() == attention.key.weight.numel() == 0

# %% [markdown]
# So the second position, where the relation's own row `E[r]` stands, is given
# `2 (E[s] + E[r]) / 2` on the blocks. It ends up with `E[s] + 2 E[r]` there: in the block that is
# asked for the code of the answer, in all others a code less 2, whatever the code.


# %%
def after_attention(s, r):
    """The stream at the second position of the question (s, r), by hand."""
    both = (E[s] + E[N + r]) / 2  # the average of the two tokens
    return E[N + r] + out @ (V @ both)


print("Ann, asked for each relation:")
show([after_attention(0, r) for r in range(R)], relations, columns)

# %% [markdown]
# ## The MLP: the mask
#
# Hidden unit j reads `-x_j`, and what is left of it by the ReLU is added to `x_j`. So each
# coordinate becomes `x + ReLU(-x) = max(x, 0)`: a block that was lowered by 2 is **closed**, the
# asked one stays. No fact is in these matrices; they are the same for every table of this size.

# %%
W_in, W_out = (part.weight.detach().numpy() for part in model.layers[0].mlp.weights)
print("W_in, from the stream to the hidden units:")
show(W_in, [f"unit {j}" for j in range(len(W_in))], columns)
print("W_out, from the hidden units to the stream:")
show(W_out, columns, [f"unit {j}" for j in range(len(W_in))])


# %%
def after_mlp(s, r):
    """The stream at the second position after the MLP, by hand."""
    x = after_attention(s, r)
    return x + W_out @ np.maximum(W_in @ x, 0)


# %% mystnb={"image": {"alt": "Four stages of two questions: in each one block is closed"}}
stages = ["E[Ann]", "E[relation]", "after attention", "after the MLP"]
figure, axes = plt.subplots(1, R, figsize=(9, 4), layout="constrained")
for r, ax in enumerate(axes):
    stream = np.array([E[0], E[N + r], after_attention(0, r), after_mlp(0, r)])
    draw(ax, stream, stages, f"Ann {relations[r]}")
figure.savefig("mask.svg")

# %% [markdown]
# In the last line of each picture one code is left, that of the answer. The other block is 0.
#
# ## The unembedding: which code is it?
#
# An answer t has `2 c(t)` in every block, with the signs `c(t) = 2 b(t) - 1`, and minus the sum of
# its signs at the end. Its logit is the number of bits in which t agrees with what stands in the
# stream, minus the number in which it differs: m for the right answer. Another answer differs in
# one bit at least, so that its logit is at most `m - 2`. A token that is no answer has `-(m + 1)`.

# %%
U = model.unembedding.weight.detach().numpy()
vocabulary = [*tokens, *model.vocabulary.specials]
print("U, the unembedding:")
show(U, vocabulary, columns)

# %%
logits = U @ after_mlp(0, 0)
for name, logit in sorted(zip(vocabulary, logits, strict=True), key=lambda pair: -pair[1]):
    print(f"{name:10}{logit:4.0f}")

# %% [markdown]
# ## All questions at once
#
# There are eight questions. By hand each is answered as in the table, by a margin of 2 and not
# more; and the transformer, run as any other, has the same logits:

# %%
questions = list(itertools.product(range(N), range(R)))


def answers(run):
    """What each question is answered, by its logits."""
    return [int(run(s, r).argmax()) for s, r in questions]


def by_hand(s, r):
    """All logits, from the matrices above."""
    return U @ after_mlp(s, r)


@torch.no_grad()
def by_model(s, r):
    """All logits, from the transformer."""
    return model(torch.tensor([[s, N + r]]))[0, -1].numpy()


margins = set()
for s, r in questions:
    assert np.array_equal(by_hand(s, r), by_model(s, r))
    best, second = np.sort(by_hand(s, r))[:-3:-1]
    margins.add(float(best - second))
assert answers(by_hand) == [facts.answer(s, [r]) for s, r in questions]
print(f"{len(questions)} questions, all right; margins: {margins}")

# %% [markdown]
# ## Another answer, by one coordinate
#
# Ben is on Ann's left, and his code is `1 0`. With 0 in place of the 1 it would be Ann's own. So
# change one number of one row, and ask everything again:

# %%
before = answers(by_model)
with torch.no_grad():
    model.embedding.weight[0, 0] = 0
after = answers(by_model)
for (s, r), old, new in zip(questions, before, after, strict=True):
    changed = "   <- changed" if old != new else ""
    print(f"{people[s]:5}{relations[r]:9} {people[old]:5} -> {people[new]}{changed}")
assert [old != new for old, new in zip(before, after, strict=True)].count(True) == 1

# %% [markdown]
# This is what `update` does for tables of any size. From the table that has this one fact changed
# it writes the same row, and no other number:

# %%
other = selector(facts)
update = other.update([("Ann", "left", "Ann")])
print(f"rows written: {update.rows_written}")
assert torch.equal(other.embedding.weight, model.embedding.weight)

# %% [markdown]
# ## Exercises
#
# Begin each with `model = selector(facts)`, since the model above has been edited.
#
# 1. Edit one coordinate of Ann's row so that Dan is opposite of her. How many coordinates of Dan's
#    row would it take for him to have Cleo opposite? (Compare their codes.)
# 2. Raise both -1 of the row of "left" step by step towards 0. Where does the margin begin to
#    shrink, and where is the first answer wrong? (The lemma of [the theorem's
#    page](../docs/theorems/theorem_4_1.md): how far must a block be lowered?)
# 3. A fifth person comes. Which of the matrices keep their numbers, and which their shapes? Guess
#    `d_model`, and look at `selector(...).shape`.
# 4. `scalar_selector(facts)` has one coordinate for each relation. Print its matrices with `show`:
#    what stands in place of the codes? ([Theorem 4.1](../docs/theorems/theorem_4_1.md) has the
#    proof.)
# 5. `python -m verify show selector -N 4 -R 2` draws the mask of any construction. Try
#    `chain_of_thought`. ([The picture](../docs/show.md) says how to read it.)
