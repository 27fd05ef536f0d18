"""The library's functions in the signatures of chapter 04's exercises."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def layer_norm(x_TD: "Tensor", weight_D: "Tensor", bias_D: "Tensor", eps: float = 1e-5) -> "Tensor":
    """Exercise 4.1: the library takes PyTorch's."""
    from torch.nn import functional

    return functional.layer_norm(x_TD, x_TD.shape[-1:], weight_D, bias_D, eps)


def mlp(h_TD: "Tensor", weights: Mapping[str, "Tensor"]) -> "Tensor":
    """Exercise 4.2."""
    import torch

    from phi1_lib.model.block import MLP

    with torch.device("meta"):  # shapes only: the weights are the given ones
        module = MLP(_shape_of(weights["fc1.weight"]))
    return torch.func.functional_call(module, dict(weights), (h_TD,))


def parallel_block(
    x_TD: "Tensor", weights: Mapping[str, "Tensor"], attention: Callable[["Tensor"], "Tensor"]
) -> "Tensor":
    """Exercise 4.3: the library's block, with the given function in place of its attention."""
    import torch

    from phi1_lib.model.block import Block

    class Given(torch.nn.Module):
        def forward(self, h_TD, rotary, packing, cache):
            return attention(h_TD)

    with torch.device("meta"):
        module = Block(_shape_of(weights["mlp.fc1.weight"]), 0, attention)
    module.self_attn = Given()
    return torch.func.functional_call(module, dict(weights), (x_TD, None, {}, None))


def _shape_of(fc1_FD: "Tensor") -> SimpleNamespace:
    """What a block reads of a configuration, for an MLP of this shape."""
    inner, width = fc1_FD.shape
    return SimpleNamespace(
        hidden_size=width,
        intermediate_size=inner,
        num_attention_heads=1,
        layer_norm_eps=1e-5,
        attention_dropout=0.0,
        resid_pdrop=0.0,
    )


def from_older_release(tensors: Mapping[str, "Tensor"], heads: int) -> dict[str, "Tensor"]:
    """Exercise 4.9."""
    import torch

    from phi1_lib.model.released_names import find_parameters

    layers = sum(name.endswith(".mixer.Wqkv.weight") for name in tensors)
    today = ["model.embed_tokens.weight"]
    for kind in ("weight", "bias"):
        today += [f"model.final_layernorm.{kind}", f"lm_head.{kind}"]
        for i in range(layers):
            parts = ("q_proj", "k_proj", "v_proj", "dense")
            today += [f"model.layers.{i}.self_attn.{part}.{kind}" for part in parts]
            for part in ("input_layernorm", "mlp.fc1", "mlp.fc2"):
                today.append(f"model.layers.{i}.{part}.{kind}")
    places, _ = find_parameters(today, tensors, layers)
    return {
        name: tensors[place.name]
        if place.third is None
        else torch.chunk(tensors[place.name], 3)[place.third]
        for name, place in places.items()
    }


TWINS = {"4.1": layer_norm, "4.2": mlp, "4.3": parallel_block, "4.9": from_older_release}
