"""The chain of phi-1 as the stages of one run: from raw Python to an exported, evaluated model.

A run lives in one folder (`runs/PRESET` unless you say otherwise). Each stage writes a folder of
its own there and, last of all, `done.json`; a stage that has one is never done again, so a killed
run continues where it stopped. Data stages work under a temporary name and are renamed when whole;
training stages continue from their newest checkpoint.
"""

import dataclasses
import platform
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from tqdm import tqdm

from phi1_lib.config import Preset
from phi1_lib.data.dedup import drop_exact_duplicates
from phi1_lib.data.documents import Document
from phi1_lib.data.exercises.generate import generate_exercises
from phi1_lib.data.jsonl import read_json, read_jsonl, write_json, write_jsonl
from phi1_lib.data.local import folder_corpus, local_corpus
from phi1_lib.data.problems import Problem
from phi1_lib.data.shards import write_shards
from phi1_lib.data.snippets import split_snippets
from phi1_lib.run_folder import held
from phi1_lib.tokenizer import END_OF_TEXT, Tokenizer, gpt2_files

TOKENIZER_TRAINING_EXERCISES = 2_000  # our choice: enough for the vocabulary to know their words


@dataclass(frozen=True)
class Run:
    """One run: what it makes, where, and how it trains."""

    preset: Preset
    folder: Path
    source: Path | None = None  # a folder of .py files to read in place of the preset's source
    vocab: Path | None = None  # a folder with GPT-2's vocab.json and merges.txt
    launcher: str = "torch"  # "torch": this process; "deepspeed": its own launcher
    ranks: int = 1
    progress: bool = True

    def __post_init__(self) -> None:
        if self.launcher not in ("torch", "deepspeed"):
            raise ValueError(f"launcher={self.launcher!r}: must be torch or deepspeed")
        if self.ranks < 1:
            raise ValueError(f"ranks={self.ranks}: must be at least 1")
        if self.launcher == "torch" and self.ranks != 1:
            raise ValueError(
                f"ranks={self.ranks} with launcher=torch: one process is one rank; "
                "add --launcher deepspeed for more"
            )

    def path(self, stage: str, *names: str) -> Path:
        """The folder of a finished stage, or a file in it."""
        return self.folder.joinpath(stage, *names)

    def summary(self, stage: str) -> dict[str, Any]:
        """What a finished stage recorded.

        Raises:
            ValueError: the stage has not been done; the message names the command that does it.
        """
        path = self.path(stage, "done.json")
        if not path.exists():
            raise ValueError(
                f"{self.folder}: stage {stage!r} has not been done; "
                f"do it with `{self.command(stage)}`"
            )
        return read_json(path)

    def command(self, stage: str) -> str:
        """The command that does a stage of this run."""
        if stage in TRAIN_STAGES:
            words = f"train {self.preset.name} --stage {stage}"
        else:
            words = f"{'data' if stage in DATA_STAGES else stage} {self.preset.name}"
        return f"phi1 {words} --out {self.folder}"


def identity(run: Run) -> dict[str, Any]:
    """What must be the same for a run's folder to be continued."""
    return {
        "preset": dataclasses.asdict(run.preset),
        "source": str(run.source) if run.source else run.preset.data.source,
    }


# --- The stages. Each takes the run and the folder to write into, and returns its summary. ---


def corpus_stage(run: Run, folder: Path) -> dict[str, Any]:
    """Read raw Python, drop exact duplicates, split files into snippets."""
    skipped: Counter[str] = Counter()
    files = drop_exact_duplicates(_raw_documents(run, skipped), skipped)
    count = size = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal count, size
        with tqdm(
            desc="corpus", unit="B", unit_scale=True, disable=not run.progress, leave=False
        ) as bar:
            for document in files:
                count += 1
                size += len(document.text.encode("utf-8"))
                bar.update(len(document.text))
                for snippet in split_snippets(document):
                    yield dataclasses.asdict(snippet)

    snippets = write_jsonl(folder / "snippets.jsonl", rows())
    if snippets == 0:
        raise ValueError(
            "the corpus is empty: no Python file was kept (" + str(dict(skipped)) + ")"
        )
    return {"files": count, "bytes": size, "snippets": snippets, "skipped": dict(skipped)}


def _raw_documents(run: Run, skipped: Counter[str]) -> Iterator[Document]:
    data = run.preset.data
    if run.source is not None:
        return folder_corpus(run.source, skipped=skipped)
    if data.source == "local":
        return local_corpus(limit_mb=data.corpus_mb, seed=data.seed, skipped=skipped)
    raise ValueError(
        f"preset {run.preset.name!r} reads The Stack and StackOverflow, whose loaders are not part "
        "of this edition; give a folder of Python files with --source FOLDER"
    )


def filter_stage(run: Run, folder: Path) -> dict[str, Any]:
    """Score every snippet for educational value and keep the best."""
    from phi1_lib.data.labels import load_labels, resolve_labels
    from phi1_lib.data.quality import QualityFilter, keep_best

    snippets = [Document(**row) for row in read_jsonl(run.path("corpus", "snippets.jsonl"))]
    labelled, unresolved = resolve_labels(load_labels())
    quality = QualityFilter(seed=run.preset.data.seed)
    quality.fit([example.text for example in labelled], [example.label for example in labelled])
    scores = quality.score([snippet.text for snippet in snippets])
    kept = keep_best(scores, run.preset.data.keep_fraction)
    rows = (dataclasses.asdict(snippets[i]) | {"score": float(scores[i])} for i in kept)
    count = write_jsonl(folder / "snippets.jsonl", rows)
    return {
        "labels": len(labelled),
        "labels_unresolved": len(unresolved),
        "snippets_in": len(snippets),
        "snippets_kept": count,
        "bytes_kept": sum(len(snippets[i].text.encode("utf-8")) for i in kept),
        "lowest_score_kept": float(min(scores[i] for i in kept)),
    }


def exercises_stage(run: Run, folder: Path) -> dict[str, Any]:
    """Compose the exercises, each verified by execution, in two splits."""
    data = run.preset.data
    train, test = generate_exercises(data.train_exercises, data.test_exercises, seed=data.seed)
    for name, problems in (("train", train), ("test", test)):
        write_jsonl(folder / f"{name}.jsonl", (dataclasses.asdict(p) for p in problems))
    return {"train": len(train), "test": len(test)}


def read_problems(path: Path) -> list[Problem]:
    """Read problems written by `exercises_stage`."""
    return [Problem(**row) for row in read_jsonl(path)]


def tokenizer_stage(run: Run, folder: Path) -> dict[str, Any]:
    """Train the vocabulary on what the model will read, or take phi-1's own."""
    if run.preset.data.tokenizer == "codegen":
        tokenizer = Tokenizer.codegen(*gpt2_files(run.vocab, download=True))
    else:
        exercises = read_problems(run.path("exercises", "train.jsonl"))
        raw = (row["text"] for row in read_jsonl(run.path("filter", "snippets.jsonl")))
        made = (p.prompt + p.canonical_solution for p in exercises[:TOKENIZER_TRAINING_EXERCISES])
        tokenizer = Tokenizer.train(
            chain(raw, made), run.preset.model.vocab_size, special_tokens=(END_OF_TEXT,)
        )
    tokenizer.save(folder / "tokenizer.json")
    return {"vocab_size": tokenizer.vocab_size, "kind": run.preset.data.tokenizer}


def shards_stage(run: Run, folder: Path) -> dict[str, Any]:
    """Tokenise and pack: the filtered corpus for pretraining, the exercises for finetuning."""
    tokenizer = Tokenizer.load(run.path("tokenizer", "tokenizer.json"))
    exercises = read_problems(run.path("exercises", "train.jsonl"))
    texts = {
        "pretrain": (row["text"] for row in read_jsonl(run.path("filter", "snippets.jsonl"))),
        "finetune": (p.prompt + p.canonical_solution for p in exercises),
    }
    summary = {}
    for stage, documents in texts.items():
        bar = tqdm(
            documents, desc=f"tokens, {stage}", unit=" documents", disable=not run.progress,
            leave=False,
        )  # fmt: skip
        index = write_shards(
            tokenizer.encode_stream(bar),
            folder / stage,
            end_of_text_id=tokenizer.end_of_text_id,
            vocab_size=run.preset.model.vocab_size,
        )
        summary[stage] = {"documents": index["documents"], "tokens": index["tokens"]}
    return summary


def train_stage(run: Run, stage: str) -> dict[str, Any]:
    """Pretrain from fresh weights, or finetune what pretraining left."""
    from phi1_lib.training.launch import Job, launch

    job = Job(
        model=run.preset.model,
        train=getattr(run.preset, stage).for_ranks(run.ranks),
        data=run.path("shards", stage),
        folder=run.path(stage),
        engine=run.launcher,
        initial_weights=run.path("pretrain", "final") if stage == "finetune" else None,
        remake=f"{run.command('shards')} --again",
        progress=run.progress,
    )
    return launch(job, ranks=run.ranks)


def evaluate_stage(run: Run, folder: Path) -> dict[str, Any]:
    """Execute what the models write, beside the baselines."""
    from phi1_lib.evaluation.table import result_rows

    rows = result_rows(
        run.preset,
        tokenizer=Tokenizer.load(run.path("tokenizer", "tokenizer.json")),
        models={
            "untrained": None,
            "pretrained only": run.path("pretrain", "final"),
            "finetuned": run.path("finetune", "final"),
        },
        train=read_problems(run.path("exercises", "train.jsonl")),
        test=read_problems(run.path("exercises", "test.jsonl")),
        samples_folder=folder,
        progress=run.progress,
    )
    return {"rows": rows}


def export_stage(run: Run, folder: Path) -> dict[str, Any]:
    """Write both models as Hugging Face folders, tokenizer included."""
    from phi1_lib.model import Phi

    tokenizer = Tokenizer.load(run.path("tokenizer", "tokenizer.json"))
    for name, stage in (("base", "pretrain"), ("finetuned", "finetune")):
        Phi.from_pretrained(run.path(stage, "final")).save_pretrained(folder / name, tokenizer)
    return {"folders": ["base", "finetuned"]}


DATA_STAGES: dict[str, Callable[[Run, Path], dict[str, Any]]] = {
    "corpus": corpus_stage,
    "filter": filter_stage,
    "exercises": exercises_stage,
    "tokenizer": tokenizer_stage,
    "shards": shards_stage,
}
TRAIN_STAGES = ("pretrain", "finetune")
LAST_STAGES = {"evaluate": evaluate_stage, "export": export_stage}
STAGES = (*DATA_STAGES, *TRAIN_STAGES, *LAST_STAGES)
NEEDS = {  # the stages whose output a stage reads
    "corpus": (),
    "filter": ("corpus",),
    "exercises": (),
    "tokenizer": ("filter", "exercises"),
    "shards": ("filter", "exercises", "tokenizer"),
    "pretrain": ("shards",),
    "finetune": ("shards", "pretrain"),
    "evaluate": ("exercises", "tokenizer", "pretrain", "finetune"),
    "export": ("tokenizer", "pretrain", "finetune"),
}


def run_stages(
    run: Run,
    stages: tuple[str, ...] = STAGES,
    *,
    again: bool = False,
    report: Callable[[str], None] = print,
) -> None:
    """Do the named stages in order, passing over those that are done.

    Args:
        again: do these stages anew even if they are done. What was made from them is kept.
        report: is called with one line a stage.
    """
    with held(run.folder, identity(run)):
        for stage in stages:
            if again and run.path(stage).exists():
                shutil.rmtree(run.path(stage))
            if run.path(stage, "done.json").exists():
                report(f"{stage}: done before")
                continue
            for needed in NEEDS[stage]:
                run.summary(needed)  # raises, naming the command, if it is not done
            started = time.perf_counter()
            summary = _do(run, stage)
            report(f"{stage}: {time.perf_counter() - started:.1f} s  {_short(summary)}")
        if all(run.path(stage, "done.json").exists() for stage in STAGES):
            write_json(run.folder / "result.json", result(run))


def _do(run: Run, stage: str) -> dict[str, Any]:
    """One stage, whole: its summary is written last, as the sign that it is done."""
    started = time.perf_counter()
    folder = run.path(stage)
    if stage in TRAIN_STAGES:
        summary = train_stage(run, stage)
        write_json(folder / "done.json", summary | {"seconds": time.perf_counter() - started})
        return summary
    temporary = run.folder / f"{stage}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    summary = (DATA_STAGES | LAST_STAGES)[stage](run, temporary)
    write_json(temporary / "done.json", summary | {"seconds": time.perf_counter() - started})
    shutil.rmtree(folder, ignore_errors=True)
    temporary.replace(folder)
    return summary


def _short(summary: dict[str, Any]) -> str:
    plain = {key: v for key, v in summary.items() if isinstance(v, (int, float, str))}
    return ", ".join(
        f"{key} {v:,.3g}" if isinstance(v, float) else f"{key} {v:,}" if isinstance(v, int)
        else f"{key} {v}" for key, v in plain.items()
    )  # fmt: skip


def result(run: Run) -> dict[str, Any]:
    """The whole run as one JSON value: configuration, summaries, table and conditions."""
    import torch

    return {
        "preset": dataclasses.asdict(run.preset),
        "launcher": run.launcher,
        "ranks": run.ranks,
        "stages": {stage: run.summary(stage) for stage in STAGES},
        "seconds": sum(run.summary(stage)["seconds"] for stage in STAGES),
        "conditions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "platform": platform.platform(),
            "threads": torch.get_num_threads(),
        },
    }
