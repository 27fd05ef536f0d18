"""The loss of language modelling: predict each next token."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from phi1_lib.data.packing import document_bounds


def next_token_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of the next token, in nats.

    Every token counts alike. The paper mentions no masking of prompts or docstrings, so there is
    none, in pretraining or in finetuning.

    Args:
        logits: `(B, T, V)`, any floating dtype; the softmax is taken in fp32 (fp64 if they are).
        targets: `(B, T)` int64, the token that follows each position.

    Returns:
        A scalar, fp32 (or fp64).
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


class LanguageModelLoss(nn.Module):
    """A model and its loss as one module, so that an engine's forward pass returns the loss.

    Args:
        model: `model(ids, cu_seqlens=None) -> logits (B, T, V)`.
        end_of_text_id: keep attention within documents, which end with this token; None lets it
            cross their borders, as phi-1 did.
    """

    def __init__(self, model: nn.Module, end_of_text_id: int | None = None) -> None:
        super().__init__()
        self.model = model
        self.end_of_text_id = end_of_text_id

    def forward(self, ids: Tensor) -> Tensor:
        """Loss of `ids`, `(B, T + 1)` int64: the first T are read, the last T predicted."""
        inputs, targets = ids[:, :-1], ids[:, 1:]
        if self.end_of_text_id is None:
            return next_token_loss(self.model(inputs), targets)
        # Packed documents are one long row: attention kernels take their borders as cu_seqlens.
        bounds = document_bounds(inputs.cpu().numpy(), self.end_of_text_id)
        cu_seqlens = torch.from_numpy(bounds).to(inputs.device)
        logits = self.model(inputs.reshape(1, -1), cu_seqlens=cu_seqlens)
        return next_token_loss(logits, targets.reshape(1, -1))
