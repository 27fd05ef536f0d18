"""Small models, ours and transformers', with the same random weights."""

import copy

import pytest
import torch
import transformers
from torch import nn

from phi1_lib.attention import BACKENDS
from phi1_lib.config import PhiConfig
from phi1_lib.model import Phi

# Those that run on every machine. `tests/attention` compares all backends with each other.
CPU_BACKENDS = [name for name in ("explicit", "tiled", "sdpa") if name in BACKENDS]

SMALL = PhiConfig(
    vocab_size=97,
    hidden_size=48,
    intermediate_size=80,
    num_hidden_layers=3,
    num_attention_heads=4,
    max_position_embeddings=64,
    partial_rotary_factor=0.5,
    bos_token_id=90,
    eos_token_id=90,
    used_vocab_size=91,
)


def their_config(config: PhiConfig, **changes) -> transformers.PhiConfig:
    """The configuration in transformers' class, field by field."""
    return transformers.PhiConfig(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        max_position_embeddings=config.max_position_embeddings,
        layer_norm_eps=config.layer_norm_eps,
        attention_dropout=config.attention_dropout,
        resid_pdrop=config.resid_pdrop,
        embd_pdrop=config.embd_pdrop,
        rope_parameters={
            "rope_type": "default",
            "rope_theta": config.rope_theta,
            "partial_rotary_factor": config.partial_rotary_factor,
        },
        bos_token_id=config.bos_token_id,
        eos_token_id=config.eos_token_id,
        **changes,
    )


def their_model(config: PhiConfig, **changes) -> transformers.PhiForCausalLM:
    """transformers' model; every parameter random, biases and LayerNorms too."""
    torch.manual_seed(0)
    model = transformers.PhiForCausalLM(their_config(config, **changes)).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            scale = 0.3 if "layernorm" in name or "bias" in name else 0.1
            parameter += scale * torch.randn(parameter.shape, generator=generator)
    return model


class ExactRotary(nn.Module):
    """transformers' rotary angles without its rounding to float32, for float64 references."""

    def __init__(self, config: PhiConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, x: torch.Tensor, position_ids: torch.Tensor):
        dim = self.config.rotary_dim
        frequencies = [self.config.rope_theta ** (-2 * i / dim) for i in range(dim // 2)]
        angles = position_ids[..., None].double() * torch.tensor(frequencies, dtype=torch.float64)
        angles = torch.cat([angles, angles], dim=-1)
        return angles.cos().to(x.dtype), angles.sin().to(x.dtype)


def ours_with(theirs: transformers.PhiForCausalLM, config: PhiConfig = SMALL, **options) -> Phi:
    """Our model with the weights of theirs."""
    model = Phi(config, **options).to(theirs.dtype)
    model.load_state_dict(theirs.state_dict())  # strict: the names are transformers'
    return model.eval()


def exact_of(theirs: transformers.PhiForCausalLM, config: PhiConfig = SMALL):
    """The same weights and function in float64 throughout: the reference of the error rule."""
    exact = copy.deepcopy(theirs).double()
    exact.model.rotary_emb = ExactRotary(config)
    return exact


def random_ids(batch: int, tokens: int, vocab: int = 97, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, vocab, (batch, tokens), generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def config() -> PhiConfig:
    return SMALL


@pytest.fixture
def theirs(config) -> transformers.PhiForCausalLM:
    return their_model(config)
