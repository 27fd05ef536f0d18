"""Rotary position embedding on a part of each head, pairs in the halves layout.

Source: RoFormer (arXiv 2104.09864), equation 34. phi-1 turns the first half of each head's
features; feature i is paired with feature i + R / 2 (GPT-NeoX's layout), not with its neighbour
(GPT-J's and CodeGen's layout). R is `PhiConfig.rotary_dim`.
"""

import functools

import torch

from phi1_lib.config import PhiConfig


def rotary_table(
    config: PhiConfig,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the cosines and sines of every angle, each (max_position_embeddings, R / 2).

    The angle of position p and pair i is p x rope_theta ^ (-2 i / R) radians. Angles are computed
    in float64 and rounded once to `dtype`; the table is made once and shared.
    """
    return angle_table(
        config.max_position_embeddings,
        config.rotary_dim,
        config.rope_theta,
        dtype,
        torch.device(device),
    )


# torch.compile takes the table for a constant; otherwise it would compute it in every step. The
# mark is that of `torch.compiler.assume_constant_result`, a call that would import the compiler and
# so take about as long as importing the rest of PyTorch.
rotary_table._dynamo_marked_constant = True


# A cache in place of a buffer of the module: a buffer would be rounded by `model.half()`, and
# `model.float()` would not bring the lost digits back.
@functools.lru_cache(maxsize=16)
def angle_table(
    positions: int, rotary_dim: int, theta: float, dtype: torch.dtype, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `rotary_table`'s cosines and sines for any numbers, (positions, rotary_dim / 2)."""
    # The table may be born while text is generated and used again while training, which tensors
    # of inference mode cannot be.
    with torch.inference_mode(False), torch.device("cpu"):
        pair_R = torch.arange(0, rotary_dim, 2, dtype=torch.float64)
        frequency_R = theta ** (-pair_R / rotary_dim)
        angle_TR = torch.outer(torch.arange(positions, dtype=torch.float64), frequency_R)
        return angle_TR.cos().to(device, dtype), angle_TR.sin().to(device, dtype)


def rotate(x_BTHK: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Turn the first R features of every head by its position's angles; leave the others.

    Args:
        x_BTHK: queries or keys.
        cos, sin: (T, R / 2), or (B, T, R / 2), rows of `rotary_table` in x's dtype or a wider one.

    Returns:
        (B, T, H, K), dtype of x: half precision is turned in the table's precision, rounded once.
    """
    cos, sin = cos.unsqueeze(-2), sin.unsqueeze(-2)  # the same angle for all heads
    pairs = cos.shape[-1]
    first, second, rest = x_BTHK.split([pairs, pairs, x_BTHK.shape[-1] - 2 * pairs], dim=-1)
    turned = (first * cos - second * sin, first * sin + second * cos)
    return torch.cat([*turned, rest], dim=-1).to(x_BTHK.dtype)
