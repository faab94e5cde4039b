"""Decoders that are trained on paths, as memories."""

import pytest

from verify.rivals import trained
from verify.rivals.work import Work


@pytest.mark.parametrize("step", [0, 1])
def test_decoders_are_built_as_they_are_asked(step, monkeypatch):
    monkeypatch.setattr(trained, "STEPS", 2)
    work = Work(6, 2, 2)
    memory = trained.decoder(step)
    assert memory.lacks(work) == ""
    built = memory.build(work, 5)
    assert (built.dimension, built.width, built.hops_per_token) == (5, 20, step)
    assert built.embeddings == ("embedding.weight", "positions.weight", "unembedding.weight")
    assert built.n_stored == built.n_numbers()
    assert len(built.module.blocks) == (1 if step else 2)


def test_where_training_takes_too_long_that_is_said():
    assert "logits a step" in trained.decoder(0).lacks(Work(256, 8, 2))
    assert "see the one-layer model" in trained.decoder(0).lacks(Work(64, 4))
    assert "noise" in trained.ONE_LAYER.lacks(Work(64, 4, noise_tokens=3))
    assert trained.ONE_LAYER.lacks(Work(64, 4, 2)) == "answers one hop"
