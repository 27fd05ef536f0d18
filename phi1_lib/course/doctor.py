"""`phi1 doctor`: what this machine has, what is missing, what that means, and what mends it.

Every row is found out by looking: importlib's metadata for packages, torch for GPUs, one short
connection for the network. Nothing is installed or changed.
"""

import json
import platform
import shutil
import socket
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
HUB_HOST = "huggingface.co"  # the one outside place the full-scale run reads corpora from
OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 14)
NEEDED_DISK_GB = 5  # the environment takes about 2, a nano run well under 1
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Row:
    """One line of the report.

    `status` is "ok", "missing" (something here is narrower without it) or "never run" (present, but
    no recorded result says that it works). `meaning` names the chapter it matters for; `remedy` is
    the command that mends it, empty where nothing needs mending.
    """

    what: str
    value: str
    status: str
    meaning: str = ""
    remedy: str = ""


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def python_row(version: tuple[int, ...] = sys.version_info) -> Row:
    """Python itself."""
    value = f"{'.'.join(map(str, version[:3]))} on {platform.system()} {platform.machine()}"
    if OLDEST_PYTHON <= tuple(version[:2]) <= NEWEST_PYTHON:
        return Row("Python", value, "ok")
    return Row(
        "Python",
        value,
        "missing",
        "all chapters: no pinned package fits this version",
        "make clean && make lab PYTHON=python3.12",
    )


def torch_row() -> Row:
    """The build of torch, and whether it can use the GPU that is here."""
    version = _version("torch")
    if version is None:
        return Row("torch", "not installed", "missing", "chapters 02 to 14", "make lab")
    import torch

    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU build"
    value = f"{version}, {build}, {torch.get_num_threads()} threads"
    if Path("/dev/nvidia0").exists() and not torch.cuda.is_available():
        return Row(
            "torch",
            value,
            "missing",
            "chapters 03 and 14: the GPU here stays unused",
            "rm -rf .venv && make lab TORCH=default",
        )
    return Row("torch", value, "ok")


def gpu_rows() -> list[Row]:
    """Each GPU with its memory; one row says so when there is none."""
    if _version("torch") is None:
        return []
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        meaning = "chapter 14: mini, small and full need one; all chapters run without"
        return [Row("GPU", "none seen", "missing", meaning, "rent or borrow one: phi1 plan full")]
    rows = []
    for index in range(count):
        found = torch.cuda.get_device_properties(index)
        value = f"{found.name}, {found.total_memory / 2**30:.0f} GiB"
        rows.append(Row(f"GPU {index}", value, "ok"))
    return rows


def precision_rows() -> list[Row]:
    """bf16 and fp16: where training in them is faster than fp32."""
    if _version("torch") is None:
        return []
    import torch

    from phi1_lib.training.device import BF16_INSTRUCTIONS, bf16_instructions, fast_precision

    if torch.cuda.is_available():
        bf16 = fast_precision(torch.device("cuda")) == "bf16"
        remedy = "" if bf16 else "train with fp16: TrainConfig(precision='fp16')"
        meaning = "" if bf16 else "chapter 14: mini trains in bf16"
        status = "ok" if bf16 else "missing"
        return [
            Row("bf16", "in hardware" if bf16 else "no", status, meaning, remedy),
            Row("fp16", "in hardware", "ok"),
        ]
    fast = bf16_instructions()
    if fast:
        bf16 = Row("bf16", f"on this CPU by {', '.join(fast)}", "ok")
    else:
        bf16 = Row(
            "bf16",
            f"on this CPU no {', no '.join(BF16_INSTRUCTIONS)}",
            "missing",
            "chapter 14: nano trains in fp32 here; bf16 pays with these instructions",
            "nothing to do",
        )
    fp16 = Row(
        "fp16",
        "on a GPU only",
        "missing",
        "chapter 14: phi-1 trained in fp16; the laptop presets use fp32 or bf16",
        "rent or borrow a GPU: phi1 plan full",
    )
    return [bf16, fp16]


def flash_attention_row(results: Path = RESULTS) -> Row:
    """flash-attn: installed or not, and whether a recorded result says that it ran."""
    version = _version("flash-attn")
    ran = _tested(results / "test_gpu.json", "flash_attn") or _measured(
        _read(results / "attention_gpu.json"), "flash_attn"
    )
    if version is None:
        return Row(
            "flash-attn",
            "not installed" if ran else "not installed, never run",
            "missing",
            "chapter 14: optional on a GPU; torch's own attention is used instead",
            'pip install --no-build-isolation -c constraints.txt ".[gpu]"',
        )
    if not ran:
        meaning = "no result under benchmarks/results/ says that it works"
        return Row("flash-attn", version, "never run", meaning, "make test-gpu")
    return Row("flash-attn", version, "ok")


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _tested(path: Path, backend: str) -> bool:
    """Whether the tests on a GPU have run with this backend, and none has failed."""
    outcomes = _read(path).get("backends", {}).get(backend, {})
    return outcomes.get("passed", 0) > 0 and outcomes.get("failed") == 0


def _measured(record: Any, backend: str) -> bool:
    """Whether a result holds figures of the backend somewhere, not only why there are none."""
    if isinstance(record, list):
        return any(_measured(part, backend) for part in record)
    if not isinstance(record, dict):
        return False
    figures = record.get(backend)
    if figures and not (isinstance(figures, dict) and "not_run" in figures):
        return True
    return any(_measured(part, backend) for part in record.values())


def package_row(package: str, meaning: str) -> Row:
    """A package of the environment that is Linux only."""
    version = _version(package)
    if version is not None:
        return Row(package, version, "ok")
    if sys.platform != "linux":
        return Row(package, "Linux only", "missing", meaning, "use Linux, or WSL2 on Windows")
    return Row(package, "not installed", "missing", meaning, "make lab")


def chromium_row() -> Row:
    """A browser that tests can drive."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path:
        return Row("Chromium", path, "ok")
    meaning = "no chapter: only tests that open JupyterLab in a browser"
    remedy = "apt-get install chromium" if sys.platform == "linux" else "brew install chromium"
    return Row("Chromium", "not found", "missing", meaning, remedy)


def sandbox_row() -> Row:
    """How strongly this system lets us confine a program."""
    from phi1_lib.sandbox import ForkServer
    from phi1_lib.sandbox.confine import STRONG
    from phi1_lib.sandbox.run import RUNNER

    try:
        with ForkServer(RUNNER) as server:
            level = server.level
    except OSError as error:
        level = f"none ({error})"
    if level == STRONG:
        return Row("sandbox", level, "ok")
    meaning = "chapters 00 and 14, phi1 grade: programs are ended in time, but not confined"
    return Row("sandbox", level, "missing", meaning, "use Linux 5.13 or newer, or WSL2")


def disk_row(folder: Path = ROOT) -> Row:
    """Free space where the course lies."""
    free_gb = shutil.disk_usage(folder).free / 1e9
    value = f"{free_gb:.0f} GB free"
    if free_gb >= NEEDED_DISK_GB:
        return Row("disk", value, "ok")
    meaning = f"chapter 14: a nano run and the environment want {NEEDED_DISK_GB} GB"
    return Row("disk", value, "missing", meaning, "rm -r runs (finished runs you no longer need)")


def network_row(host: str = HUB_HOST, timeout_s: float = 2.0) -> Row:
    """Whether the Hub answers, asked once with a short limit."""
    try:
        socket.create_connection((host, 443), timeout=timeout_s).close()
    except OSError:
        meaning = f"chapter 14: full-scale data comes from {host}; all chapters run offline"
        return Row("network", "offline", "missing", meaning, "connect, then run phi1 doctor again")
    return Row("network", f"{host} answers", "ok")


def vocabulary_row() -> Row:
    """GPT-2's vocabulary, as phi-1's tokenizer has it, in the Hub's cache on this machine."""
    meaning = "chapters 01 and 14: phi-1's own tokenizer needs GPT-2's vocabulary"
    if _version("huggingface_hub") is None:
        return Row("GPT-2 vocabulary", "unknown", "missing", meaning, "make lab")
    from phi1_lib.tokenizer.hub import FILES, REPOSITORIES, gpt2_files

    try:
        gpt2_files()
    except ValueError:
        remedy = f"hf download {REPOSITORIES[0]} {' '.join(FILES)}"
        return Row("GPT-2 vocabulary", "not on this machine", "missing", meaning, remedy)
    return Row("GPT-2 vocabulary", "in the Hub's cache", "ok")


def report() -> list[Row]:
    """Return every row of the table, in the order in which it is printed."""
    return [
        python_row(),
        torch_row(),
        *gpu_rows(),
        *precision_rows(),
        flash_attention_row(),
        package_row("deepspeed", "chapter 14: several ranks, ZeRO"),
        package_row("triton", "chapter 03: its kernels, which run without a GPU too"),
        sandbox_row(),
        chromium_row(),
        disk_row(),
        network_row(),
        vocabulary_row(),
    ]


def render(rows: list[Row]) -> None:
    """Print the rows as a table, and below it what each gap means and the command that mends it."""
    from rich.console import Console, Group
    from rich.table import Table
    from rich.text import Text

    table = Table(title="This machine", title_justify="left")
    for column in ("what", "value", "status"):
        table.add_column(column, overflow="fold")
    for row in rows:  # no colours: they are faint on one of a terminal's and Lab's two themes
        table.add_row(row.what, row.value, Text(row.status, "" if row.status == "ok" else "bold"))
    gaps = []
    for row in rows:
        if row.status != "ok":
            gaps += [Text(f"{row.what}: {row.meaning}", "bold"), Text(f"    {row.remedy}")]
    Console().print(Group(table, *gaps))  # one print is one output in a notebook
