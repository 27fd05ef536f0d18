"""The loop: exact resume, the record, Ctrl-C, and errors. Oracle for resume: the unbroken run."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from phi1_lib.config import TrainConfig
from phi1_lib.model import Phi
from phi1_lib.training import latest_checkpoint, learning_rate, read_metrics, train
from phi1_lib.training import loop as loop_module
from phi1_lib.training.loop import micro_batch_starts


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    """Bitwise equality is promised on the CPU."""
    monkeypatch.setattr("phi1_lib.training.engine.choose_device", lambda: torch.device("cpu"))


def _losses(folder: Path) -> list[tuple[int, float, float]]:
    return [(row["step"], row["loss"], row["grad_norm"]) for row in read_metrics(folder)]


def _assert_same_run(one: Path, other: Path) -> None:
    assert _losses(one) == _losses(other)
    weights, others = Phi.from_pretrained(one / "final"), Phi.from_pretrained(other / "final")
    for name, tensor in weights.state_dict().items():
        assert torch.equal(tensor, others.state_dict()[name]), name


@pytest.fixture
def unbroken(model_config, dropout_config, dataset, tmp_path) -> Path:
    folder = tmp_path / "unbroken"
    train(model_config, dropout_config, dataset, folder)
    return folder


def test_a_run_and_its_record(model_config, train_config, dataset, tmp_path):
    result = train(model_config, replace(train_config, steps=10), dataset, tmp_path / "run")
    rows = read_metrics(tmp_path / "run")
    assert [row["step"] for row in rows] == list(range(1, 11))
    assert [row["tokens"] for row in rows] == [128 * n for n in range(1, 11)]
    assert [row["learning_rate"] for row in rows] == [
        learning_rate(n, train_config) for n in range(1, 11)
    ]
    assert all(row["grad_norm"] > 0 and row["seconds"] > 0 for row in rows)
    assert rows[0]["loss"] == pytest.approx(4.11, abs=0.1)  # ln 61: it knows nothing yet
    assert rows[-1]["loss"] < rows[0]["loss"] - 0.4
    assert dataset.asked == list(range(80))  # every sequence once, in order
    assert (result.step, result.tokens, result.loss) == (10, 1280, rows[-1]["loss"])
    assert result.final == tmp_path / "run" / "final"
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert names == ["final", "metrics.jsonl", "step-000009", "step-000010"]


def test_the_final_model_is_for_use(unbroken):
    config = Phi.from_pretrained(unbroken / "final").config
    assert config.attention_dropout == config.resid_pdrop == 0.0


def test_dropout_comes_from_the_training_configuration(
    model_config, dropout_config, dataset, tmp_path
):
    train(model_config, dropout_config, dataset, tmp_path, stop_after=1)
    made_by = json.loads((latest_checkpoint(tmp_path) / "checkpoint.json").read_text())
    assert made_by["model"]["attention_dropout"] == made_by["model"]["resid_pdrop"] == 0.2


@pytest.mark.parametrize("fast", ["bf16", "fp32"])
def test_a_run_keeps_the_precision_that_it_began_with(
    model_config, dropout_config, dataset, tmp_path, monkeypatch, fast
):
    """Continued on a machine that would choose otherwise, it is the unbroken run all the same."""
    train(model_config, replace(dropout_config, precision=fast), dataset, tmp_path / "named")
    auto = replace(dropout_config, precision="auto")
    monkeypatch.setattr(loop_module, "fast_precision", lambda device: fast)
    stopped = train(model_config, auto, dataset, tmp_path / "auto", stop_after=3)
    other = "fp32" if fast == "bf16" else "bf16"
    monkeypatch.setattr(loop_module, "fast_precision", lambda device: other)
    whole = train(model_config, auto, dataset, tmp_path / "auto")
    assert stopped.precision == whole.precision == fast
    _assert_same_run(tmp_path / "auto", tmp_path / "named")


@pytest.mark.parametrize("stop_after", [1, 3, 5])
def test_stopped_and_resumed_is_bitwise_the_unbroken_run(
    model_config, dropout_config, dataset, tmp_path, unbroken, stop_after
):
    folder = tmp_path / "broken"
    stopped = train(model_config, dropout_config, dataset, folder, stop_after=stop_after)
    assert (stopped.step, stopped.final) == (stop_after, None)
    torch.manual_seed(12345)  # whatever happened in between must not matter
    train(model_config, dropout_config, dataset, folder)
    _assert_same_run(folder, unbroken)


def test_crashed_between_checkpoints_cuts_the_later_lines(
    model_config, dropout_config, crashing_dataset, dataset, tmp_path, unbroken
):
    folder = tmp_path / "broken"
    with pytest.raises(RuntimeError, match="went away"):
        train(model_config, dropout_config, crashing_dataset(fail_at=44), folder)
    assert [row["step"] for row in read_metrics(folder)] == [1, 2, 3, 4, 5]
    assert latest_checkpoint(folder).name == "step-000003"
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "lo')  # as a kill leaves it
    (folder / "step-000006.partial").mkdir()
    train(model_config, dropout_config, dataset, folder)
    _assert_same_run(folder, unbroken)
    assert not list(folder.glob("*.partial"))


def _start_child(model_config, config: TrainConfig, folder: Path) -> subprocess.Popen:
    """A process that trains, slowly enough to be hit in the middle."""
    program = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from conftest import CountingDataset
import torch
from phi1_lib.config import PhiConfig, TrainConfig
from phi1_lib.training import engine, train
engine.choose_device = lambda: torch.device("cpu")
class Slow(CountingDataset):
    def batch(self, start, count):
        time.sleep(0.05)
        return super().batch(start, count)
train({model_config!r}, {config!r}, Slow(), {str(folder)!r})
"""
    environment = os.environ | {"PYTHONPATH": str(Path(loop_module.__file__).parents[2])}
    return subprocess.Popen([sys.executable, "-c", program], env=environment, stderr=-1)


def _wait_for_step(folder: Path, step: int, child: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while len(read_metrics(folder)) < step:
        assert child.poll() is None, child.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_killed_and_resumed_is_bitwise_the_unbroken_run(
    model_config, dropout_config, dataset, tmp_path, unbroken
):
    folder = tmp_path / "killed"
    child = _start_child(model_config, dropout_config, folder)
    _wait_for_step(folder, 4, child)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    child.stderr.close()
    train(model_config, dropout_config, dataset, folder)
    _assert_same_run(folder, unbroken)


def test_ctrl_c_finishes_the_step_saves_and_raises(
    model_config, dropout_config, dataset, tmp_path, unbroken
):
    folder = tmp_path / "interrupted"
    child = _start_child(model_config, dropout_config, folder)
    _wait_for_step(folder, 1, child)
    child.send_signal(signal.SIGINT)
    _, error = child.communicate(timeout=60)
    assert b"KeyboardInterrupt: stopped after step" in error
    steps = len(read_metrics(folder))
    assert latest_checkpoint(folder).name == f"step-{steps:06d}"
    train(model_config, dropout_config, dataset, folder)
    _assert_same_run(folder, unbroken)


def test_a_finished_run_is_left_alone(model_config, dropout_config, dataset, unbroken):
    before = (unbroken / "metrics.jsonl").read_text()
    result = train(model_config, dropout_config, dataset, unbroken)
    assert (result.step, result.final) == (8, unbroken / "final")
    assert (unbroken / "metrics.jsonl").read_text() == before


def test_finetuning_starts_from_the_given_weights(
    model_config, train_config, dataset, tmp_path, unbroken
):
    config = replace(train_config, steps=1, learning_rate=1e-30, weight_decay=0.0)
    train(model_config, config, dataset, tmp_path / "tuned", initial_weights=unbroken / "final")
    start, end = (Phi.from_pretrained(f / "final") for f in (unbroken, tmp_path / "tuned"))
    for name, tensor in start.state_dict().items():
        assert torch.equal(tensor, end.state_dict()[name]), name


def test_ranks_together_read_every_sequence_once(train_config):
    config = replace(train_config, batch_size=24, micro_batch_size=2)
    for ranks in (1, 2, 3, 4):
        read = [
            start + i
            for rank in range(ranks)
            for start in micro_batch_starts(3, config, rank, ranks)
            for i in range(2)
        ]
        assert sorted(read) == list(range(48, 72))


def test_documents_can_be_masked(model_config, train_config, dataset, tmp_path):
    config = replace(train_config, mask_documents=True)
    train(model_config, config, dataset, tmp_path)
    assert read_metrics(tmp_path)[-1]["loss"] < 4.0


@pytest.mark.parametrize(
    ("model_change", "train_change", "options", "message"),
    [
        ({}, {}, {"engine": "jax"}, r"engine='jax': choose one of torch, deepspeed"),
        ({}, {"context_length": 99}, {}, r"context_length=99 .*max_position_embeddings=16"),
        ({}, {"context_length": 8}, {}, r"sequences of 16 tokens and context_length=8"),
        (
            {"vocab_size": 60, "eos_token_id": 5, "bos_token_id": 5, "used_vocab_size": 60},
            {},
            {},
            r"vocab_size=61 and the model has 60 rows",
        ),
    ],
)
def test_what_does_not_fit_together_is_said(
    model_config, train_config, dataset, tmp_path, model_change, train_change, options, message
):
    model, config = replace(model_config, **model_change), replace(train_config, **train_change)
    with pytest.raises(ValueError, match=message):
        train(model, config, dataset, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_a_run_of_another_configuration_is_not_continued(
    model_config, dropout_config, dataset, unbroken
):
    other = replace(dropout_config, learning_rate=0.5, seed=3)
    with pytest.raises(ValueError, match=r"train\.learning_rate=0\.01, and this run has 0\.5"):
        train(model_config, other, dataset, unbroken)
    with pytest.raises(ValueError, match=r"model\.hidden_size=32, and this run has 48"):
        train(replace(model_config, hidden_size=48), dropout_config, dataset, unbroken)
    with pytest.raises(ValueError, match=r"holds a run at step-000008"):
        train(model_config, dropout_config, dataset, unbroken, resume=False)
    with pytest.raises(ValueError, match=r"step-000008 is beyond steps=4"):
        train(model_config, replace(dropout_config, steps=4), dataset, unbroken)


def test_a_run_can_be_made_longer(model_config, dropout_config, dataset, tmp_path, unbroken):
    folder = tmp_path / "longer"
    train(model_config, replace(dropout_config, steps=4), dataset, folder)
    train(model_config, dropout_config, dataset, folder)
    _assert_same_run(folder, unbroken)


def test_a_loss_that_is_no_number_stops_the_run(model_config, train_config, dataset, tmp_path):
    config = replace(train_config, learning_rate=1e30, warmup_steps=0)
    with pytest.raises(ValueError, match=r"the loss is nan at step \d: training diverged.*none"):
        train(model_config, config, dataset, tmp_path)


def test_weights_of_another_shape_are_refused(
    model_config, train_config, dataset, tmp_path, unbroken
):
    with pytest.raises(ValueError, match=r"hidden_size=32, and this run has 48"):
        train(
            replace(model_config, hidden_size=48),
            train_config,
            dataset,
            tmp_path / "tuned",
            initial_weights=unbroken / "final",
        )


def test_a_broken_line_in_the_middle_of_the_record_is_named(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\nnonsense\n{"step": 3}\n')
    with pytest.raises(ValueError, match=r"metrics\.jsonl, line 2 is not JSON"):
        read_metrics(tmp_path)


def test_the_bar_shows_loss_and_tokens_per_second(
    model_config, train_config, dataset, tmp_path, capsys
):
    train(model_config, train_config, dataset, tmp_path / "loud", progress=True)
    assert "tokens/s" in (shown := capsys.readouterr().err) and "loss" in shown
    train(model_config, train_config, dataset, tmp_path / "quiet")
    assert capsys.readouterr().err == ""
