"""Choosing the next token from logits: the most likely one, or a draw."""

import torch


def next_token(
    logits_BV: torch.Tensor,
    temperature: float = 0.0,
    top_p: float = 1.0,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Return one id a row, (B,) int64.

    Args:
        logits_BV: floating dtype; drawn from in float32.
        temperature: 0 takes the most likely id (of equals, any one); above 0 draws from
            softmax(logits / temperature).
        top_p: draw from the likeliest ids only, see `keep_top_p`.
        generator: the source of chance; PyTorch's global one when None.
    """
    if temperature == 0.0:
        return logits_BV.argmax(dim=-1)
    probabilities_BV = (logits_BV.float() / temperature).softmax(dim=-1)
    if top_p < 1.0:
        probabilities_BV = keep_top_p(probabilities_BV, top_p)
    return torch.multinomial(probabilities_BV, 1, generator=generator).squeeze(-1)


def keep_top_p(probabilities_BV: torch.Tensor, top_p: float) -> torch.Tensor:
    """Return the probabilities with all but each row's nucleus set to 0 (not rescaled).

    The nucleus is the smallest set of likeliest ids whose probabilities together reach `top_p`; it
    holds at least one id.

    Source: Holtzman et al., "The Curious Case of Neural Text Degeneration" (arXiv 1904.09751),
    section 3.1. Checked against `transformers.TopPLogitsWarper`.
    """
    sorted_BV, order_BV = probabilities_BV.sort(dim=-1, descending=True)
    before_BV = sorted_BV.cumsum(dim=-1) - sorted_BV  # what likelier ids hold together
    sorted_BV = sorted_BV.masked_fill(before_BV >= top_p, 0.0)
    return torch.zeros_like(probabilities_BV).scatter(-1, order_BV, sorted_BV)
