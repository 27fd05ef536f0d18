"""One training step of each library: at equal settings, and at those its user gets by default."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import torch
from model_parts.peers import logits_of
from torch import nn

from phi1_lib.config import TrainConfig
from phi1_lib.model import Phi
from phi1_lib.training.device import fast_precision
from phi1_lib.training.engine import TorchEngine
from phi1_lib.training.loss import next_token_loss
from phi1_lib.training.optimizer import make_optimizer
from phi1_lib.training.weights import with_dropout

Step = Callable[[torch.Tensor], float]  # ids (B, T + 1) to the loss; the weights change

DEFAULTS = {
    "phi1_lib": "phi1 run: the preset's precision (nano: bf16 where the CPU has instructions for "
    "it, else fp32), dropout, AdamW and clipping; not compiled",
    "transformers": "TrainingArguments(): float32, its own loss, fused AdamW without weight decay, "
    "clipping at 1; not compiled. Its values in a plain loop: Trainer itself needs accelerate",
    "litgpt": "litgpt pretrain: bf16-mixed (autocast), compiled, its own loss, AdamW, clipping at "
    "1. Its values in a plain loop, without Lightning's Fabric",
}


def equal_step(
    name: str, model: nn.Module, train: TrainConfig, dtype: torch.dtype, compiled: bool
) -> Step:
    """Return forward, cross-entropy, backward and AdamW as every library runs them here."""
    logits = logits_of(name, model.train())
    if compiled:
        logits = torch.compile(logits)
    optimizer = make_optimizer(model, train)

    def step(ids: torch.Tensor) -> float:
        with autocast(dtype):
            loss = next_token_loss(logits(ids[:, :-1]), ids[:, 1:])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    return step


def default_step(name: str, model: nn.Module, train: TrainConfig) -> Step:
    """Return a step at the library's own settings, `DEFAULTS`; the batch alone is given."""
    if name == "phi1_lib":
        return _our_default(model, train)
    if name == "transformers":
        return _transformers_default(model)
    return _litgpt_default(model)


def _our_default(model: Phi, train: TrainConfig) -> Step:
    dropping = Phi(with_dropout(model.config, train.dropout))
    dropping.load_state_dict(model.state_dict())
    engine = TorchEngine(dropping, train, device=torch.device("cpu"))

    def step(ids: torch.Tensor) -> float:
        loss = engine(ids)
        engine.backward(loss)
        engine.step()
        return loss.item()

    return step


def _transformers_default(model: nn.Module) -> Step:
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=5e-5, weight_decay=0.0, fused=True)

    def step(ids: torch.Tensor) -> float:
        ids = ids[:, :-1]  # as many tokens as the others read; it predicts one fewer
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return step


def _litgpt_default(model: nn.Module) -> Step:
    from litgpt.utils import chunked_cross_entropy

    compiled = torch.compile(model.train())
    optimizer = torch.optim.AdamW(model.parameters())

    def step(ids: torch.Tensor) -> float:
        with autocast(torch.bfloat16):
            logits = compiled(ids[:, :-1])
        loss = chunked_cross_entropy(logits.float(), ids[:, 1:])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return step


def one_batch(train: TrainConfig, batch: int, length: int) -> TrainConfig:
    """Return the preset's settings with one batch of this size a step, as they are on this CPU."""
    if train.precision == "auto":
        train = replace(train, precision=fast_precision(torch.device("cpu")))
    return replace(train, batch_size=batch, micro_batch_size=batch, context_length=length)


def autocast(dtype: torch.dtype):
    """Return the context in which products are of this dtype; weights stay float32."""
    return nullcontext() if dtype == torch.float32 else torch.autocast("cpu", dtype)
