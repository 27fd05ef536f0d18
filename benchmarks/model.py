"""How fast does the model train and write on a CPU, beside transformers and litgpt?

    python benchmarks/model.py [--litgpt FOLDER]

`nano` and the 34M model of preset `mini`: a training step (forward, cross-entropy, backward, AdamW)
and greedy decoding with a cache, in float32 and bfloat16. "equal" rows: the same weights, tokens,
threads, batch, attention kernel (PyTorch's), loss, optimizer, precision and compile setting for
all, checked first to be one function and then to have like losses. "default" rows, apart: each with
what its own user gets. In training, bfloat16 is autocast: the weights stay float32; in decoding the
weights are bfloat16. The implementations take turns, in alternating order; figures are medians.
`first_step_s` is the first step, not counted: with compiling, unless Inductor's cache holds it.
`shares` says where the processor's time goes, operator by operator.

litgpt 0.5.13 is compared where it is found; it asks for other versions than this environment's, so
it belongs into a folder of its own:

    pip install --no-deps --target FOLDER litgpt==0.5.13 lightning==2.6.6 \
        pytorch-lightning==2.6.6 lightning-utilities==0.15.3 torchmetrics==1.9.0 \
        jsonargparse==4.41.0

Prints the report and writes it to benchmarks/results/model.json, in under 15 minutes on two quiet
cores. `--quick` rehearses one small turn of `nano`, not compiled, and writes nothing.
"""

import argparse
import copy
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from model_parts.peers import (
    NO_LITGPT,
    check_same_logits,
    find_litgpt,
    greedy,
    same_model_everywhere,
)
from model_parts.profile import where_time_goes
from model_parts.training import DEFAULTS, default_step, equal_step, one_batch
from record import ROOT, conditions, write_result

from phi1_lib.config import PRESETS
from phi1_lib.model import Phi, count_parameters
from phi1_lib.shipped import NANO
from phi1_lib.tokenizer import Tokenizer
from phi1_lib.training.weights import initial_model

MEASURED = (
    "phi1_lib/attention", "phi1_lib/generation", "phi1_lib/model", "phi1_lib/training",
    "benchmarks/model_parts",
)  # fmt: skip
PACKAGES = ("torch", "transformers")
TURNS = 9
# The same for all; without a warm-up, a rate at which no model runs away.
LEARNING_RATE = 3e-4
# Nats. Rounding in bfloat16 was seen to part the losses by 2e-4 in three steps.
LIKE_LOSSES = 0.05
PROMPT = 32
BATCHES = (1, 8)  # of prompts
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}

Report = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A model, and how much of it fits into a short turn."""

    preset: str
    batch: int
    length: int
    steps: int  # in one turn
    compiled: tuple[str, ...]  # the precisions in which compiled steps are compared too
    new_tokens: int  # that decoding adds


CASES = (
    Case("nano", batch=16, length=256, steps=2, compiled=("fp32", "bf16"), new_tokens=64),
    Case("mini", batch=2, length=512, steps=1, compiled=("fp32", "bf16"), new_tokens=32),
)
QUICK = (Case("nano", batch=2, length=64, steps=1, compiled=(), new_tokens=64),)


# ---- turns ----------------------------------------------------------------------------------


def take_turns(runs: dict[str, Callable[[], Any]], turns: int, tokens: int) -> Report:
    """Time all runs one after the other, again and again; return tokens/s and our share."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(turns):
        for name in list(runs) if turn % 2 == 0 else reversed(runs):
            start = time.perf_counter()
            runs[name]()
            seconds[name].append(time.perf_counter() - start)
    rates = {name: [tokens / s for s in found] for name, found in seconds.items()}
    medians = {name: statistics.median(found) for name, found in rates.items()}
    figures: Report = {
        name: {
            "tokens_per_s": round(medians[name]),
            "least": round(min(found)),
            "most": round(max(found)),
        }
        for name, found in rates.items()
    }
    figures["phi1_lib_over"] = {
        name: round(medians["phi1_lib"] / median, 2)
        for name, median in medians.items()
        if name != "phi1_lib"
    }
    return figures


# ---- training -------------------------------------------------------------------------------


def text_batches(case: Case, count: int) -> list[torch.Tensor]:
    """Return batches (B, T + 1) of this library's own source, as nano's tokenizer writes it."""
    tokenizer = Tokenizer.load(NANO / "finetuned" / "tokenizer.json")
    paths = sorted((ROOT / "phi1_lib").rglob("*.py"))
    needed = count * case.batch * (case.length + 1)
    ids: list[int] = []
    for path in paths:
        if len(ids) < needed:
            ids += tokenizer.encode(path.read_text(encoding="utf-8"))
    return list(torch.tensor(ids[:needed]).view(count, case.batch, case.length + 1))


def compare_training(
    case: Case, models: dict[str, torch.nn.Module], turns: int, dtype: str, compiled: bool
) -> Report:
    """Compare training steps at equal settings, all from the same weights."""
    train = replace(PRESETS[case.preset].pretrain, learning_rate=LEARNING_RATE)
    steps = {
        name: equal_step(name, copy.deepcopy(model), train, DTYPES[dtype], compiled)
        for name, model in models.items()
    }
    row, losses = run_steps(case, steps, turns)
    if not compiled:
        batch = text_batches(case, 1)[0]
        row["shares"] = {
            n: where_time_goes(lambda step=step: step(batch)) for n, step in steps.items()
        }
    apart = max(
        abs(a - b) for of in losses.values() for a, b in zip(of, losses["phi1_lib"], strict=True)
    )
    if apart > LIKE_LOSSES:
        raise ValueError(f"{case.preset}, {dtype}: the losses part: {losses}")
    curves = {"losses_of_phi1_lib": losses["phi1_lib"], "losses_apart_at_most": round(apart, 6)}
    return {"settings": "equal", "dtype": dtype, "compiled": compiled, **row, **curves}


def compare_training_defaults(case: Case, models: dict[str, torch.nn.Module], turns: int) -> Report:
    """Compare training steps, each library at what its own user gets; losses differ by that."""
    train = one_batch(PRESETS[case.preset].pretrain, case.batch, case.length)
    train = replace(train, learning_rate=LEARNING_RATE)
    steps = {
        name: default_step(name, copy.deepcopy(model), train) for name, model in models.items()
    }
    row, losses = run_steps(case, steps, turns)
    ours = {"precision": train.precision, "dropout": train.dropout}
    return {"settings": "default", "phi1_lib_preset": ours, **row, "losses": losses}


def run_steps(
    case: Case, steps: dict[str, Callable[[torch.Tensor], float]], turns: int
) -> tuple[Report, dict[str, list[float]]]:
    """Take a first step of each, uncounted, then turns; return figures, and the loss by step."""
    batches = text_batches(case, 1 + turns * case.steps)
    losses: dict[str, list[float]] = {name: [] for name in steps}
    first: dict[str, float] = {}

    def some_steps(name: str, number: int) -> None:
        for _ in range(number):
            losses[name].append(steps[name](batches[len(losses[name])]))

    for name in steps:
        start = time.perf_counter()
        some_steps(name, 1)
        first[name] = round(time.perf_counter() - start, 2)
    runs = {name: lambda name=name: some_steps(name, case.steps) for name in steps}
    figures = take_turns(runs, turns, case.steps * case.batch * case.length)
    torch._dynamo.reset()  # a next row compiles anew
    rounded = {name: [round(loss, 5) for loss in of] for name, of in losses.items()}
    return figures | {"first_step_s": first}, rounded


# ---- decoding -------------------------------------------------------------------------------


def compare_decoding(
    case: Case, models: dict[str, torch.nn.Module], turns: int, dtype: str, batch: int
) -> Report:
    """Compare greedy decoding, prompts included; the new ids are compared with transformers'."""
    prompts = text_batches(replace(case, batch=batch, length=PROMPT - 1), 1)[0]
    new = case.new_tokens
    models = {name: copy.deepcopy(of).to(DTYPES[dtype]).eval() for name, of in models.items()}
    found = {name: greedy(name, of, prompts, new) for name, of in models.items()}
    expected = torch.tensor(found["transformers"])
    same = {
        name: int((torch.tensor(of) == expected).sum())
        for name, of in found.items()
        if name != "transformers"
    }
    if dtype == "fp32" and same["phi1_lib"] < batch * new:
        raise ValueError(f"greedy ids differ from those of transformers: {same}")
    runs = {
        name: lambda name=name, of=of: greedy(name, of, prompts, new) for name, of in models.items()
    }
    figures = take_turns(runs, turns, batch * new)
    shares = where_time_goes(runs["phi1_lib"])
    equal = {"of": batch * new, **same}
    return {
        "dtype": dtype,
        "batch": batch,
        **figures,
        "shares": shares,
        "ids_as_transformers": equal,
    }


# ---- the report -----------------------------------------------------------------------------


def compare(case: Case, with_litgpt: bool, quick: bool) -> Report:
    preset, turns = PRESETS[case.preset], 1 if quick else TURNS
    fresh = initial_model(preset.model, 0, None)
    models = same_model_everywhere(fresh, with_litgpt)
    batch = text_batches(case, 1)[0][:2, :-1]
    report: Report = {
        "parameters": count_parameters(preset.model),
        "batch": case.batch,
        "length": case.length,
        "new_tokens": case.new_tokens,
        "logits_error": check_same_logits(models, batch),
        "training": [],
        "decoding": [],
    }
    settings = [(dtype, False) for dtype in DTYPES]
    settings += [(dtype, True) for dtype in case.compiled]
    for dtype, compiled in settings:
        say(f"{case.preset}: training, {dtype}{', compiled' if compiled else ''}")
        report["training"].append(compare_training(case, models, turns, dtype, compiled))
    eager = report["training"][: len(DTYPES)]
    fp32, bf16 = (row["phi1_lib"]["tokens_per_s"] for row in eager)
    curves = (row["losses_of_phi1_lib"] for row in eager)
    report["phi1_lib_bf16_over_fp32"] = {
        "tokens_per_s": round(bf16 / fp32, 2),
        "losses_apart_at_most": round(max(abs(a - b) for a, b in zip(*curves, strict=True)), 6),
    }
    say(f"{case.preset}: training, default settings")
    if quick:
        models = {name: of for name, of in models.items() if name != "litgpt"}  # it compiles
    report["training"].append(compare_training_defaults(case, models, turns))

    # Fresh weights write one id again and again; nano's own write code.
    writer = Phi.from_pretrained(NANO / "finetuned") if case.preset == "nano" else fresh
    models = same_model_everywhere(writer, with_litgpt)
    for dtype in DTYPES:
        for prompts in BATCHES:
            say(f"{case.preset}: decoding, {dtype}, batch {prompts}")
            report["decoding"].append(compare_decoding(case, models, turns, dtype, prompts))
    return report


def say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def physical_cores() -> int:
    """Return how many cores there are, two threads of one core counted once; Linux tells."""
    try:
        blocks = Path("/proc/cpuinfo").read_text().strip().split("\n\n")
    except OSError:
        return torch.get_num_threads()
    keys = ("physical id", "core id")
    cores = {tuple(x for x in block.splitlines() if x.startswith(keys)) for block in blocks}
    return len(cores) if any(cores) else torch.get_num_threads()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--litgpt", type=Path, metavar="FOLDER", help="where litgpt is installed")
    parser.add_argument("--quick", action="store_true", help="rehearse, and write nothing")
    options = parser.parse_args()
    torch.set_num_threads(physical_cores())
    version = find_litgpt(options.litgpt)
    report = conditions(__file__, MEASURED, PACKAGES)
    report["versions"]["litgpt"] = version
    report |= {
        "threads": torch.get_num_threads(),
        "litgpt": "run" if version else {"not_run": NO_LITGPT},
        "turns": 1 if options.quick else TURNS,
        "prompt_tokens": PROMPT,
        "defaults": DEFAULTS,
        "cases": {
            case.preset: compare(case, version is not None, options.quick)
            for case in (QUICK if options.quick else CASES)
        },
    }
    if options.quick:
        print(json.dumps(report, indent=2))
    else:
        write_result("model", report)


if __name__ == "__main__":
    main()
