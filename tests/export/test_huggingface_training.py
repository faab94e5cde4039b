"""An export in Hugging Face transformers is trained as its users do it."""

import random

import numpy as np
import pytest
import torch
from export_tools import hugging_face
from huggingface_questions import padded

from constructions import (
    FactTable,
    InputError,
    selector,
)
from constructions.export import to_huggingface

pytestmark = hugging_face


@pytest.fixture(scope="module")
def examples():
    """60 facts: the construction, sequences of question and answer (60, 3), and a function that
    makes a noisy export.
    """
    native = selector(FactTable.random_bijections(20, 3, seed=0))
    asked, answers = native.training_examples(*native.facts.queries(np.arange(60), 1))
    sequences = torch.cat([asked, answers], 1)

    def noisy(seed):
        exported, generator = to_huggingface(native), torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in exported.parameters():
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
        return exported

    return native, sequences, noisy


def known(model, sequences):
    return int((model.generate(sequences[:, :-1])[:, -1] == sequences[:, -1]).sum())


def test_the_loss_is_that_of_the_answer_alone(examples):
    _, sequences, noisy = examples
    model = noisy(0)
    for labels in (sequences, sequences.clone().index_fill_(1, torch.tensor([0, 1]), -100)):
        out = model(sequences, labels=labels)
        out.logits.retain_grad()
        out.loss.backward()
        moved = out.logits.grad.abs().amax((0, 2))
        assert moved[1] > 0, "the logits after the question are trained"
        assert moved[[0, 2]].max() == 0, "and no others"
        expected = torch.nn.functional.cross_entropy(out.logits[:, 1], sequences[:, -1])
        torch.testing.assert_close(out.loss, expected)


def test_a_chain_is_trained_on_what_it_writes_and_refuses_paths_that_are_not_filled_up(chain, rng):
    pad, end = 7, 8
    rows = [[0, 4, 4, 1, 2, end], [0, 5, pad, 3, end]]
    tokens, mask = padded(rows, pad, rng, more=3)
    labels = tokens.masked_fill(mask == 0, -100)
    out = chain(tokens, mask, labels=labels)
    out.logits.retain_grad()
    out.loss.backward()
    moved = out.logits.grad.abs().amax(-1) > 0
    expected = torch.zeros_like(moved)
    expected[0, -4:-1] = expected[1, -3:-1] = True
    assert torch.equal(moved, expected)
    with pytest.raises(
        InputError, match=r"relation 2 of 2.*fill up shorter paths with PAD, token 7"
    ):
        chain(torch.tensor([[0, 5, 3, end]]), labels=torch.tensor([[0, 5, 3, end]]))


def test_a_step_of_several_parts_has_the_gradient_of_one_large_batch(examples, rng):
    _, sequences, noisy = examples
    for cuts in ([60], [30, 30], [7, 50, 3]):
        model = noisy(0)
        for part in sequences.split(cuts):
            model(part, labels=part, num_items_in_batch=torch.tensor(60)).loss.backward()
        found = torch.cat([p.grad.flatten() for p in model.parameters()])
        whole = noisy(0)
        whole(sequences, labels=sequences).loss.backward()
        expected = torch.cat([p.grad.flatten() for p in whole.parameters()])
        assert (found - expected).norm() <= 1e-5 * expected.norm(), cuts


def test_facts_made_wrong_by_noise_are_learned_again_by_a_plain_loop(examples):
    _, sequences, noisy = examples
    model = noisy(random.getrandbits(32))
    assert known(model, sequences) < 45
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0)
    for _ in range(300):
        optimizer.zero_grad()
        model(sequences, labels=sequences).loss.backward()
        optimizer.step()
        if known(model, sequences) == 60:
            break
    assert known(model, sequences) == 60


@pytest.mark.parametrize(("batch", "accumulated"), [(60, 1), (20, 3), (12, 5), (7, 2), (4, 4)])
def test_facts_made_wrong_by_noise_are_learned_again_by_trainer(
    batch, accumulated, examples, tmp_path
):
    from transformers import Trainer, TrainingArguments

    _, sequences, noisy = examples
    model = noisy(batch)
    before = known(model, sequences)
    arguments = TrainingArguments(
        tmp_path,
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulated,
        max_steps=80,
        learning_rate=3e-3,
        lr_scheduler_type="constant",
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
    )
    rows = [{"input_ids": row, "labels": row} for row in sequences]
    Trainer(model, arguments, train_dataset=rows).train()
    assert before < 45
    assert known(model, sequences) == 60
