"""Launching: jobs, failures, and two DeepSpeed ranks on the CPU. Oracle: a float64 run; ours."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from phi1_lib.data.batches import TokenDataset
from phi1_lib.data.shards import write_shards
from phi1_lib.model import Phi
from phi1_lib.training import latest_checkpoint, learning_rate, read_metrics
from phi1_lib.training import launch as launch_module
from phi1_lib.training.deepspeed_engine import DeepSpeedEngine, check_deepspeed, deepspeed_config
from phi1_lib.training.engine import TorchEngine
from phi1_lib.training.launch import Job, launch, main
from phi1_lib.training.weights import initial_model, with_dropout

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="DeepSpeed runs on Linux only")


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    """Also where there are GPUs: these tests compare CPU runs."""
    monkeypatch.setattr("phi1_lib.training.engine.choose_device", lambda: torch.device("cpu"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def job(model_config, train_config, tmp_path) -> Job:
    """Documents that count upwards; two ranks make two micro-batches of two each step."""
    documents = [[(7 * n + i) % 60 for i in range(5 + n % 50)] for n in range(150)]
    write_shards(documents, tmp_path / "data", end_of_text_id=60, vocab_size=61)
    return Job(
        model=model_config,
        train=replace(train_config, micro_batch_size=2),
        data=tmp_path / "data",
        folder=tmp_path / "run",
        remake="phi1 data smoke",
    )


def _losses(folder: Path) -> list[float]:
    return [row["loss"] for row in read_metrics(folder)]


# --- Without starting anything ---


def test_a_job_survives_its_file(job, tmp_path):
    job = replace(job, initial_weights=tmp_path / "weights")
    job.save(tmp_path / "job.json")
    assert Job.load(tmp_path / "job.json") == job


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"model": {"hidden": 1}}'])
def test_a_file_that_is_no_job_is_named(tmp_path, text, capfd):
    (tmp_path / "job.json").write_text(text)
    with pytest.raises(ValueError, match=r"job\.json is not a training job"):
        Job.load(tmp_path / "job.json")
    assert main(["--job", str(tmp_path / "job.json")]) == 2
    assert "phi1: error: " in capfd.readouterr().out


def test_the_plain_engine_runs_in_this_process(job):
    summary = launch(job)
    assert summary["steps"] == 8 and summary["tokens"] == 1024
    assert summary["precision"] == job.train.precision
    assert summary["loss"] == _losses(job.folder)[-1]
    assert Phi.from_pretrained(job.folder / "final").config.hidden_size == 32


@on_linux
def test_what_cannot_be_launched_is_said(job, monkeypatch):
    with pytest.raises(ValueError, match="ranks=2: engine='torch' is one process"):
        launch(job, ranks=2)
    deepspeed = replace(job, engine="deepspeed")
    with pytest.raises(ValueError, match="ranks=0: must be at least 1"):
        launch(deepspeed, ranks=0)
    with pytest.raises(ValueError, match=r"batch_size=8 does not divide.* 2 on 3 ranks"):
        launch(deepspeed, ranks=3)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "darwin")
        with pytest.raises(ValueError, match=r"DeepSpeed runs on Linux.*darwin.*launcher torch"):
            launch(deepspeed, ranks=2)
    with monkeypatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda _: None)
        with pytest.raises(ImportError, match=r"DS_BUILD_OPS=0 pip install deepspeed"):
            check_deepspeed()
    assert not job.folder.exists()


@on_linux
def test_deepspeed_outside_its_launcher_says_how_to_start_it(job, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(ValueError, match="launcher to start each rank"):
        DeepSpeedEngine(Phi(job.model), job.train)


def test_the_configuration_deepspeed_gets(job):
    config = replace(job.train, precision="fp16", zero_stage=2, initial_loss_scale_power=9)
    assert deepspeed_config(config, ranks=2) == {
        "train_batch_size": 8,
        "train_micro_batch_size_per_gpu": 2,
        "gradient_clipping": 1.0,
        "zero_optimization": {"stage": 2},
        "bf16": {"enabled": False},
        "fp16": {"enabled": True, "initial_scale_power": 9},
    }


@on_linux
def test_a_rank_that_knew_why_it_failed_is_heard(job, monkeypatch):
    """The launcher replaced by a program that fails as a rank does, or without a word."""
    job = replace(job, engine="deepspeed")
    said = "print('noise'); print('phi1: error: the shard is bad'); exit(2)"
    monkeypatch.setattr(launch_module, "launch_command", lambda *_: [sys.executable, "-c", said])
    with pytest.raises(ValueError, match="^the shard is bad$"):
        launch(job, ranks=2)
    silent = "print('last words'); exit(247)"
    monkeypatch.setattr(launch_module, "launch_command", lambda *_: [sys.executable, "-c", silent])
    with pytest.raises(RuntimeError, match=r"(?s)status 247.*same command again.*last words"):
        launch(job, ranks=2)


# --- Two ranks ---


def _exact_losses(job: Job) -> list[float]:
    """The same training in float64: the reference both engines are measured against."""
    config = job.train
    model = initial_model(with_dropout(job.model, 0.0), config.seed, None).double()
    engine = TorchEngine(model, config, device=torch.device("cpu"))
    dataset = TokenDataset(job.data, config.context_length, seed=config.seed)
    losses = []
    for step in range(config.steps):
        engine.set_learning_rate(learning_rate(step + 1, config))
        total = 0.0
        for start in range(8 * step, 8 * step + 8, 2):
            loss = engine(torch.from_numpy(dataset.batch(start, 2)))
            engine.backward(loss)
            engine.step()
            total += loss.item() / 4
        losses.append(total)
    return losses


def _assert_as_good_as_the_plain_engine(job: Job, plain: Path, deepspeed: Path) -> None:
    exact, ours, theirs = _exact_losses(job), _losses(plain), _losses(deepspeed)
    assert len(theirs) == job.train.steps
    own_error = max(abs(a - b) for a, b in zip(ours, exact, strict=True))
    error = max(abs(a - b) for a, b in zip(theirs, exact, strict=True))
    assert error <= 2 * own_error + 4 * 2**-23 * max(exact)
    norms = [row["grad_norm"] for row in read_metrics(plain)]
    assert [row["grad_norm"] for row in read_metrics(deepspeed)] == pytest.approx(norms, rel=1e-5)
    weights = Phi.from_pretrained(deepspeed / "final").state_dict()
    for name, tensor in Phi.from_pretrained(plain / "final").state_dict().items():
        torch.testing.assert_close(weights[name], tensor, rtol=0, atol=2e-5, msg=name)


def _continued(job: Job, stage: int, folder: Path) -> Job:
    """Train to step 4 on two ranks, then launch again to the end."""
    config = replace(job.train, zero_stage=stage)
    job = replace(job, engine="deepspeed", train=config, folder=folder)
    launch(replace(job, train=replace(config, steps=4)), ranks=2)
    assert latest_checkpoint(folder).name == "step-000004"
    launch(job, ranks=2)
    return job


@on_linux
def test_two_ranks_stopped_and_continued_train_as_one_process_does(job, tmp_path):
    launch(job)
    _continued(job, 1, tmp_path / "ranks")
    _assert_as_good_as_the_plain_engine(job, job.folder, tmp_path / "ranks")


@on_linux
@pytest.mark.full
@pytest.mark.parametrize("stage", [0, 2, 3])
def test_every_stage_of_zero_trains_as_one_process_does(job, tmp_path, stage):
    launch(job)
    _continued(job, stage, tmp_path / "ranks")
    _assert_as_good_as_the_plain_engine(job, job.folder, tmp_path / "ranks")


@on_linux
@pytest.mark.full
@pytest.mark.parametrize(
    ("stage", "precision"),
    [(0, "bf16"), (1, "fp32"), (1, "bf16"), (1, "auto"), (2, "bf16"), (3, "fp32")],
)
def test_continued_ranks_are_bitwise_unbroken_ones(job, tmp_path, stage, precision):
    config = replace(job.train, dropout=0.2, precision=precision, zero_stage=stage)
    job = replace(job, train=config)
    launch(replace(job, engine="deepspeed", folder=tmp_path / "unbroken"), ranks=2)
    _continued(job, stage, tmp_path / "ranks")
    assert _losses(tmp_path / "ranks") == _losses(tmp_path / "unbroken")
    plain = replace(job, folder=tmp_path / "plain", train=replace(config, dropout=0.0))
    launch(plain)
    assert _losses(tmp_path / "ranks") == pytest.approx(_losses(plain.folder), rel=0.05)


# --- Ranks that are stopped ---


def _launch_in_a_child(job: Job) -> subprocess.Popen:
    program = f"""
import sys
import torch
torch.cuda.is_available = lambda: False
from phi1_lib.training.launch import Job, launch
launch(Job.load({str(job.folder.parent / "start.json")!r}), ranks=2)
"""
    job.save(job.folder.parent / "start.json")
    environment = os.environ | {"PYTHONPATH": str(Path(launch_module.__file__).parents[2])}
    return subprocess.Popen([sys.executable, "-c", program], env=environment, stderr=-1)


def _wait_for(condition, child: subprocess.Popen | None = None) -> None:
    deadline = time.monotonic() + 180
    while not condition():
        assert child is None or child.poll() is None, child.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _ranks(job: Job) -> list:
    """The rank processes of this job that are alive."""
    import psutil  # comes with deepspeed

    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if str(job.folder / "job.json") in line and any("--local_rank" in word for word in line):
            found.append(process)
    return found


@pytest.fixture
def long_job(job) -> Job:
    config = replace(job.train, steps=100_000, decay_steps=100_000, checkpoint_every=100_000)
    return replace(job, engine="deepspeed", train=config)


@on_linux
@pytest.mark.full
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_ranks_save_when_their_starter_is_interrupted_or_killed(long_job, how):
    child = _launch_in_a_child(long_job)
    _wait_for(lambda: len(read_metrics(long_job.folder)) > 3, child)
    child.send_signal(how)
    _, error = child.communicate(timeout=120)
    _wait_for(lambda: not _ranks(long_job))
    if how == signal.SIGINT:
        assert b"KeyboardInterrupt: stopped; saved: " in error
    steps = len(read_metrics(long_job.folder))
    assert latest_checkpoint(long_job.folder).name == f"step-{steps:06d}"
    longer = replace(long_job, train=replace(long_job.train, steps=steps + 3))
    assert launch(longer, ranks=2)["steps"] == steps + 3


@on_linux
@pytest.mark.full
def test_a_killed_rank_ends_the_others_and_the_run_continues(long_job):
    config = replace(long_job.train, checkpoint_every=5)
    job = replace(long_job, train=config)
    child = _launch_in_a_child(job)
    _wait_for(lambda: len(read_metrics(job.folder)) > 7, child)
    _ranks(job)[1].kill()
    _, error = child.communicate(timeout=120)
    assert b"RuntimeError: the ranks ended with status" in error
    assert b"run the same command again" in error
    assert not _ranks(job)
    saved = int(latest_checkpoint(job.folder).name.removeprefix("step-"))
    longer = replace(job, train=replace(config, steps=saved + 3))
    assert launch(longer, ranks=2)["steps"] == saved + 3
    assert [row["step"] for row in read_metrics(job.folder)] == list(range(1, saved + 4))


@on_linux
@pytest.mark.full
def test_another_number_of_ranks_is_refused(job, tmp_path):
    job = replace(job, engine="deepspeed", train=replace(job.train, steps=4))
    launch(job, ranks=2)
    with pytest.raises(ValueError, match="made with ranks=2, and this run has 4"):
        launch(replace(job, train=replace(job.train, steps=8)), ranks=4)


@on_linux
@pytest.mark.full
def test_a_pickle_in_a_checkpoint_does_not_run(job, tmp_path):
    import json

    from phi1_lib.training.checkpoint import _sha256

    job = replace(job, engine="deepspeed", train=replace(job.train, steps=4))
    launch(job, ranks=2)
    path = latest_checkpoint(job.folder)
    ran = tmp_path / "ran"

    class Attack:
        def __reduce__(self):
            return ran.touch, ()

    name = "deepspeed/mp_rank_00_model_states.pt"
    torch.save({"module": Attack()}, path / name)
    description = json.loads((path / "checkpoint.json").read_text())
    description["sha256"][name] = _sha256(path / name)
    (path / "checkpoint.json").write_text(json.dumps(description))
    with pytest.raises(RuntimeError, match="[Ww]eights"):
        launch(replace(job, train=replace(job.train, steps=8)), ranks=2)
    assert not ran.exists()
