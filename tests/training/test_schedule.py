"""Oracles: DeepSpeed's WarmupDecayLR, and the paper's numbers."""

import sys
from dataclasses import replace

import pytest
import torch

from phi1_lib.config import PRESETS
from phi1_lib.training.schedule import learning_rate


def test_lambda_lr_gives_the_same(train_config):
    """Oracle: torch's LambdaLR with the formula of linear warm-up and decay."""
    config = replace(train_config, warmup_steps=3, decay_steps=12)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=config.learning_rate)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(step / 3, max(0, (12 - step) / 9))
    )
    for step in range(15):
        assert learning_rate(step, config) == pytest.approx(scheduler.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        scheduler.step()


@pytest.mark.skipif(sys.platform != "linux", reason="DeepSpeed runs on Linux only")
def test_deepspeed_gives_the_same(train_config):
    from deepspeed.runtime.lr_schedules import WarmupDecayLR

    config = replace(train_config, warmup_steps=4, decay_steps=11)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = WarmupDecayLR(
        optimizer,
        total_num_steps=11,
        warmup_max_lr=config.learning_rate,
        warmup_num_steps=4,
        warmup_type="linear",
    )
    for step in range(14):
        scheduler.step(step)
        assert learning_rate(step, config) == pytest.approx(scheduler.get_last_lr()[0], abs=1e-12)


def test_phi1_at_the_kept_step():
    """The paper: 1e-3 after 750 steps, linear to 0 at 36,000, weights kept at 24,000."""
    config = PRESETS["full"].pretrain
    assert learning_rate(750, config) == 1e-3
    assert learning_rate(24_000, config) == pytest.approx(3.404e-4, rel=1e-3)
    assert learning_rate(36_000, config) == 0.0
    assert learning_rate(40_000, config) == 0.0


def test_no_warm_up_begins_at_the_full_rate(train_config):
    assert learning_rate(0, replace(train_config, warmup_steps=0)) == train_config.learning_rate
