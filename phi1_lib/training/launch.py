"""Starting a training stage: in this process, or on several ranks by DeepSpeed's launcher.

By hand, on one machine with 8 GPUs:

    deepspeed --num_gpus 8 --module phi1_lib.training.launch --job JOB.json

`launch` writes the job file and runs that line in a child process, shows the progress that the
ranks record, and passes Ctrl-C on so that they save before they stop.
"""

import argparse
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from tqdm import tqdm

from phi1_lib.config import PhiConfig, TrainConfig
from phi1_lib.data.batches import TokenDataset
from phi1_lib.training.checkpoint import latest_checkpoint
from phi1_lib.training.deepspeed_engine import check_deepspeed, deepspeed_config
from phi1_lib.training.loop import TrainResult, result_of, show_step, train
from phi1_lib.training.metrics import read_metrics

LOG_FILE = "launch.log"
ERROR_PREFIX = "phi1: error: "
INTERRUPTED = 130  # the shell's exit status for Ctrl-C


@dataclass(frozen=True)
class Job:
    """One training stage, as a rank needs to know it."""

    model: PhiConfig
    train: TrainConfig
    data: Path  # a folder of shards
    folder: Path  # where the run goes
    engine: str = "torch"
    initial_weights: Path | None = None
    remake: str = "phi1 data PRESET"  # the command that makes the shards again
    progress: bool = False

    def save(self, path: Path) -> None:
        """Write the job as JSON."""
        text = json.dumps(dataclasses.asdict(self), indent=2, default=str)
        path.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "Job":
        """Read a job.

        Raises:
            ValueError: the file is missing or is not a job.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
            weights = values["initial_weights"]
            return cls(
                **values
                | {
                    "model": PhiConfig.from_dict(values["model"]),
                    "train": TrainConfig.from_dict(values["train"]),
                    "data": Path(values["data"]),
                    "folder": Path(values["folder"]),
                    "initial_weights": weights and Path(weights),
                }
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is not a training job: {error}") from None


def run_job(job: Job) -> TrainResult:
    """Train in this process, which may be one of several ranks. Raises what `train` raises."""
    dataset = TokenDataset(
        job.data, job.train.context_length, seed=job.train.seed, remake=job.remake
    )
    return train(
        job.model,
        job.train,
        dataset,
        job.folder,
        engine=job.engine,
        initial_weights=job.initial_weights,
        progress=job.progress,
    )


def launch(job: Job, *, ranks: int = 1) -> dict[str, Any]:
    """Do a training stage, from its newest checkpoint if there is one.

    Returns:
        Its summary: `steps`, `loss` (of the last step), `tokens`, `precision`, `train_seconds`.

    Raises:
        ValueError, ImportError, OSError: as `train`; with ranks, their message.
        RuntimeError: a rank ended without saying why (it was killed, say); the message has the
            last lines of the log.
        KeyboardInterrupt: Ctrl-C; a checkpoint was written first.
    """
    if job.engine == "deepspeed":
        result = _launch_ranks(job, ranks)
    elif ranks == 1:
        result = run_job(job)
    else:
        raise ValueError(f"ranks={ranks}: engine={job.engine!r} is one process; use deepspeed")
    return {
        "steps": result.step,
        "loss": result.loss,
        "tokens": result.tokens,
        "precision": result.precision,
        "train_seconds": round(result.seconds, 3),
    }


# --- The side that starts the ranks ---


def launch_command(job_file: Path, ranks: int, port: int) -> list[str]:
    """The command line of DeepSpeed's launcher for this job."""
    return [
        *(sys.executable, "-m", "deepspeed.launcher.runner", "--num_gpus", str(ranks)),
        *("--master_port", str(port), "--module", "phi1_lib.training.launch"),
        *("--job", str(job_file), "--stop-with-stdin"),
    ]


def _launch_ranks(job: Job, ranks: int) -> TrainResult:
    if ranks < 1:
        raise ValueError(f"ranks={ranks}: must be at least 1")
    deepspeed_config(job.train, ranks)  # says what does not divide, before anything starts
    check_deepspeed()
    job.folder.mkdir(parents=True, exist_ok=True)
    job_file = job.folder / "job.json"
    dataclasses.replace(job, progress=False).save(job_file)
    command = launch_command(job_file, ranks, _free_port())
    with open(job.folder / LOG_FILE, "wb") as log:
        # A session of its own keeps the terminal's Ctrl-C away from the ranks; they stop, after
        # saving, when their input closes: by _wait below, or because this process was killed.
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=_environment(ranks),
        )
        interrupted = _wait(process, job)
    if interrupted:
        saved = latest_checkpoint(job.folder)
        raise KeyboardInterrupt(f"stopped; saved: {saved or 'nothing yet'}")
    if process.returncode != 0:
        _raise_failure(job, process.returncode)
    return result_of(job.folder, job.folder / "final")


def _environment(ranks: int) -> dict[str, str]:
    """The ranks' environment: this one, and what DeepSpeed can be told in no other way."""
    import torch

    environment = dict(os.environ)
    package_root = str(Path(__file__).parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(
        [package_root, *filter(None, [environment.get("PYTHONPATH")])]
    )
    if not torch.cuda.is_available():
        environment["DS_ACCELERATOR"] = "cpu"
        cores = max(1, (os.cpu_count() or 1) // ranks)
        environment.setdefault("OMP_NUM_THREADS", str(cores))
    return environment


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _wait(process: subprocess.Popen, job: Job) -> bool:
    """Wait for the ranks, showing their progress; returns whether Ctrl-C stopped them."""
    interrupted = False
    done = len(read_metrics(job.folder))
    with tqdm(
        total=job.train.steps, initial=done, unit="step", desc="train", disable=not job.progress
    ) as bar:
        while process.poll() is None:
            try:
                time.sleep(0.3)
                _show_new_steps(bar, job)
            except KeyboardInterrupt:
                if interrupted:  # a second Ctrl-C: stop without saving
                    os.killpg(process.pid, signal.SIGTERM)  # its session: launcher and ranks
                    process.wait()
                    break
                interrupted = True
                process.stdin.close()
        _show_new_steps(bar, job)
    return interrupted


def _show_new_steps(bar: tqdm, job: Job) -> None:
    if job.progress:
        for row in read_metrics(job.folder)[bar.n :]:
            show_step(bar, row, job.train)


def _raise_failure(job: Job, code: int) -> None:
    lines = (job.folder / LOG_FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    for line in lines:
        if ERROR_PREFIX in line:  # a rank knew what was wrong
            raise ValueError(line.split(ERROR_PREFIX, 1)[1])
    tail = "\n".join(line for line in lines[-30:] if line.strip())
    raise RuntimeError(
        f"the ranks ended with status {code}; run the same command again to continue from the "
        f"last checkpoint. The end of {job.folder / LOG_FILE}:\n{tail}"
    )


# --- The side of a rank ---


def main(arguments: list[str] | None = None) -> int:
    """What DeepSpeed's launcher starts on each rank; returns the exit status."""
    parser = argparse.ArgumentParser(prog="phi1_lib.training.launch", description=__doc__)
    parser.add_argument("--job", required=True, help="the job file that `launch` wrote")
    parser.add_argument("--local_rank", type=int, default=0, help="given by DeepSpeed's launcher")
    parser.add_argument(
        "--stop-with-stdin",
        action="store_true",
        help="save and stop when standard input closes (as when the starting process is gone)",
    )
    options = parser.parse_args(arguments)
    if options.stop_with_stdin:
        threading.Thread(target=_interrupt_when_stdin_closes, daemon=True).start()
    try:
        job = Job.load(options.job)
        if os.environ.get("RANK", "0") != "0":
            run_job(job)
        else:
            # Ranks whose starter was killed may still be saving: let them finish first.
            with FileLock(job.folder / ".ranks.lock"):
                run_job(job)
    except KeyboardInterrupt as stop:
        print(f"phi1: {stop}", flush=True)
        return INTERRUPTED
    except (ValueError, ImportError, OSError) as error:
        print(f"{ERROR_PREFIX}{error}", flush=True)
        return 2
    return 0


def _interrupt_when_stdin_closes() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main())
