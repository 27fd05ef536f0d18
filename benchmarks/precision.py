"""Is nano as good in bf16 as in fp32, and how much sooner is it there?

    python benchmarks/precision.py [--folder FOLDER]

Makes nano's data once, and trains both stages on it in either precision from two seeds, the four
runs in turns of 50 steps; then has each model write the held-out exercises. How far the two seeds
of one precision lie apart is the measure for how far the two precisions do. Prints the report and
writes it to benchmarks/results/precision.json. A folder that is named is kept, and continued from.
"""

import argparse
import statistics
import tempfile
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import torch
from record import conditions, write_result

from phi1_lib.config import PRESETS, TrainConfig
from phi1_lib.data.batches import TokenDataset
from phi1_lib.evaluation import evaluate
from phi1_lib.evaluation.completions import complete
from phi1_lib.evaluation.intervals import wilson_interval
from phi1_lib.evaluation.table import EXERCISE_NEW_TOKENS
from phi1_lib.model import Phi
from phi1_lib.pipeline import DATA_STAGES, TRAIN_STAGES, Run, read_problems, run_stages
from phi1_lib.tokenizer import Tokenizer
from phi1_lib.training import read_metrics, train
from phi1_lib.training.device import bf16_instructions

NANO = PRESETS["nano"]
ARMS = tuple(product(("fp32", "bf16"), (0, 1)))  # precision and seed
TURN = 50  # steps; nano's checkpoints are as far apart
MEASURED = ("phi1_lib",)
PACKAGES = ("torch",)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where the runs go [default: a temporary one]")
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as temporary:
        folder = folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        report = conditions(__file__, MEASURED, PACKAGES)
        write_result("precision", report | compare(folder))


def compare(folder: Path) -> dict[str, Any]:
    """Make the data, train every arm, and report on stages and exercises."""
    data = Run(NANO, folder / "data", progress=False)
    run_stages(data, tuple(DATA_STAGES), report=lambda line: None)
    for stage in TRAIN_STAGES:
        train_in_turns(stage, data, folder)
    return {
        "threads": torch.get_num_threads(),
        "bf16_instructions": bf16_instructions(),
        "data": {stage: _plain(data.summary(stage)) for stage in ("corpus", "filter", "shards")},
        "arms": [{"precision": precision, "seed": seed} for precision, seed in ARMS],
        "stages": {stage: stage_report(stage, folder) for stage in TRAIN_STAGES},
        "exercises": [exercises_solved(arm, data, folder) for arm in ARMS],
    }


def _plain(summary: dict[str, Any]) -> dict[str, Any]:
    """What a stage read and wrote, without the time it took."""
    return {name: value for name, value in summary.items() if name != "seconds"}


def settings(stage: str, arm: tuple[str, int]) -> TrainConfig:
    """The preset's settings for a stage, in the arm's precision and from its seed."""
    precision, seed = arm
    return replace(getattr(NANO, stage), precision=precision, seed=seed)


def place(folder: Path, arm: tuple[str, int], stage: str) -> Path:
    """Where an arm's stage trains."""
    return folder / f"{arm[0]}-seed{arm[1]}" / stage


def train_in_turns(stage: str, data: Run, folder: Path) -> None:
    """Train every arm, some steps each in turn, so that a slow minute of the machine hits all."""
    for stop in range(TURN, getattr(NANO, stage).steps + 1, TURN):
        for arm in ARMS:
            config, shards = settings(stage, arm), data.path("shards", stage)
            pretrained = place(folder, arm, "pretrain") / "final"
            train(
                NANO.model,
                config,
                TokenDataset(shards, config.context_length, seed=config.seed),
                place(folder, arm, stage),
                initial_weights=pretrained if stage == "finetune" else None,
                stop_after=stop,
            )


def stage_report(stage: str, folder: Path) -> dict[str, Any]:
    """Speed and losses of a stage, its arms in the order of `ARMS`."""
    runs = [read_metrics(place(folder, arm, stage)) for arm in ARMS]
    speeds = [statistics.median(row["seconds"] for row in rows) for rows in runs]
    tokens = getattr(NANO, stage).tokens_per_step
    curves = [means([row["loss"] for row in rows]) for rows in runs]
    fp32, fp32_again, bf16, bf16_again = curves
    return {
        "tokens_per_s": [round(tokens / seconds) for seconds in speeds],
        "bf16_over_fp32": round(sum(speeds[:2]) / sum(speeds[2:]), 2),
        f"mean_losses_of_{TURN}_steps": [[round(x, 4) for x in curve] for curve in curves],
        "apart_at_most": {
            "bf16 from fp32": round(max(apart(fp32, bf16), apart(fp32_again, bf16_again)), 4),
            "seed 1 from seed 0": round(max(apart(fp32, fp32_again), apart(bf16, bf16_again)), 4),
        },
    }


def means(losses: list[float]) -> list[float]:
    """Means over `TURN` steps each."""
    starts = range(0, len(losses), TURN)
    return [statistics.fmean(losses[start : start + TURN]) for start in starts]


def apart(one: list[float], other: list[float]) -> float:
    """The largest distance of two curves."""
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def exercises_solved(arm: tuple[str, int], data: Run, folder: Path) -> dict[str, Any]:
    """How many held-out exercises the finetuned model of an arm solves, with the 95 % interval."""
    problems = read_problems(data.path("exercises", "test.jsonl"))
    tokenizer = Tokenizer.load(data.path("tokenizer", "tokenizer.json"))
    model = Phi.from_pretrained(place(folder, arm, "finetune") / "final").eval()
    completions, _ = complete(model, tokenizer, problems, EXERCISE_NEW_TOKENS)
    passed = sum(outcome.passed for outcome in evaluate(problems, completions))
    interval = [round(bound, 3) for bound in wilson_interval(passed, len(problems))]
    return {"passed": passed, "total": len(problems), "interval_95": interval}


if __name__ == "__main__":
    main()
