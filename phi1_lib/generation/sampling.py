"""Choosing the next token from logits: the most likely one, or a draw."""

import torch


def next_token(
    logits_BV: torch.Tensor,
    temperature: float = 0.0,
    *,
    top_k: int | None = None,
    top_p: float = 1.0,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Return one id a row, (B,) int64.

    The order is that of `transformers`: temperature, then top-k, then top-p of what top-k left.

    Args:
        logits_BV: floating dtype; drawn from in float32.
        temperature: 0 takes the most likely id (of equals, any one); above 0 draws from
            softmax(logits / temperature).
        top_k: draw from so many likeliest ids only, see `keep_top_k`; None from all.
        top_p: draw from the likeliest ids that hold this probability, see `keep_top_p`.
        generator: the source of chance; PyTorch's global one when None.

    Checked against `transformers`' own filters, and by counting draws.
    """
    if temperature == 0.0:
        return logits_BV.argmax(dim=-1)
    # Softmax does not ask where the logits begin; from 0 down, no temperature makes them overflow.
    from_top_BV = logits_BV.float() - logits_BV.float().amax(dim=-1, keepdim=True)
    probabilities_BV = (from_top_BV / temperature).softmax(dim=-1)
    if top_k is not None:
        probabilities_BV = keep_top_k(probabilities_BV, top_k)
    if top_p < 1.0:
        probabilities_BV = keep_top_p(probabilities_BV, top_p)
    return torch.multinomial(probabilities_BV, 1, generator=generator).squeeze(-1)


def keep_top_k(probabilities_BV: torch.Tensor, top_k: int) -> torch.Tensor:
    """Return the probabilities with all but each row's `top_k` largest set to 0, rescaled to sum 1.

    Ids as likely as the last one kept are kept too. A `top_k` above V keeps all.

    Source: Fan et al., "Hierarchical Neural Story Generation" (arXiv 1805.04833, 2018), which
    samples stories from the 10 likeliest words. Checked against `transformers.TopKLogitsWarper`.
    """
    largest_BK = probabilities_BV.topk(min(top_k, probabilities_BV.shape[-1]), dim=-1).values
    kept_BV = probabilities_BV.masked_fill(probabilities_BV < largest_BK[:, -1:], 0.0)
    return kept_BV / kept_BV.sum(dim=-1, keepdim=True)


def keep_top_p(probabilities_BV: torch.Tensor, top_p: float) -> torch.Tensor:
    """Return the probabilities with all but each row's nucleus set to 0, rescaled to sum 1.

    The nucleus is the smallest set of likeliest ids whose probabilities together reach `top_p`; it
    holds at least one id.

    Source: Holtzman et al., "The Curious Case of Neural Text Degeneration" (arXiv 1904.09751,
    2019), section 3.1. Checked against `transformers.TopPLogitsWarper`.
    """
    sorted_BV, order_BV = probabilities_BV.sort(dim=-1, descending=True)
    before_BV = sorted_BV.cumsum(dim=-1) - sorted_BV  # what likelier ids hold together
    sorted_BV = sorted_BV.masked_fill(before_BV >= top_p, 0.0)
    kept_BV = torch.zeros_like(probabilities_BV).scatter(-1, order_BV, sorted_BV)
    return kept_BV / kept_BV.sum(dim=-1, keepdim=True)
