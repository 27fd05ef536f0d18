"""The learning rate as a function of the step, and of nothing else."""

from phi1_lib.config import TrainConfig


def learning_rate(step: int, config: TrainConfig) -> float:
    """The rate of update number `step`: linear warm-up, then linear decay to zero.

    It rises from 0 at step 0 to `config.learning_rate` at `warmup_steps` and falls to 0 at
    `decay_steps`, which may lie beyond the last step: phi-1 kept the weights of step 24,000 of a
    decay over 36,000. The loop counts updates from 1, so the first does move the weights.

    Source: paper section 2.3. The values are those of DeepSpeed's `WarmupDecayLR` with
    `warmup_type` linear (checked in tests/training/test_schedule.py).
    """
    if step < config.warmup_steps:
        return config.learning_rate * step / config.warmup_steps
    left = (config.decay_steps - step) / (config.decay_steps - config.warmup_steps)
    return config.learning_rate * max(0.0, left)
