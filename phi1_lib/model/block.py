"""phi-1's block: attention and MLP side by side behind one LayerNorm.

Source: "Textbooks Are All You Need" (arXiv 2306.11644), section 2.3, and the released code for
what the paper leaves open (biases everywhere, the tanh form of GELU). Attribute names are those
of `transformers.PhiForCausalLM`, so that both read the same weights.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from phi1_lib.config import PhiConfig
from phi1_lib.model.cache import KVCache
from phi1_lib.model.rotary import rotate


class Attention(nn.Module):
    """Causal multi-head self-attention with partial rotary embedding.

    `rotary` holds the cosines and sines of the tokens' positions; `packing` holds `attend`'s
    arguments for packed documents, and is empty without them.
    """

    def __init__(self, config: PhiConfig, layer: int, attend: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        width = config.hidden_size
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.dense = nn.Linear(width, width)
        self.heads = config.num_attention_heads
        self.dropout = config.attention_dropout
        self.layer = layer
        self.attend = attend

    def forward(
        self,
        x_BTD: torch.Tensor,
        rotary: tuple[torch.Tensor, torch.Tensor],
        packing: dict[str, Any],
        cache: KVCache | None,
    ) -> torch.Tensor:
        q_BTHK = self.q_proj(x_BTD).unflatten(-1, (self.heads, -1))
        k_BSHK = self.k_proj(x_BTD).unflatten(-1, (self.heads, -1))
        v_BSHK = self.v_proj(x_BTD).unflatten(-1, (self.heads, -1))
        q_BTHK, k_BSHK = rotate(q_BTHK, *rotary), rotate(k_BSHK, *rotary)
        if cache is not None:
            k_BSHK, v_BSHK = cache.update(self.layer, k_BSHK, v_BSHK)
        dropout = self.dropout if self.training else 0.0
        if cache is not None and cache.visible_BTS is not None:
            out_BTHK = attend_where(cache.visible_BTS, q_BTHK, k_BSHK, v_BSHK)
        else:
            out_BTHK = self.attend(q_BTHK, k_BSHK, v_BSHK, causal=True, dropout=dropout, **packing)
        return self.dense(out_BTHK.flatten(-2))


def attend_where(
    visible_BTS: torch.Tensor, q_BTHK: torch.Tensor, k_BSHK: torch.Tensor, v_BSHK: torch.Tensor
) -> torch.Tensor:
    """Return attention (B, T, H, K) to the keys marked True: rows of a cache differ in length.

    PyTorch's kernel under a mask, the only one of the backends' kernels that takes one. Every
    query sees a key at least, its own.
    """
    out_BHTK = nn.functional.scaled_dot_product_attention(
        q_BTHK.transpose(1, 2),
        k_BSHK.transpose(1, 2),
        v_BSHK.transpose(1, 2),
        attn_mask=visible_BTS[:, None],
    )
    return out_BHTK.transpose(1, 2)


class MLP(nn.Module):
    """Two linear maps with GELU in its tanh form between them (`gelu_new`)."""

    def __init__(self, config: PhiConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, x_BTD: torch.Tensor) -> torch.Tensor:
        return self.fc2(nn.functional.gelu(self.fc1(x_BTD), approximate="tanh"))


class Block(nn.Module):
    """x + dropout(attention(h)) + dropout(mlp(h)), where h = LayerNorm(x) serves both."""

    def __init__(self, config: PhiConfig, layer: int, attend: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.input_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.self_attn = Attention(config, layer, attend)
        self.mlp = MLP(config)
        self.resid_dropout = nn.Dropout(config.resid_pdrop)

    def forward(
        self,
        x_BTD: torch.Tensor,
        rotary: tuple[torch.Tensor, torch.Tensor],
        packing: dict[str, Any],
        cache: KVCache | None,
    ) -> torch.Tensor:
        h_BTD = self.input_layernorm(x_BTD)
        attention_BTD = self.resid_dropout(self.self_attn(h_BTD, rotary, packing, cache))
        mlp_BTD = self.resid_dropout(self.mlp(h_BTD))
        return x_BTD + attention_BTD + mlp_BTD
