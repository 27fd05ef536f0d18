"""Full weights in and out of a Hugging Face folder, as the engines need it."""

import dataclasses
from pathlib import Path

import torch

from phi1_lib.config import PhiConfig
from phi1_lib.model import Phi


def with_dropout(config: PhiConfig, dropout: float) -> PhiConfig:
    """The configuration with this attention and residual dropout."""
    return dataclasses.replace(config, attention_dropout=dropout, resid_pdrop=dropout)


def initial_model(config: PhiConfig, seed: int, folder: str | Path | None) -> Phi:
    """A model to train, on the CPU in fp32: fresh weights from `seed`, or those in `folder`.

    Raises:
        ValueError: the folder holds a model of another shape, or no model.
    """
    torch.manual_seed(seed)
    model = Phi(config)
    if folder is not None:
        load_weights(model, folder)
    return model


def load_weights(model: Phi, folder: str | Path) -> None:
    """Copy the weights of a Hugging Face folder into `model`, which keeps its own dropout.

    Raises:
        ValueError: the folder holds a model of another shape, or no model.
    """
    loaded = Phi.from_pretrained(folder)
    for field in dataclasses.fields(PhiConfig):
        there, here = getattr(loaded.config, field.name), getattr(model.config, field.name)
        if field.name in _SHAPE and there != here:
            raise ValueError(
                f"{folder} holds a model with {field.name}={there}, and this run has {here}; "
                "start from weights of the same preset"
            )
    model.load_state_dict(loaded.state_dict())


_SHAPE = {
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "partial_rotary_factor",
    "rope_theta",
}


def export_weights(model: Phi, folder: str | Path) -> None:
    """Write `model` as a Hugging Face folder for use: without dropout, as phi-1 was released."""
    trained_with = model.config
    model.config = with_dropout(trained_with, 0.0)
    try:
        model.save_pretrained(folder)
    finally:
        model.config = trained_with
