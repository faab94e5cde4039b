"""Many modules of one architecture as one batched computation."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from constructions.guards.errors import InputError


class Stack:
    """M modules whose parameters differ and whose code is the same: `torch.func.vmap` of the first
    one's forward pass over parameters with a leading axis of models.

    Modules may differ in sizes where zeros do no harm (see `padded`): then every parameter has the
    largest one's shape, and `modules` cuts it back.

    Attributes:
        parameters: by name, (M, *shape), without gradients.
    """

    def __init__(self, modules: Sequence[nn.Module], largest: nn.Module | None = None):
        self._like = list(modules)
        code = largest or modules[0]
        with torch.no_grad():
            alike = [padded(one, code) for one in modules] if largest else list(modules)
            parameters, self._buffers = stack_module_state(alike)
        self.parameters = {name: value.detach() for name, value in parameters.items()}
        self._code = copy.deepcopy(code)  # on the meta device tied parameters would come apart

    def __len__(self) -> int:
        return len(self._like)

    def logits(self, tokens: Tensor) -> Tensor:
        """Of all models: tokens (Q, L), the same for all, or (M, Q, L), to (M, Q, ...)."""

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], read: Tensor) -> Tensor:
            """One model's."""
            found: Tensor = functional_call(self._code, (parameters, buffers), (read,))
            return found

        each = 0 if tokens.dim() == 3 else None
        batched = vmap(one, in_dims=(0, 0, each))
        logits: Tensor = batched(self.parameters, self._buffers, tokens)
        return logits

    def module(self, index: int, parameters: dict[str, Tensor]) -> nn.Module:
        """One of the models as a module of its own, with these parameters (*shape)."""
        module = copy.deepcopy(self._like[index])
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                inner = tuple(slice(size) for size in parameter.shape)
                parameter.copy_(parameters[name][inner])
        return module


def padded(module: nn.Module, largest: nn.Module) -> nn.Module:
    """The module with zeros at the end of each axis of each parameter, up to the shapes of the
    largest one.

    Claim: it computes the same, and an optimizer that does not move what has no gradient leaves
    the zeros as they are, if all coordinates enter through matrices, ReLU without norms, and
    inner products.

    Proof: the further coordinates of the embeddings are 0, and the rows and columns of matrices
    that write or read them; so they are 0 in every vector, and so is what they add to a sum. The
    gradient of an entry of a matrix is the product of what it reads and the gradient of what it
    writes. Of a further column the first is 0. Of a further row the second is: nobody reads that
    coordinate, and of a further hidden unit torch's ReLU has the derivative 0 at 0.
    """
    larger = copy.deepcopy(largest)
    sizes = dict(larger.named_parameters())
    for name, parameter in module.named_parameters():
        whole = sizes[name]
        if parameter.dim() != whole.dim() or any(
            a > b for a, b in zip(parameter.shape, whole.shape, strict=True)
        ):
            raise InputError(
                f"{name} has the shape {tuple(parameter.shape)}, and {tuple(whole.shape)} in the"
                " largest of the models that are trained together"
            )
        whole.data.zero_()
        whole.data[tuple(slice(size) for size in parameter.shape)] = parameter.data
    return larger
