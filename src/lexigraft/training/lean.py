"""A linear layer with its LoRA as one operation: only matrix products, forward and backward.

PEFT's own forward scales and adds whole activations beside them; on a processor, where small
products are quick, these take as long as the LoRA's products do.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from peft.tuners.lora import Linear as LoRALinear
from torch import Tensor, nn

__all__ = ["make_lean"]


class _Product(torch.autograd.Function):
    """x·Wᵀ + b + scale · (x·Aᵀ)·Bᵀ, with W and b frozen."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        down: Tensor,
        up: Tensor,
        scale: float,
    ) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        inner = flat @ down.t()
        out = nn.functional.linear(flat, weight, bias)
        out.addmm_(inner, up.t(), alpha=scale)
        ctx.save_for_backward(flat, inner, weight, down, up)
        ctx.scale, ctx.shape = scale, x.shape
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        flat, inner, weight, down, up = ctx.saved_tensors
        gradient = gradients[0].reshape(-1, weight.shape[0])
        through = (gradient @ up).mul_(ctx.scale)
        for_x = None
        if ctx.needs_input_grad[0]:
            for_x = (gradient @ weight).addmm_(through, down).view(ctx.shape)
        for_up = (gradient.t() @ inner).mul_(ctx.scale)
        return for_x, None, None, through.t() @ flat, for_up, None


def make_lean(model: nn.Module, adapter: str = "default") -> None:
    """Lets every LoRA in `model` over a plain linear layer compute as one operation.

    For frozen layers and LoRA without dropout. Disabling adapters still works.
    """
    for module in model.modules():
        if isinstance(module, LoRALinear) and type(module.base_layer) is nn.Linear:
            _replace_forward(module, adapter)


def _replace_forward(module: LoRALinear, adapter: str) -> None:
    base = cast(nn.Linear, module.base_layer)
    down = cast(nn.Linear, module.lora_A[adapter]).weight
    up = cast(nn.Linear, module.lora_B[adapter]).weight
    scale = float(module.scaling[adapter])

    def forward(x: Tensor) -> Tensor:
        if module.disable_adapters:
            return cast(Tensor, base(x))
        return cast(Tensor, _Product.apply(x, base.weight, base.bias, down, up, scale))

    module.forward = forward  # type: ignore[method-assign]
