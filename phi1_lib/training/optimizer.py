"""AdamW, the same for both engines."""

import torch
from torch import nn

from phi1_lib.config import TrainConfig


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Split the parameters: matrices (embeddings too) decay, biases and LayerNorms do not.

    The paper gives the weight decay and does not say what it applies to; this split is ours, as
    is usual for this family of models.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW over `model` as `config` says. The loop sets the rate before every step.

    Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", algorithm 2.
    """
    groups = [g for g in parameter_groups(model, config.weight_decay) if g["params"]]
    return torch.optim.AdamW(
        groups,
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        eps=config.epsilon,
    )
