"""The lean LoRA is PEFT's own, forward and backward."""

from __future__ import annotations

import copy
from typing import Any, cast

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn

from lexigraft.training.lean import make_lean


def layers(*, bias: bool, dtype: torch.dtype) -> tuple[Any, Any]:
    """The same layer with a LoRA twice: as PEFT computes it, and lean."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(12, 20, bias=bias))
    net.requires_grad_(False)
    config = LoraConfig(r=3, lora_alpha=4.5, target_modules=["0"])  # type: ignore[arg-type]
    inject_adapter_in_model(config, net)
    for name, weight in net.named_parameters():
        if "lora_" in name:
            weight.data.normal_()
    net = net.to(dtype)
    lean = copy.deepcopy(net)
    make_lean(lean)
    return net, lean


def passed(net: Any, x: Tensor) -> list[Tensor]:
    """The output, and the gradients of the input and of the LoRA."""
    x = x.clone().requires_grad_()
    out = net(x)
    (out * torch.arange(out.numel(), dtype=out.dtype).view_as(out).cos()).sum().backward()
    grads = [cast(Tensor, p.grad) for n, p in net.named_parameters() if "lora_" in n]
    return [out.detach(), cast(Tensor, x.grad), *grads]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("dtype", "apart"), [(torch.float64, 1e-12), (torch.float32, 1e-4), (torch.bfloat16, 0.05)]
)
@pytest.mark.parametrize("shape", [(5, 12), (2, 7, 12), (1, 1, 12)])
def test_it_computes_what_peft_computes(
    bias: bool, dtype: torch.dtype, apart: float, shape: tuple[int, ...]
) -> None:
    net, lean = layers(bias=bias, dtype=dtype)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    for wanted, found in zip(passed(net, x), passed(lean, x), strict=True):
        assert found.shape == wanted.shape
        scale = float(wanted.abs().max())
        assert float((found - wanted).abs().max()) <= apart * scale


def test_its_derivatives_are_right() -> None:
    _, lean = layers(bias=True, dtype=torch.float64)
    x = torch.randn(3, 12, dtype=torch.float64, requires_grad=True)
    down, up = (p for n, p in lean.named_parameters() if "lora_" in n)

    def run(x: Tensor, *_: Tensor) -> Tensor:
        return cast(Tensor, lean(x))

    assert torch.autograd.gradcheck(run, (x, down, up))


def test_disabled_it_is_the_layer_below() -> None:
    net, lean = layers(bias=True, dtype=torch.float32)
    x = torch.randn(4, 12)
    for one in (net, lean):
        one[0].enable_adapters(False)
    assert torch.equal(net(x), lean(x))
    assert torch.equal(lean(x), lean[0].base_layer(x))
