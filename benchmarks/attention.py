"""How long does attention take, and in how much memory, as sequences grow?

    python benchmarks/attention.py [--device cuda]

On the CPU: forward and backward of `explicit`, `tiled` and `sdpa` from 128 to 8,192 tokens, four
heads of size 64, float32, causal. The backends take turns, each measurement in a fresh process, so
that its peak memory is its own. Writes benchmarks/results/attention.json, in under 6 minutes on two
quiet cores. Chapter 03 draws that file: execute the chapter after a new run.

On one GPU: every backend beside PyTorch's kernels by name, in TFLOP/s, from 512 to 16,384 tokens in
bfloat16, and a step of the 1.3B model. Writes benchmarks/results/attention_gpu.json.

`--quick` rehearses on short sequences and writes nothing.
"""

import argparse
import contextlib
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib import metadata
from multiprocessing import get_context
from typing import Any

import torch
from record import conditions, write_result
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy

from phi1_lib.attention import attend, available_backends
from phi1_lib.config import PRESETS
from phi1_lib.model import Phi
from phi1_lib.model.flops import flops_per_token

MEASURED = ("phi1_lib/attention", "phi1_lib/model")
HEAD_DIM = 64  # phi-1's

# On the CPU.
CPU_BACKENDS = ("explicit", "tiled", "sdpa")
CPU_LENGTHS = (128, 256, 512, 1_024, 2_048, 4_096, 8_192)
CPU_HEADS = 4
CPU_REPEATS = 3
LEAST_SECONDS = 0.2  # of calls in one measurement, whose median counts
# Float32 matrices T x S that `explicit` holds at its peak: between 3 and 3.5 by this script's own
# measure, from 2,048 tokens on.
EXPLICIT_MATRICES = 4

# On a GPU: phi-1's width (32 heads of 64) and 16k tokens in a batch, as the FlashAttention-2 paper
# measures (section 4.1).
GPU_LENGTHS = (512, 1_024, 2_048, 4_096, 8_192, 16_384)
GPU_HEADS = 32
GPU_TOKENS = 16_384
GPU_CALLS = 20
PYTORCH_KERNELS = {
    "sdpa: flash": SDPBackend.FLASH_ATTENTION,
    "sdpa: efficient": SDPBackend.EFFICIENT_ATTENTION,
    "sdpa: cudnn": SDPBackend.CUDNN_ATTENTION,
}
STEP_BATCH, STEP_TOKENS = 4, 2_048
STEP_BACKENDS = ("triton", "sdpa", "flash_attn")
STEP_CALLS = 10


def random_qkv(batch: int, length: int, heads: int, **options: Any) -> list[torch.Tensor]:
    shape = (batch, length, heads, HEAD_DIM)
    return [torch.randn(shape, requires_grad=True, **options) for _ in "qkv"]


def spread(values: list[float], unit: str, digits: int = 2) -> dict[str, float]:
    figures = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {f"{name}_{unit}": round(value, digits) for name, value in figures.items()}


def ratios(figures: dict[str, dict[str, Any]], key: str) -> dict[str, float]:
    """Return how many times `sdpa`'s value each other backend's is."""
    base = figures["sdpa"].get(key)
    others = {name: of[key] for name, of in figures.items() if name != "sdpa" and key in of}
    return {f"{name}_over_sdpa": round(value / base, 2) for name, value in others.items() if base}


# ---- the CPU --------------------------------------------------------------------------------


def measure_on_cpu(backend: str, length: int) -> dict[str, float]:
    """Measure forward and backward in this process: milliseconds, and memory above that before.

    Memory is that of the first call: later ones find the gaps that earlier ones left behind, and
    how they fit into them is the allocator's matter.
    """

    def step(tokens: int) -> None:
        q, k, v = random_qkv(1, tokens, CPU_HEADS)
        out = attend(q, k, v, backend=backend)
        out.backward(torch.ones_like(out))

    step(64)  # what only a first call costs
    before = peak_mb()
    step(length)
    megabytes = peak_mb() - before
    seconds: list[float] = []
    while sum(seconds) < LEAST_SECONDS:
        start = time.perf_counter()
        step(length)
        seconds.append(time.perf_counter() - start)
    return {"ms": 1e3 * statistics.median(seconds), "mb": megabytes}


def peak_mb() -> float:
    """Return the most memory that this process has had so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6


def too_large(backend: str, length: int) -> str | None:
    """Say why `explicit` would not fit into the memory that is free, if so."""
    if backend != "explicit":
        return None
    needed = EXPLICIT_MATRICES * CPU_HEADS * length**2 * 4
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    if needed <= 0.8 * free:
        return None
    return f"its T x S matrices take {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free"


def compare_on_cpu(lengths: tuple[int, ...], repeats: int) -> list[dict[str, Any]]:
    # Children of a server that has done the imports: fresh, and started in no time.
    context = get_context("forkserver")
    context.set_forkserver_preload(["torch.nn.attention", "phi1_lib.attention", "phi1_lib.model"])
    rows = []
    for length in lengths:
        reasons = {backend: too_large(backend, length) for backend in CPU_BACKENDS}
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in CPU_BACKENDS}
        for _ in range(repeats):
            for backend in [name for name in CPU_BACKENDS if not reasons[name]]:
                with ProcessPoolExecutor(1, mp_context=context) as process:
                    found = process.submit(measure_on_cpu, backend, length).result()
                runs[backend].append(found)
        figures = {
            name: spread([run["ms"] for run in found], "ms")
            | {"memory_mb": round(statistics.median(run["mb"] for run in found), 1)}
            if found
            else {"not_run": reasons[name]}
            for name, found in runs.items()
        }
        rows.append(
            {
                "length": length,
                **figures,
                "time": ratios(figures, "median_ms"),
                "memory": ratios(figures, "memory_mb"),
            }
        )
        print(json.dumps(rows[-1]), file=sys.stderr)
    return rows


def report_cpu(quick: bool) -> dict[str, Any]:
    return conditions(__file__, MEASURED[:1], ("torch",)) | {
        "device": "cpu",
        "threads": torch.get_num_threads(),
        "dtype": "float32",
        "shape": {"batch": 1, "heads": CPU_HEADS, "head_dim": HEAD_DIM, "causal": True},
        "repeats": 1 if quick else CPU_REPEATS,
        "forward_and_backward": compare_on_cpu(
            (128, 256) if quick else CPU_LENGTHS, 1 if quick else CPU_REPEATS
        ),
    }


# ---- one GPU --------------------------------------------------------------------------------


def gpu_backends() -> dict[str, Callable[..., torch.Tensor] | str]:
    """Return each backend and each of PyTorch's kernels: a function, or why it cannot run here."""

    def ours(name: str) -> Callable[..., torch.Tensor]:
        return lambda q, k, v: attend(q, k, v, backend=name)

    def pytorch(kernel: SDPBackend) -> Callable[..., torch.Tensor]:
        def run(q, k, v):
            with sdpa_kernel(kernel):
                return attend(q, k, v, backend="sdpa")

        return run

    functions = {name: reason or ours(name) for name, reason in available_backends().items()}
    return functions | {name: pytorch(kernel) for name, kernel in PYTORCH_KERNELS.items()}


def gpu_ms(function: Callable[[], Any]) -> float:
    """Time one call on the GPU's own clock."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    function()
    end.record()
    end.synchronize()
    return start.elapsed_time(end)


def measure_by_turns(steps: dict[str, Callable[[], Any]], calls: int) -> dict[str, dict[str, Any]]:
    """Time all steps, one after the other, again and again; a first call of each is not counted."""
    found: dict[str, dict[str, Any]] = {}
    milliseconds: dict[str, list[float]] = {}
    for name, step in steps.items():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        try:
            step()
            torch.cuda.synchronize()
        except Exception as error:  # out of memory, or a kernel that refuses the input
            torch.cuda.empty_cache()
            found[name] = {"not_run": str(error).strip().splitlines()[0]}
            continue
        milliseconds[name] = []
        found[name] = {"memory_mb": round((torch.cuda.max_memory_allocated() - before) / 1e6, 1)}
    for _ in range(calls):
        for name, values in milliseconds.items():
            values.append(gpu_ms(steps[name]))
    for name, values in milliseconds.items():
        found[name] |= spread(values, "ms", 3)
    return found


def compare_attention(length: int, backward: bool, calls: int) -> dict[str, Any]:
    """Compare all backends at one length; attention's FLOPs are those of the causal half."""
    batch = max(1, GPU_TOKENS // length)
    q, k, v = random_qkv(batch, length, GPU_HEADS, device="cuda", dtype=torch.bfloat16)
    grad = torch.randn_like(q)

    def step(function: Callable[..., torch.Tensor]) -> Callable[[], None]:
        def forward() -> None:
            with torch.no_grad():
                function(q, k, v)

        def both() -> None:
            torch.autograd.grad(function(q, k, v), (q, k, v), grad)

        return both if backward else forward

    functions = gpu_backends()
    steps = {name: step(function) for name, function in functions.items() if callable(function)}
    figures = {name: {"not_run": why} for name, why in functions.items() if not callable(why)}
    figures |= measure_by_turns(steps, calls)
    # Two products of 2 T S K in forward; backward has five.
    flops = 4 * batch * GPU_HEADS * length**2 * HEAD_DIM / 2 * (3.5 if backward else 1)
    for of in figures.values():
        if "median_ms" in of:
            of["tflops"] = round(flops / of["median_ms"] / 1e9, 1)
    what = "forward and backward" if backward else "forward"
    return {"length": length, "batch": batch, "what": what, **figures}


def compare_model_step(preset: str, calls: int) -> dict[str, Any]:
    """Time forward, loss and backward of a model in bfloat16, without an optimizer's step."""
    config = PRESETS[preset].model
    ids = torch.randint(config.used_vocab_size, (STEP_BATCH, STEP_TOKENS + 1), device="cuda")
    figures: dict[str, dict[str, Any]] = {}
    for backend in STEP_BACKENDS:
        if why := available_backends()[backend]:
            figures[backend] = {"not_run": why}
            continue
        with torch.device("cuda"):
            model = Phi(config, attention_backend=backend).to(torch.bfloat16)

        def step(model: Phi = model) -> None:
            logits = model(ids[:, :-1]).float()
            cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).backward()
            model.zero_grad()

        figures |= measure_by_turns({backend: step}, calls)
        del model, step
        torch.cuda.empty_cache()
    tokens = STEP_BATCH * STEP_TOKENS
    for of in figures.values():
        if "median_ms" in of:
            of["tokens_per_s"] = round(tokens / of["median_ms"] * 1e3)
            flops = tokens * flops_per_token(config, STEP_TOKENS)
            of["tflops_formula_a"] = round(flops / of["median_ms"] / 1e9, 1)
    return {"preset": preset, "batch": STEP_BATCH, "length": STEP_TOKENS, **figures}


def report_gpu(quick: bool) -> dict[str, Any]:
    if not torch.cuda.is_available():
        raise SystemExit("--device cuda: PyTorch finds no GPU here")
    packages = ["torch"]
    for name in ("triton", "flash-attn"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            metadata.version(name)
            packages.append(name)
    lengths, calls = ((512, 1_024), 3) if quick else (GPU_LENGTHS, GPU_CALLS)
    return conditions(__file__, MEASURED, packages) | {
        "device": torch.cuda.get_device_name(),
        "compute_capability": ".".join(map(str, torch.cuda.get_device_capability())),
        "cuda": torch.version.cuda,
        "dtype": "bfloat16",
        "shape": {"tokens": GPU_TOKENS, "heads": GPU_HEADS, "head_dim": HEAD_DIM, "causal": True},
        "calls": calls,
        "attention": [
            compare_attention(length, backward, calls)
            for backward in (False, True)
            for length in lengths
        ],
        "model_step": compare_model_step("nano" if quick else "full", 3 if quick else STEP_CALLS),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--quick", action="store_true", help="rehearse, and write nothing")
    options = parser.parse_args()
    name, make = {"cpu": ("attention", report_cpu), "cuda": ("attention_gpu", report_gpu)}[
        options.device
    ]
    report = make(options.quick)
    if options.quick:
        print(json.dumps(report, indent=2))
    else:
        write_result(name, report)


if __name__ == "__main__":
    main()
