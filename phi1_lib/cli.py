"""The `phi1` command: one subcommand a stage of the chain, and what helps around them.

The classroom's subcommands (grade, progress, update, reset) stand in `course/commands.py`.

Every mistake a user can make ends in one line on standard error and exit code 2; Ctrl-C saves what
a run has, says how to go on, and exits with 130.
"""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from phi1_lib.config import PRESETS, get_preset
from phi1_lib.course.commands import classroom

INTERRUPTED = 130  # what typer makes of Ctrl-C, as a shell does

app = typer.Typer(
    help="Rebuild phi-1: data, training, generation, evaluation, export.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(classroom)

PresetName = Annotated[
    str, typer.Argument(metavar="PRESET", help=f"How large: one of {', '.join(PRESETS)}.")
]
Out = Annotated[Path | None, typer.Option("--out", help="The run's folder. [default: runs/PRESET]")]
Source = Annotated[
    Path | None,
    typer.Option("--source", help="Read the .py files of this folder as the raw corpus."),
]
Vocab = Annotated[
    Path | None,
    typer.Option("--vocab", help="Folder with GPT-2's vocab.json and merges.txt (small, full)."),
]
Launcher = Annotated[
    str, typer.Option("--launcher", help="torch: this process. deepspeed: one process a rank.")
]
Ranks = Annotated[int, typer.Option("--ranks", help="Processes, one a GPU (deepspeed only).")]
Again = Annotated[bool, typer.Option("--again", help="Do these stages anew, even if done.")]


def _run(preset: str, out: Path | None, **options: Any):
    from phi1_lib.pipeline import Run

    chosen = get_preset(preset)
    return Run(chosen, out or Path("runs") / preset, **options)


@app.command()
def data(
    preset: PresetName,
    out: Out = None,
    source: Source = None,
    vocab: Vocab = None,
    again: Again = False,
) -> None:
    """Make the training data: corpus, quality filter, exercises, tokenizer, shards."""
    from phi1_lib.pipeline import DATA_STAGES, run_stages

    run_stages(_run(preset, out, source=source, vocab=vocab), tuple(DATA_STAGES), again=again)


@app.command()
def train(
    preset: PresetName,
    stage: Annotated[str, typer.Option("--stage", help="pretrain or finetune.")],
    out: Out = None,
    source: Source = None,
    launcher: Launcher = "torch",
    ranks: Ranks = 1,
    resume: Annotated[
        bool, typer.Option(help="Continue from the newest checkpoint; --no-resume starts anew.")
    ] = True,
) -> None:
    """Train one stage: pretrain on the filtered corpus, or finetune on the exercises."""
    from phi1_lib.pipeline import TRAIN_STAGES, run_stages

    if stage not in TRAIN_STAGES:
        raise ValueError(f"--stage {stage!r}: must be one of {', '.join(TRAIN_STAGES)}")
    run = _run(preset, out, source=source, launcher=launcher, ranks=ranks)
    run_stages(run, (stage,), again=not resume)


@app.command()
def run(
    preset: PresetName,
    out: Out = None,
    source: Source = None,
    vocab: Vocab = None,
    launcher: Launcher = "torch",
    ranks: Ranks = 1,
) -> None:
    """Do the whole chain, from raw code to the result table; run it again to resume."""
    from phi1_lib.pipeline import run_stages

    chosen = _run(preset, out, source=source, vocab=vocab, launcher=launcher, ranks=ranks)
    run_stages(chosen)
    print_results(chosen.summary("evaluate")["rows"])
    typer.echo(f"The same as JSON: {chosen.folder / 'result.json'}")


@app.command()
def generate(
    prompt: Annotated[str, typer.Argument(help="Python to continue: a signature and a docstring.")],
    model: Annotated[
        Path | None,
        typer.Option("--model", help="An exported folder. [default: the nano that is shipped]"),
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(help="The most tokens to add.")] = 128,
    temperature: Annotated[
        float, typer.Option(help="0: always the likeliest token. Above: sample.")
    ] = 0.0,
    top_k: Annotated[
        int | None, typer.Option(help="Sample among this many likeliest tokens.")
    ] = None,
    top_p: Annotated[
        float, typer.Option(help="Sample among the likeliest tokens that hold this share.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed of the sampling.")] = 0,
) -> None:
    """Let a model continue a prompt."""
    from phi1_lib.evaluation.humaneval import STOP_STRINGS
    from phi1_lib.generation import stream
    from phi1_lib.model import Phi
    from phi1_lib.shipped import NANO
    from phi1_lib.tokenizer import Tokenizer

    folder = model or NANO / "finetuned"
    phi = Phi.from_pretrained(folder)
    tokenizer = Tokenizer.load(folder / "tokenizer.json")
    prompt = prompt.replace("\\n", "\n").rstrip()  # a shell passes \n as two characters
    pieces = stream(
        phi,
        tokenizer.encode(prompt),
        max_new_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
        stop=STOP_STRINGS,
        decode=tokenizer.decode,
        end_of_text_id=tokenizer.end_of_text_id,
        used_vocab_size=tokenizer.vocab_size,
    )
    typer.echo(prompt, nl=False)
    for piece in pieces:
        typer.echo(piece, nl=False)
    typer.echo()


@app.command()
def evaluate(
    preset: Annotated[
        str | None, typer.Argument(metavar="[PRESET]", help="A run to evaluate.")
    ] = None,
    out: Out = None,
    source: Source = None,
    samples: Annotated[
        Path | None,
        typer.Option("--samples", help="Grade these HumanEval completions (JSON Lines) instead."),
    ] = None,
    again: Again = False,
) -> None:
    """Evaluate a run by execution, or grade a file of {"task_id", "completion"} lines."""
    if (samples is None) == (preset is None):
        raise ValueError("give either a preset, or --samples FILE.jsonl")
    if samples is not None:
        _grade_samples(samples)
        return
    from phi1_lib.pipeline import run_stages

    chosen = _run(preset, out, source=source)
    run_stages(chosen, ("evaluate",), again=again)
    print_results(chosen.summary("evaluate")["rows"])


def _grade_samples(path: Path) -> None:
    from phi1_lib.evaluation import evaluate as grade
    from phi1_lib.evaluation import humaneval_problems, pass_at_k, read_samples

    completions = read_samples(path)
    problems = [p for p in humaneval_problems() if p.task_id in completions]
    outcomes = grade(problems, completions)
    counts = {p.task_id: [0, 0] for p in problems}
    for outcome in outcomes:
        counts[outcome.task_id][0] += 1
        counts[outcome.task_id][1] += outcome.passed
    score = sum(pass_at_k(n, c, 1) for n, c in counts.values()) / len(counts)
    typer.echo(f"{len(problems)} of 164 problems, {len(outcomes)} samples: pass@1 = {score:.4f}")
    typer.echo(f"The programs ran in the sandbox at level {outcomes[0].level}.")


@app.command()
def export(
    preset: PresetName,
    out: Out = None,
    source: Source = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Copy the finetuned model's folder here, too.")
    ] = None,
    again: Again = False,
) -> None:
    """Write the models as Hugging Face folders that `transformers` loads."""
    import shutil

    from phi1_lib.pipeline import run_stages

    chosen = _run(preset, out, source=source)
    if to is not None and to.exists():
        raise ValueError(f"--to {to} exists; choose a folder that does not")
    run_stages(chosen, ("export",), again=again)
    if to is not None:
        shutil.copytree(chosen.path("export", "finetuned"), to)
    typer.echo(f"The finetuned model: {to or chosen.path('export', 'finetuned')}")


@app.command()
def plan(
    preset: PresetName,
    gpus: Annotated[int, typer.Option(help="How many GPUs.")] = 8,
    gpu: Annotated[str, typer.Option(help="Which kind: a100, h100 or h200.")] = "a100",
    price: Annotated[float | None, typer.Option(help="What one GPU-hour costs you.")] = None,
) -> None:
    """Predict memory, throughput, time and cost of training, before anything starts."""
    from phi1_lib.training.plan import make_plan, print_plan

    print_plan(make_plan(get_preset(preset), gpus, gpu), price)


@app.command()
def doctor() -> None:
    """Say what this machine has, what is missing, and the command that mends it."""
    from phi1_lib.course.doctor import render, report

    render(report())


def print_results(rows: Sequence[dict[str, Any]]) -> None:
    """Print the result table of `phi1_lib.evaluation.table.result_rows`."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Held-out exercises and HumanEval solved, with 95 % intervals")
    table.add_column("model")
    for name in ("exercises", "%", "HumanEval", "%", "too long"):
        table.add_column(name, justify="right")
    for row in rows:
        cells = []
        for score in (row["exercises"], row["humaneval"]):
            cells.append(f"{score['passed']} of {score['total']}")
            cells.append(f"{100 * score['low']:.1f} to {100 * score['high']:.1f}")
        table.add_row(row["model"], *cells, str(row["humaneval"]["too_long"]))
    table.caption = "too long: HumanEval prompts that do not fit the context; they count as failed"
    levels = {row[name].get("sandbox") for row in rows for name in ("exercises", "humaneval")}
    for level in sorted(filter(None, levels)):
        table.caption += f"; sandbox: {level}"
    Console().print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(arguments, standalone_mode=False) or 0
    except TyperException as error:  # an unknown option or command, a missing argument
        message = getattr(error, "format_message", error.__str__)()
        print(f"phi1: {message} (see phi1 --help)", file=sys.stderr)
        return 2
    except (ValueError, ImportError, OSError) as error:
        print(f"phi1: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    if code == INTERRUPTED:
        again = shlex.join(["phi1", *(a for a in arguments if a not in ("--again", "--no-resume"))])
        print(f"\nStopped; what was finished is kept. To go on: {again}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
