"""The training loop: batches in, weights out, and every step accounted for.

It knows an engine only by DeepSpeed's shape (`engine(ids)`, `backward`, `step`, `save`, `load`,
`export`), so the same lines train on a laptop and on eight GPUs.
"""

import dataclasses
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from tqdm import tqdm

from phi1_lib.config import PhiConfig, TrainConfig
from phi1_lib.training.checkpoint import (
    check_made_by,
    checkpoint_step,
    latest_checkpoint,
    load_checkpoint,
    precision_of,
    remove_partial,
    save_checkpoint,
    whole_folder,
)
from phi1_lib.training.deepspeed_engine import DeepSpeedEngine, world_size
from phi1_lib.training.device import choose_device, fast_precision
from phi1_lib.training.engine import TorchEngine
from phi1_lib.training.metrics import MetricsLog, read_metrics
from phi1_lib.training.schedule import learning_rate
from phi1_lib.training.weights import initial_model, with_dropout

ENGINES = ("torch", "deepspeed")


class Dataset(Protocol):
    """What the loop reads from (`phi1_lib.data.batches.TokenDataset`)."""

    context_length: int
    vocab_size: int
    end_of_text_id: int
    tokens: int
    seed: int

    def batch(self, start: int, count: int) -> np.ndarray: ...


@dataclass(frozen=True)
class TrainResult:
    """What training came to. `loss` is the last step's; `seconds` is the sum over all steps.

    `precision` is what "auto" came to, or what the configuration says.
    """

    folder: Path
    step: int
    loss: float
    tokens: int
    seconds: float
    precision: str
    final: Path | None  # the Hugging Face folder; None if stopped early


def train(
    model_config: PhiConfig,
    train_config: TrainConfig,
    dataset: Dataset,
    folder: str | Path,
    *,
    engine: str = "torch",
    initial_weights: str | Path | None = None,
    resume: bool = True,
    progress: bool | None = None,
    stop_after: int | None = None,
) -> TrainResult:
    """Train a model, from the newest checkpoint in `folder` if there is one.

    A run that was killed and continued gives, on the CPU, the very losses of one that was not:
    the order of the data is a function of the step, and a checkpoint holds the rest. The folder
    gets `metrics.jsonl`, checkpoints `step-000100/`, and at the end `final/`, a Hugging Face
    folder. PyTorch's global generator is seeded.

    Args:
        train_config: with `precision="auto"`, the precision of the newest checkpoint; without one,
            that of `phi1_lib.training.device.fast_precision`.
        dataset: `batch(start, count)` gives int `(count, context_length + 1)`.
        engine: "torch" (this process, one device) or "deepspeed" (a process that DeepSpeed's
            launcher started, one of several: see `phi1_lib.training.launch`).
        initial_weights: a Hugging Face folder to start from, for finetuning; not read when there
            is a checkpoint to continue from.
        resume: whether a folder with checkpoints may be continued.
        progress: show a bar.
        stop_after: save and return after this step, counted from the run's first.

    Raises:
        ValueError: configuration, dataset, weights or checkpoint do not fit together, or the loss
            stopped being a number.
        OSError: a checkpoint could not be written.
        KeyboardInterrupt: Ctrl-C was pressed; the step was finished and saved first.
    """
    folder = Path(folder)
    train_config = _settled(train_config, folder)
    model_config = with_dropout(model_config, train_config.dropout)
    _check_inputs(model_config, train_config, dataset, engine)
    made_by = _made_by(model_config, train_config, dataset, engine)
    checkpoint = _checkpoint_to_continue(folder, train_config, made_by, resume)
    model = initial_model(
        model_config, train_config.seed, initial_weights if checkpoint is None else None
    )
    running = _make_engine(engine, model, train_config, dataset)
    torch.manual_seed(train_config.seed + 1 + running.rank)  # each rank draws its own dropout
    if running.rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        remove_partial(folder)
    step = load_checkpoint(running, checkpoint) if checkpoint else 0
    last = min(train_config.steps, stop_after or train_config.steps)

    lead = running.rank == 0
    with (
        MetricsLog(folder, step) if lead else nullcontext() as log,
        _bar(train_config, step, bool(progress) and lead) as bar,
        _interrupt_deferred() as interrupted,
    ):
        while step < last:
            row = _train_step(running, dataset, train_config, step + 1)
            step += 1
            if lead:
                log.write(row)
                show_step(bar, row, train_config)
            _check_loss(row, folder)
            stop = running.mean(float(interrupted.is_set())) > 0
            if step % train_config.checkpoint_every == 0 or step == last or stop:
                save_checkpoint(running, folder, step, made_by)
            if stop:
                raise KeyboardInterrupt(f"stopped after step {step}; saved in {folder}")

    final = _write_final(running, folder) if step == train_config.steps else None
    return result_of(folder, final)


def result_of(folder: Path, final: Path | None) -> TrainResult:
    """Sum up a run's folder from its metrics and its newest checkpoint.

    Raises:
        ValueError: there are none.
    """
    rows, checkpoint = read_metrics(folder), latest_checkpoint(folder)
    if not rows or checkpoint is None:
        raise ValueError(
            f"{folder} has no metrics.jsonl or no checkpoint; delete the folder and train again"
        )
    return TrainResult(
        folder=folder,
        step=rows[-1]["step"],
        loss=rows[-1]["loss"],
        tokens=rows[-1]["tokens"],
        seconds=sum(row["seconds"] for row in rows),
        precision=precision_of(checkpoint),
        final=final,
    )


# --- One step ---


def _train_step(engine: Any, dataset: Dataset, config: TrainConfig, step: int) -> dict[str, Any]:
    """Update number `step` (from 1): read its sequences, accumulate, update; returns its record."""
    started = time.perf_counter()
    rate = learning_rate(step, config)
    engine.set_learning_rate(rate)
    total = 0.0
    starts = micro_batch_starts(step, config, engine.rank, engine.ranks)
    for start in starts:
        ids = torch.from_numpy(dataset.batch(start, config.micro_batch_size).astype(np.int64))
        loss = engine(ids)
        engine.backward(loss)
        engine.step()
        total = total + loss.detach()  # stays on the device: reading it would wait for the GPU
    return {
        "step": step,
        "loss": engine.mean(total.item() / len(starts)),
        "learning_rate": rate,
        "grad_norm": engine.get_global_grad_norm(),
        "tokens": step * config.tokens_per_step,
        "seconds": time.perf_counter() - started,
    }


def micro_batch_starts(step: int, config: TrainConfig, rank: int, ranks: int) -> list[int]:
    """Index of the first sequence of each micro-batch that `rank` reads for update `step`.

    All ranks together read sequences `(step - 1) * batch_size` to `step * batch_size - 1`, each
    once, whatever the number of ranks.
    """
    share = config.batch_size // ranks
    first = (step - 1) * config.batch_size + rank * share
    return list(range(first, first + share, config.micro_batch_size))


def _check_loss(row: dict[str, Any], folder: Path) -> None:
    if not math.isfinite(row["loss"]):
        saved = latest_checkpoint(folder)
        raise ValueError(
            f"the loss is {row['loss']} at step {row['step']}: training diverged "
            f"(last checkpoint: {saved.name if saved else 'none'}); use a lower learning_rate, "
            "a longer warm-up, or precision='bf16'"
        )


# --- Before the first step ---


def _settled(config: TrainConfig, folder: Path) -> TrainConfig:
    """The stage with its precision settled: it keeps the one that it began with."""
    if config.precision != "auto":
        return config
    checkpoint = latest_checkpoint(folder)
    precision = precision_of(checkpoint) if checkpoint else fast_precision(choose_device())
    return dataclasses.replace(config, precision=precision)


def _check_inputs(model: PhiConfig, config: TrainConfig, dataset: Dataset, engine: str) -> None:
    if engine not in ENGINES:
        raise ValueError(f"engine={engine!r}: choose one of {', '.join(ENGINES)}")
    if config.context_length > model.max_position_embeddings:
        raise ValueError(
            f"context_length={config.context_length} is more than the model's "
            f"max_position_embeddings={model.max_position_embeddings}; shorten it"
        )
    if dataset.context_length != config.context_length:
        raise ValueError(
            f"the dataset gives sequences of {dataset.context_length} tokens and "
            f"context_length={config.context_length}; open it with the latter"
        )
    if dataset.vocab_size > model.vocab_size:
        raise ValueError(
            f"the data was made with vocab_size={dataset.vocab_size} and the model has "
            f"{model.vocab_size} rows; make the data again with this preset's tokenizer"
        )


def _made_by(
    model: PhiConfig, config: TrainConfig, dataset: Dataset, engine: str
) -> dict[str, Any]:
    """What a checkpoint must have been made by for its run to continue exactly."""
    return {
        "engine": engine,
        "ranks": world_size() if engine == "deepspeed" else 1,
        "model": dataclasses.asdict(model),
        "train": dataclasses.asdict(config),
        "data": {"tokens": dataset.tokens, "seed": dataset.seed},
    }


def _checkpoint_to_continue(
    folder: Path, config: TrainConfig, made_by: dict[str, Any], resume: bool
) -> Path | None:
    checkpoint = latest_checkpoint(folder)
    if checkpoint is None:
        return None
    if not resume:
        raise ValueError(
            f"{folder} holds a run at {checkpoint.name}; resume it, or train into another folder"
        )
    check_made_by(checkpoint, made_by)
    if checkpoint_step(checkpoint) > config.steps:
        raise ValueError(f"{checkpoint} is beyond steps={config.steps}; train into another folder")
    return checkpoint


def _make_engine(engine: str, model: Any, config: TrainConfig, dataset: Dataset) -> Any:
    end_of_text_id = dataset.end_of_text_id if config.mask_documents else None
    make = DeepSpeedEngine if engine == "deepspeed" else TorchEngine
    return make(model, config, end_of_text_id=end_of_text_id)


# --- Around the steps ---


@contextmanager
def _interrupt_deferred() -> Iterator[threading.Event]:
    """While inside, the first Ctrl-C sets the event; a second one interrupts at once."""
    requested = threading.Event()
    previous = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or previous == signal.SIG_IGN:
        yield requested  # signals reach the main thread only
        return

    def first(*_: object) -> None:
        requested.set()
        signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, first)
    try:
        yield requested
    finally:
        signal.signal(signal.SIGINT, previous)


def _bar(config: TrainConfig, step: int, shown: bool) -> tqdm:
    return tqdm(total=config.steps, initial=step, unit="step", desc="train", disable=not shown)


def show_step(bar: tqdm, row: dict[str, Any], config: TrainConfig) -> None:
    """Move a progress bar on by one line of metrics."""
    rate = config.tokens_per_step / row["seconds"]
    bar.set_postfix_str(f"loss {row['loss']:.3f}, {rate:,.0f} tokens/s", refresh=False)
    bar.update()


def _write_final(engine: Any, folder: Path) -> Path:
    """Write `final/`, whole or not at all. Every rank calls it."""
    final = folder / "final"
    with whole_folder(final, engine.rank) as partial:
        engine.barrier()
        engine.export(partial)
        engine.barrier()
    engine.barrier()
    return final
