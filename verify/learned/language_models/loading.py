"""Language models of Hugging Face transformers, from a folder on this machine.

Supported is every `AutoModelForCausalLM` whose modules hold one `ModuleList` of as many entries as
its configuration has hidden layers, each of which takes the residual stream (batch, tokens, d) as
its first argument or as `hidden_states` and returns it, alone or as the first of a tuple; and one
unembedding, `get_output_embeddings()`. No module is found by its name. GPT-2 and Llama are tested.
Nothing is fetched, and no code of the folder is run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from constructions.guards.errors import InputError
from constructions.guards.extras import installing
from constructions.guards.wording import brief

BATCH = 64
"""Prompts that are run at once."""


@dataclass(frozen=True)
class LanguageModel:
    """A language model, its parameters frozen.

    Attributes:
        model: the module, in evaluation mode; it takes token ids and returns `.logits`.
        tokenizer: its tokenizer, with offsets.
        layers: its decoder layers, in the order of application.
        batch: prompts that are run at once.
    """

    model: nn.Module
    tokenizer: Any
    layers: nn.ModuleList
    batch: int = BATCH

    @property
    def unembedding(self) -> nn.Module:
        """What reads the last state; its weight is (tokens, d_state)."""
        found: nn.Module = self.model.get_output_embeddings()  # type: ignore[operator]
        return found

    @property
    def device(self) -> torch.device:
        """Where its parameters are."""
        return next(self.model.parameters()).device

    @property
    def longest(self) -> int | None:
        """How many positions it has; None if nothing says so."""
        return getattr(_text_config(self.model), "max_position_embeddings", None)

    def rows_of(self, tokens: list[int]) -> Tensor:
        """Rows of the unembedding, (len(tokens), d_state)."""
        weight = self.unembedding.weight
        if not isinstance(weight, Tensor):
            raise InputError("the unembedding of this model has no weight")
        return weight.detach()[tokens]


def load(folder: Path, device: str = "cpu", batch: int = BATCH) -> LanguageModel:
    """Read a model and its tokenizer, in float32.

    Args:
        folder: as `save_pretrained` writes it.
        device: as torch names it.
        batch: prompts that are run at once.

    Raises:
        InputError: transformers is not installed, the folder holds no such model or not all of
            its weights, or the model is of a kind that is not supported.
    """
    transformers = _transformers()
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give one that holds a model on this machine")
    if not (folder / "config.json").is_file():
        raise InputError(
            f"{folder}: holds no config.json, so it is no model as `save_pretrained` writes it"
        )
    only_here = {"local_files_only": True, "trust_remote_code": False}
    transformers.logging.disable_progress_bar()
    try:
        model, found = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True, **only_here
        )
    except Exception as error:  # whatever a reader of foreign files may raise
        raise InputError(f"{folder}: holds no causal language model: {_first(error)}") from error
    if found["missing_keys"]:
        missing = sorted(found["missing_keys"])
        raise InputError(
            f"{folder}: {len(missing)} weights are missing, such as {missing[0]}; they would be"
            " random"
        )
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **only_here)
    except Exception as error:
        raise InputError(f"{folder}: holds no tokenizer: {_first(error)}") from error
    return of(model, tokenizer, device, batch)


def of(model: Any, tokenizer: Any, device: str = "cpu", batch: int = BATCH) -> LanguageModel:
    """A model and its tokenizer that are here already; the model's parameters become frozen.

    Raises:
        InputError: it is of a kind that is not supported, or there is no such device.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise InputError(
            f"{type(tokenizer).__name__} does not say which characters a token stands for: a fast"
            " tokenizer is needed"
        )
    if model.get_output_embeddings() is None:
        raise InputError(f"{type(model).__name__} has no unembedding (get_output_embeddings)")
    layers = decoder_layers(model)
    try:
        model.to(device)
    except RuntimeError as error:
        raise InputError(f"--device {device}: {_first(error)}") from error
    return LanguageModel(model.eval().requires_grad_(False), tokenizer, layers, batch)


def untrained(language: LanguageModel, seed: int = 0) -> LanguageModel:
    """A model of the same shape with the weights that its training would have begun with."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = _transformers().AutoModelForCausalLM.from_config(language.model.config)
    model = model.float().to(language.device).eval().requires_grad_(False)
    return replace(language, model=model, layers=decoder_layers(model))


def decoder_layers(model: nn.Module) -> nn.ModuleList:
    """The one ModuleList of as many entries as the configuration has hidden layers.

    Raises:
        InputError: there is none, or there are several.
    """
    wanted = getattr(_text_config(model), "num_hidden_layers", None)
    found = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == wanted
    }
    if len(found) != 1:
        raise InputError(
            f"{type(model).__name__} has {wanted} hidden layers by its configuration, and"
            f" {', '.join(found) or 'no list of modules'} of that length: which are the decoder"
            " layers is not known"
        )
    return next(iter(found.values()))


def _text_config(model: nn.Module) -> Any:
    """The configuration of the part that reads text."""
    config: Any = model.config
    return config.get_text_config() if hasattr(config, "get_text_config") else config


def _transformers() -> ModuleType:
    """The package, imported when it is needed."""
    try:
        return import_module("transformers")
    except ModuleNotFoundError as error:
        raise InputError(
            f"language models need the package {error.name}: {installing('huggingface')}"
        ) from None


def _first(error: Exception) -> str:
    """The first line of an error's text, or its kind."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return brief(lines[0]) if lines else type(error).__name__
