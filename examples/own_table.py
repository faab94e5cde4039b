# %% [markdown]
# # Your own table, proven, in Hugging Face
#
# *For who builds systems. 15 minutes to read, half a minute to run; the extra `examples`. As a
# script: [own_table.py](own_table.py).*
#
# **At the end you will know** how a table becomes a model that answers every fact of it, with a
# proof from the saved files; how one fact is changed, and how to be certain that no other answer
# is; and how the model is loaded in Hugging Face transformers, which knows nothing of this
# library but one class.
#
# ## The table

# %%
import shutil
from pathlib import Path

import matplotlib.pyplot as plt

from constructions import changed_answers, load, read_table, save, selector
from constructions.export import export
from verify.checking.check import check

Path("countries.csv").write_text(
    "country,capital,currency,language\n"
    "Germany,Berlin,Euro,German\n"
    "France,Paris,Euro,French\n"
    "Japan,Tokyo,Yen,Japanese\n"
    "Kazakhstan,Nur-Sultan,Tenge,Kazakh\n"
)
facts = read_table("countries.csv").with_spare_entities(2)
print(facts)

# %% [markdown]
# Two *spare* entities make room for names that the table does not have yet.
#
# ## The model, and its proof
#
# `check` reads the files that `save` has written, and nothing else:

# %%
model = selector(facts)
print(model.ask("Japan currency"), "| d_model =", model.shape.d_model)
save(model, "countries")
proof = check("countries")
print(f"{proof.verdict}: {proof.queries} queries, by {proof.by}, margin {proof.margin}")
assert proof.verdict == "PASS"

# %% [markdown]
# ## One fact changes
#
# The capital of Kazakhstan has a new name. One row of the embedding is written again:

# %%
old = load("countries")
update = model.update([("Kazakhstan", "capital", "Astana")])
print(update.rows_written)

# %% mystnb={"image": {"alt": "All numbers of the embedding that differ are in one row"}}
figure, ax = plt.subplots(figsize=(6, 5), layout="constrained")
differs = (model.embedding.weight != old.embedding.weight).detach().numpy()
ax.imshow(differs, cmap="Greys")
names = [*model.facts.entity_names, *facts.relation_names, *model.vocabulary.specials]
ax.set_yticks(range(len(names)), names, fontsize=7)
ax.set(xlabel="coordinate of the embedding", title="What the update has written: black")
figure.savefig("written.svg")

# %% [markdown]
# ## Nothing else has changed
#
# Every other tensor is the same, bit for bit. And since both models are proven, each answers as
# its table says, so that the answers that differ are those that differ between the tables: no
# sample of prompts, all of them.

# %%
internal = [name for name, _ in model.named_parameters() if name != "embedding.weight"]
assert all(model.get_parameter(one).equal(old.get_parameter(one)) for one in internal)
save(model, "countries-new")
assert check("countries-new").verdict == "PASS"
changes = changed_answers(facts, model.facts, hops=1)
print("changed answers:", changes.counts)
for change in changes.listed():
    print(change)

# %% [markdown]
# On the command line: `python -m verify update`, and `python -m verify diff countries
# countries-new`.
#
# ## In Hugging Face transformers
#
# `export` writes weights, tokenizer and a model card. The import registers the class:

# %%
shutil.rmtree("countries-hf", ignore_errors=True)  # of an earlier run: no folder is overwritten
export(model, "huggingface", "countries-hf")

from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402
from transformers.utils import logging  # noqa: E402

import constructions.export.huggingface  # noqa: E402, F401

logging.disable_progress_bar()
there = AutoModelForCausalLM.from_pretrained("countries-hf")
tokenizer = AutoTokenizer.from_pretrained("countries-hf")
asked = tokenizer(["Kazakhstan\tcapital", "France\tcapital"], return_tensors="pt")
said = there.generate(**asked)[:, 2]
print(tokenizer.convert_ids_to_tokens(said))
assert tokenizer.convert_ids_to_tokens(said) == ["Astana", "Paris"]

# %% [markdown]
# ## Exercises
#
# 1. Bring a table of your own. What is said of a subject with two objects?
#    ([Your table](../docs/your-table.md): `--many`.)
# 2. Add a column `neighbour`, whose names are countries, build `chain_of_thought(facts,
#    max_hops=2)`, and change the same fact. How many two-hop answers change?
#    (`changed_answers(..., hops=2)`.)
# 3. Edit one number of `countries-new/weights.safetensors` (`load_file` and `save_file` of
#    `safetensors.torch`), and run `check` on the folder: what notices? Then run `python -m verify
#    attack countries-new -n 30`, which writes digests anew: what notices now?
#    ([Certificates](../docs/certificates.md).)
# 4. Export to ONNX instead. What must be installed to ask it?
#    ([Other tools](../docs/export.md).)
