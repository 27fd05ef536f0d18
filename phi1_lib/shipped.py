"""The `nano` that comes with the library: weights, tokenizer, results, proof of their recipe.

`make nano-artifacts` runs the whole chain in fp32 and calls `ship`. Beside the models it keeps a
fingerprint of what each part of the recipe computes (not of its source text: a new comment changes
nothing). A test computes the fingerprint again, and fails naming the part that no longer does what
it did when the weights were made.
"""

import dataclasses
import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from phi1_lib.config import PRESETS, PhiConfig, Preset

NANO = Path(__file__).parent / "artifacts" / "nano"
_DIGITS = 3  # of losses and statistics: far above rounding, far below any change of recipe


def load_result() -> dict[str, Any]:
    """Return the recorded result of the shipped run (`result.json`)."""
    return json.loads((NANO / "result.json").read_text(encoding="utf-8"))


def recipe() -> Preset:
    """Return nano as it ships: in fp32, fast on every processor and the same on all to rounding."""
    nano = PRESETS["nano"]
    return dataclasses.replace(
        nano,
        pretrain=dataclasses.replace(nano.pretrain, precision="fp32"),
        finetune=dataclasses.replace(nano.finetune, precision="fp32"),
    )


def fingerprint() -> dict[str, str]:
    """Return one short hash for each part of nano's recipe, computed by running that part.

    Parts: `preset` (every setting), `labels` (the shipped labels), `statistics` (the filter's
    features), `exercises` (all of both splits), `tokenizer` (a vocabulary trained on some of
    them), `training` (losses of a few steps: initial weights, model, loss, optimizer, schedule).
    """
    from phi1_lib.data.exercises.generate import generate_exercises

    data = recipe().data
    train, test = generate_exercises(data.train_exercises, data.test_exercises, seed=data.seed)
    texts = [p.prompt + p.canonical_solution for p in train[:500]]
    return {
        "preset": _digest(dataclasses.asdict(recipe())),
        "labels": _digest(_labels()),
        "statistics": _digest(_statistics(texts[:50])),
        "exercises": _digest([dataclasses.asdict(p) for p in (*train, *test)]),
        "tokenizer": _digest(_merges(texts)),
        "training": _digest(_losses(texts)),
    }


def ship(run_folder: Path, commit: str) -> None:
    """Copy what a finished nano run made into the package, with the fingerprint of its recipe.

    Args:
        run_folder: the folder of the run.
        commit: the commit that made it, for the record.

    Raises:
        ValueError: the run is not finished.
    """
    result_file = run_folder / "result.json"
    if not result_file.exists():
        raise ValueError(f"{run_folder}: not finished; run `make nano-artifacts`")
    result = json.loads(result_file.read_text(encoding="utf-8")) | {"commit": commit}
    temporary = NANO.with_name("nano.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    for name in ("base", "finetuned"):
        shutil.copytree(run_folder / "export" / name, temporary / name)
    for stage in ("pretrain", "finetune"):
        shutil.copy(run_folder / stage / "metrics.jsonl", temporary / f"{stage}_metrics.jsonl")
    for samples in (run_folder / "evaluate").glob("samples_*_exercises.jsonl"):
        shutil.copy(samples, temporary / samples.name)
    for name, value in (("result", result), ("fingerprint", fingerprint())):
        (temporary / f"{name}.json").write_text(json.dumps(value, indent=2) + "\n")
    shutil.rmtree(NANO, ignore_errors=True)
    temporary.replace(NANO)


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def _labels() -> Any:
    from phi1_lib.data.labels import load_labels

    return [dataclasses.asdict(label) for label in load_labels()]


def _statistics(texts: list[str]) -> Any:
    from phi1_lib.data.features import code_statistics

    return [
        {name: round(float(v), _DIGITS) for name, v in code_statistics(text).items()}
        for text in texts
    ]


def _merges(texts: list[str]) -> Any:
    from phi1_lib.tokenizer import Tokenizer

    merges = Tokenizer.train(texts, 320).merges
    return [list(pair) for pair in merges]


def _losses(texts: list[str]) -> Any:
    """Losses of a few finetuning steps on bytes, at a small shape."""
    from phi1_lib.data.batches import TokenDataset
    from phi1_lib.data.shards import write_shards
    from phi1_lib.training.loop import train
    from phi1_lib.training.metrics import read_metrics

    shape = PhiConfig(
        vocab_size=257,
        hidden_size=32,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        bos_token_id=256,
        eos_token_id=256,
        used_vocab_size=257,
    )
    config = dataclasses.replace(
        recipe().finetune, steps=6, warmup_steps=2, context_length=64, batch_size=4,
        micro_batch_size=4,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        ids = (list(text.encode("utf-8")) for text in texts)
        write_shards(ids, Path(folder) / "data", end_of_text_id=256, vocab_size=257)
        dataset = TokenDataset(Path(folder) / "data", 64)
        train(shape, config, dataset, Path(folder) / "out")
        rows = read_metrics(Path(folder) / "out")
    return [round(row["loss"], _DIGITS) for row in rows]


def main(run_folder: Path, commit: str) -> None:
    """Run the recipe in `run_folder`, from where it stopped if it did, and ship what it makes."""
    from phi1_lib.pipeline import Run, run_stages

    run_stages(Run(recipe(), run_folder))
    ship(run_folder, commit)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
