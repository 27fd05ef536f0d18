"""Small models to generate with, ours and transformers'."""

from dataclasses import replace

import torch
import transformers

from phi1_lib.config import PhiConfig
from phi1_lib.model import Phi

END = 50
CONFIG = PhiConfig(
    vocab_size=64,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=2,
    max_position_embeddings=48,
    bos_token_id=END,
    eos_token_id=END,
    used_vocab_size=51,
)
PROMPTS = [[1, 2, 3], [4, 5], [6, 7, 8], [9], [10, 11, 12], [13, 14]]


def random_model(seed=0, config=CONFIG, **options) -> Phi:
    """Weights large enough that the greedy text is not one token again and again."""
    torch.manual_seed(seed)
    model = Phi(config, **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return model.eval()


def constant_model(logits: torch.Tensor) -> Phi:
    """A model that gives these logits at every position."""
    model = Phi(
        replace(
            CONFIG, vocab_size=len(logits), bos_token_id=0, eos_token_id=0, used_vocab_size=None
        )
    )
    with torch.no_grad():
        model.lm_head.weight.zero_()
        model.lm_head.bias.copy_(logits)
    return model


def their_model(model: Phi, folder) -> transformers.PhiForCausalLM:
    """The same model in transformers, with the `generation_config.json` that ours writes."""
    model.save_pretrained(folder)
    return transformers.AutoModelForCausalLM.from_pretrained(folder).eval()


def characters(ids: list[int]) -> str:
    """A decoder in which id 0 is "a"."""
    return "".join(chr(ord("a") + i) for i in ids)
