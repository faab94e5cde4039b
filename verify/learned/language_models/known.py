"""What a language model says of all questions: the streams of subjects, last states and scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from constructions.guards.errors import InputError
from constructions.guards.memory import require_memory
from verify.cells.phases import Advance
from verify.learned.decoder import Floats, Ints, pieces
from verify.learned.language_models.loading import LanguageModel
from verify.learned.language_models.passes import Shift, run
from verify.learned.language_models.prompts import Prompts


@dataclass(frozen=True)
class Known:
    """All questions, asked once without a shift.

    Attributes:
        language, asked: the model and the questions.
        streams: float32 (layers + 1, R, N, d), at the last token of the subject.
        states: float32 (R, N, d_state), what the unembedding reads at the end of the prompt.
        firsts: float64 (R, N, F), the logits there of the distinct first tokens of answers.
        scores: float64 (R, N, A), of all answers.
    """

    language: LanguageModel
    asked: Prompts
    streams: NDArray[np.float32]
    states: NDArray[np.float32]
    firsts: Floats
    scores: Floats


def known(language: LanguageModel, asked: Prompts, advance: Advance) -> Known:
    """Ask all questions.

    Args:
        language, asked: the model and the questions.
        advance: takes how many are done.

    Raises:
        DoesNotFit: streams of all layers need more memory than the machine has.
        InputError: the model's logits are not finite, or what its layers are given is not what
            its answers are made of.
    """
    n_relations, n = asked.facts.shape
    relations, subjects = np.divmod(np.arange(n_relations * n), n)
    found = []
    for part in pieces(len(subjects), language.batch):
        found.append(_asked(language, asked, subjects[part], relations[part]))
        if part.start == 0:
            numbers = sum(one[0].size for one in found) // len(subjects[part]) * len(subjects)
            require_memory(2 * 4 * numbers, f"the streams of {len(subjects):,} questions")
        advance(part.stop)
    streams, states, firsts = (
        np.concatenate([one[i] for one in found], axis=1 if i == 0 else 0) for i in range(3)
    )
    if not np.isfinite(firsts).all():
        raise InputError("the logits of this model are not all finite")
    _require_read(language, asked, streams.shape[-1], float(np.abs(streams[0]).max()))
    if asked.scoring == "first":
        scores = firsts[:, asked.first_token_of]
    else:
        scores = scored(language, asked, subjects, relations)

    def apart(flat: np.ndarray) -> np.ndarray:
        """An axis for relations, and one for subjects."""
        return flat.reshape(n_relations, n, *flat.shape[1:])

    return Known(
        language,
        asked,
        streams.reshape(len(streams), n_relations, n, -1),
        apart(states),
        apart(firsts),
        apart(scores),
    )


def scored(
    language: LanguageModel,
    asked: Prompts,
    subjects: Ints,
    relations: Ints,
    shift: tuple[int, Floats] | None = None,
) -> Floats:
    """The scores of all answers to queries (Q,): (Q, A).

    Args:
        language, asked, subjects, relations: what is asked.
        shift: a layer, and what is added there to the subject's last token, (Q, d).
    """
    if asked.scoring == "whole":
        return _whole(language, asked, subjects, relations, shift)
    found = []
    for part in pieces(len(subjects), language.batch):
        tokens = [asked.tokens[r][s] for r, s in zip(relations[part], subjects[part], strict=True)]
        done = run(
            language,
            tokens,
            [[len(own) - 1] for own in tokens],
            shift=_of(shift, asked.places[relations[part], subjects[part]], part),
        )
        wanted = [own[0] for own in asked.answer_tokens]
        found.append(done.logits[:, 0, wanted].double().cpu().numpy())
    return np.concatenate(found)


def _asked(
    language: LanguageModel, asked: Prompts, subjects: Ints, relations: Ints
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Streams (layers + 1, Q, d), states (Q, d_state) and logits of first tokens (Q, F)."""
    tokens = [asked.tokens[r][s] for r, s in zip(relations, subjects, strict=True)]
    layers = range(len(language.layers) + 1)
    done = run(language, tokens, [[len(own) - 1] for own in tokens], watched=layers)
    rows, at = np.arange(len(tokens)), asked.places[relations, subjects]
    streams = torch.stack([done.streams[layer][rows, at].cpu() for layer in layers])
    firsts = done.logits[:, 0, asked.first_tokens].double()
    return streams.numpy(), done.states[:, 0].cpu().numpy(), firsts.cpu().numpy()


def _require_read(language: LanguageModel, asked: Prompts, d_model: int, size: float) -> None:
    """Refuse a model in which a large shift of the first stream at a subject's token changes
    nothing at the end of the prompt: its layers are called in another way than is supported.
    """
    for tokens, place in zip(asked.tokens[0], asked.places[0], strict=True):
        if place < len(tokens) - 1:
            shift = np.random.default_rng(0).standard_normal((2, d_model)) * [[0], [size]]
            by = _of((0, shift), np.array([place, place]), slice(None))
            plain, moved = run(language, [tokens] * 2, [[len(tokens) - 1]] * 2, shift=by).states
            if float((moved - plain).abs().max()) <= 1e-5 * float(plain.abs().max()):
                raise InputError(
                    f"what the first decoder layer of {type(language.model).__name__} is given at"
                    " a subject has no effect on the answer: a model that is built like this is"
                    " not supported"
                )
            return


def _whole(
    language: LanguageModel,
    asked: Prompts,
    subjects: Ints,
    relations: Ints,
    shift: tuple[int, Floats] | None,
) -> Floats:
    """The sum of the log probabilities of each answer's tokens, (Q, A)."""
    n_answers = len(asked.answers)
    longest = max(map(len, asked.answer_tokens))
    found = np.zeros((len(subjects), n_answers))
    flat = found.reshape(-1)
    for part in pieces(len(flat), language.batch):
        queries, answers = np.divmod(np.arange(len(flat))[part], n_answers)
        pairs = list(zip(relations[queries], subjects[queries], answers, strict=True))
        prompts = [asked.tokens[r][s] for r, s, _ in pairs]
        added = [asked.answer_tokens[a] for _, _, a in pairs]
        read = [
            [len(prompt) - 1 + min(i, len(own) - 1) for i in range(longest)]
            for prompt, own in zip(prompts, added, strict=True)
        ]
        done = run(
            language,
            [prompt + own for prompt, own in zip(prompts, added, strict=True)],
            read,
            shift=_of(shift, asked.places[relations[queries], subjects[queries]], queries),
        )
        log = done.logits.double().log_softmax(-1).cpu()
        flat[part] = [float(log[row, range(len(own)), own].sum()) for row, own in enumerate(added)]
    return found


def _of(shift: tuple[int, Floats] | None, places: Ints, part: slice | Ints) -> Shift | None:
    """The shift of some queries, whose subjects end at these places."""
    return None if shift is None else Shift(shift[0], places, torch.from_numpy(shift[1][part]))
