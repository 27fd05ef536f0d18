"""A model and a data set small enough that a step takes milliseconds."""

from dataclasses import replace

import numpy as np
import pytest

from phi1_lib.config import PhiConfig, TrainConfig

MODEL = PhiConfig(
    vocab_size=61,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=2,
    max_position_embeddings=16,
    bos_token_id=60,
    eos_token_id=60,
    used_vocab_size=61,
)
TRAIN = TrainConfig(
    steps=8,
    batch_size=8,
    micro_batch_size=4,
    context_length=16,
    learning_rate=1e-2,
    warmup_steps=2,
    decay_steps=10,
    weight_decay=0.1,
    dropout=0.0,
    checkpoint_every=3,
)


class CountingDataset:
    """Sequences that a model can learn: counting upwards modulo 60, from a start set by the index.

    Stands in for TokenDataset; `fail_at` raises when that sequence is asked for, as a crash would.
    """

    context_length = 16
    vocab_size = 61
    end_of_text_id = 60
    tokens = 17_000
    seed = 0

    def __init__(self, fail_at: int | None = None) -> None:
        self.fail_at = fail_at
        self.asked: list[int] = []

    def batch(self, start: int, count: int) -> np.ndarray:
        self.asked += range(start, start + count)
        if self.fail_at is not None and start <= self.fail_at < start + count:
            raise RuntimeError("the machine went away")
        starts = (np.arange(start, start + count) * 7_919) % 60
        return ((starts[:, None] + np.arange(17)) % 60).astype(np.int64)


@pytest.fixture
def model_config() -> PhiConfig:
    return MODEL


@pytest.fixture
def train_config() -> TrainConfig:
    return TRAIN


@pytest.fixture
def dropout_config() -> TrainConfig:
    """Dropout and accumulation, so that an exact resume needs the random state."""
    return replace(TRAIN, dropout=0.2)


@pytest.fixture
def dataset() -> CountingDataset:
    return CountingDataset()


@pytest.fixture
def crashing_dataset() -> type[CountingDataset]:
    return CountingDataset
