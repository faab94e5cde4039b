"""A construction as a language model: what must be measured there is known exactly."""

from types import SimpleNamespace

import pytest
from export_tools import hugging_face
from torch import nn

from constructions import FactTable, InputError, key_value_rows, selector, standard

pytestmark = hugging_face


class Layer(nn.Module):
    """A block of a standard decoder, attention and MLP, as one module that is called."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def forward(self, x):
        return self.block(self.block.attend(x)[0])


class AsLanguageModel(nn.Module):
    """A standard decoder with the manners of a model of Hugging Face."""

    def __init__(self, decoder):
        super().__init__()
        self.embedding, self.positions = decoder.embedding, decoder.positions
        self.stack = nn.ModuleList(Layer(block) for block in decoder.block_sequence())
        self.head = decoder.unembedding
        self.config = SimpleNamespace(num_hidden_layers=len(self.stack))

    def get_output_embeddings(self):
        return self.head

    def forward(self, input_ids, attention_mask=None, use_cache=None):
        x = self.embedding(input_ids) + self.positions.weight[: input_ids.shape[1]]
        for layer in self.stack:
            x = layer(x)
        return SimpleNamespace(logits=self.head(x))


def measures(construction, wrapped=AsLanguageModel):
    """What is measured at the first layer, by its short names."""
    from constructions.export.huggingface_tokenizer import tokenizer
    from verify.cli.reports.language_models import KEYS
    from verify.learned.language_models.loading import of
    from verify.learned.language_models.measured import Choices, measured
    from verify.learned.language_models.templates import template

    facts = construction.facts
    templates = {
        name: template(name, f"{{subject}}\t{name}\t{{answer}}") for name in facts.relation_names
    }
    language = of(wrapped(standard(construction)), tokenizer(construction))
    found = measured(language, facts, templates, Choices(layers=(0,)))
    assert found.accuracy.value == 1
    return dict(zip(KEYS, found.at[0].measures, strict=True))


FACTS = FactTable.random_worlds(10, 6, 3, seed=0)


def test_a_selector_is_a_superposition_whose_parts_decide_one_answer_each():
    found = measures(selector(FACTS))
    assert found["R^2"].value == pytest.approx(1)
    assert found["R^2"].null < 0
    for name in ("move", "keep", "both"):
        assert found[name].value == 1
    assert found["both"].null < 0.3
    assert found["move"].control == 0


def test_a_key_value_memory_is_none():
    found = measures(key_value_rows(FACTS, hops=1))
    assert found["R^2"].value < 0.1
    assert found["both"].value < 0.1


def test_a_model_whose_layers_are_not_called_whole_is_refused():
    """In the model of an export a block is called for its MLP alone."""
    from constructions.export import to_huggingface

    with pytest.raises(InputError, match="has no effect on the answer"):
        measures(selector(FACTS), wrapped=lambda decoder: to_huggingface(selector(FACTS)))
