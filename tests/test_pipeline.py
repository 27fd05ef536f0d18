"""The chain from empty to export at the smallest size: killed once, resumed, then looked into.

Oracles: `transformers` for the exported folder; an undisturbed run for the resumed one.
"""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from phi1_lib.cli import main
from phi1_lib.config import PRESETS
from phi1_lib.pipeline import STAGES, Run, identity, run_stages
from phi1_lib.run_folder import first_difference, held

SMOKE = PRESETS["smoke"]


def _start(*arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "phi1_lib.cli", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory) -> Path:
    """A run of the whole chain, killed by SIGKILL while it pretrained, and resumed."""
    folder = tmp_path_factory.mktemp("runs") / "smoke"
    process = _start("run", "smoke", "--out", str(folder))
    deadline = time.monotonic() + 300
    while not list((folder / "pretrain").glob("step-*[0-9]")):
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline, "no checkpoint appeared"
        time.sleep(0.02)
    process.kill()
    process.communicate()
    assert not (folder / "pretrain" / "done.json").exists(), "it ended before it could be killed"

    process = _start("run", "smoke", "--out", str(folder))
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert "corpus: done before" in output
    assert "finetuned" in output
    return folder


def test_every_stage_is_done(smoke_run):
    assert all((smoke_run / stage / "done.json").exists() for stage in STAGES)
    leftovers = [p.name for p in smoke_run.iterdir() if p.suffix in (".tmp", ".partial")]
    assert not leftovers


def test_a_finished_run_does_nothing_again(smoke_run, capsys):
    before = (smoke_run / "evaluate" / "done.json").stat().st_mtime_ns
    assert main(["run", "smoke", "--out", str(smoke_run)]) == 0
    assert capsys.readouterr().out.count("done before") == len(STAGES)
    assert (smoke_run / "evaluate" / "done.json").stat().st_mtime_ns == before


def test_killed_and_resumed_equals_undisturbed(smoke_run, tmp_path):
    from phi1_lib.training.launch import Job, launch
    from phi1_lib.training.metrics import read_metrics

    launch(
        Job(
            model=SMOKE.model,
            train=SMOKE.pretrain,
            data=smoke_run / "shards" / "pretrain",
            folder=tmp_path / "undisturbed",
        )
    )
    losses = [
        [row["loss"] for row in read_metrics(folder)]
        for folder in (smoke_run / "pretrain", tmp_path / "undisturbed")
    ]
    assert len(losses[0]) == SMOKE.pretrain.steps
    assert losses[0] == losses[1]  # bitwise


def test_result_has_table_and_conditions(smoke_run):
    result = json.loads((smoke_run / "result.json").read_text())
    rows = {row["model"]: row for row in result["stages"]["evaluate"]["rows"]}
    assert list(rows) == [
        "nearest training solution",
        "untrained",
        "pretrained only",
        "finetuned",
    ]
    for row in rows.values():
        assert row["humaneval"]["total"] == 164
        assert row["exercises"]["total"] == SMOKE.data.test_exercises
        assert 0 <= row["exercises"]["low"] <= row["exercises"]["high"] <= 1
    # HumanEval's prompts are longer than smoke's 128 tokens, most of them.
    assert rows["finetuned"]["humaneval"]["too_long"] > 82
    assert result["conditions"]["torch"]


@pytest.mark.parametrize("name", ["base", "finetuned"])
def test_exported_folder_generates_the_same_under_transformers(smoke_run, name):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from phi1_lib.generation import generate
    from phi1_lib.model import Phi
    from phi1_lib.tokenizer import Tokenizer

    folder = smoke_run / "export" / name
    theirs = AutoModelForCausalLM.from_pretrained(folder).eval()
    their_tokenizer = AutoTokenizer.from_pretrained(folder)
    ours, tokenizer = Phi.from_pretrained(folder), Tokenizer.load(folder / "tokenizer.json")
    for prompt in ("def add(a, b):", "import os\n\nclass", 'x = "'):
        ids = tokenizer.encode(prompt)
        assert their_tokenizer(prompt)["input_ids"] == ids
        expected = theirs.generate(torch.tensor([ids]), max_new_tokens=24, do_sample=False)
        [new] = generate(ours, [ids], 24, end_of_text_id=tokenizer.end_of_text_id)
        theirs_new = expected[0, len(ids) :].tolist()
        if theirs_new and theirs_new[-1] == tokenizer.end_of_text_id:
            theirs_new.pop()
        assert new == theirs_new


def test_another_configuration_is_refused(smoke_run):
    other = replace(SMOKE, pretrain=replace(SMOKE.pretrain, learning_rate=1e-5))
    with (
        pytest.raises(ValueError, match=r"another configuration \(preset.pretrain.learning_rate"),
        held(smoke_run, identity(Run(other, smoke_run))),
    ):
        pass


def test_a_folder_in_use_is_refused(tmp_path, capsys):
    with held(tmp_path / "run", {}):
        assert main(["run", "smoke", "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert "is in use by another run" in error and error.count("\n") == 1


def test_a_damaged_shard_is_named_with_its_remedy(smoke_run, tmp_path, capsys):
    import shutil

    copy = tmp_path / "smoke"
    shutil.copytree(smoke_run, copy)
    shutil.rmtree(copy / "pretrain")
    shard = copy / "shards" / "pretrain" / "shard_00000.bin"
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(data)
    assert main(["train", "smoke", "--stage", "pretrain", "--out", str(copy)]) == 2
    error = capsys.readouterr().err
    assert "shard_00000.bin" in error
    assert f"phi1 data smoke --out {copy} --again" in error
    assert error.count("\n") == 1


def test_a_stage_needs_the_one_before(tmp_path, capsys):
    assert main(["train", "smoke", "--stage", "pretrain", "--out", str(tmp_path / "new")]) == 2
    assert "phi1 data smoke" in capsys.readouterr().err


def test_interrupt_saves_and_the_run_goes_on(smoke_run, tmp_path):
    """Ctrl-C in a child process while it trains: exit 130, and how to go on."""
    import shutil

    copy = tmp_path / "smoke"
    shutil.copytree(smoke_run, copy)
    for stage in ("pretrain", "finetune", "evaluate", "export"):
        shutil.rmtree(copy / stage)
    process = _start("train", "smoke", "--stage", "pretrain", "--out", str(copy))
    metrics = copy / "pretrain" / "metrics.jsonl"
    while not metrics.exists() or not metrics.stat().st_size:  # until the first step is done
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert "To go on: phi1 train smoke" in output
    assert list((copy / "pretrain").glob("step-*[0-9]"))


def test_a_folder_of_ones_own_is_a_source(tmp_path):
    source = tmp_path / "code"
    source.mkdir()
    for number in range(30):
        body = "\n".join(f"    x{i} = {i} + {number}" for i in range(8))
        (source / f"module_{number}.py").write_text(f"def function_{number}():\n{body}\n")
    (source / "latin.py").write_bytes(b"name = '\xe9'\n")
    run = Run(SMOKE, tmp_path / "run", source=source, progress=False)
    run_stages(run, ("corpus",), report=lambda _line: None)
    summary = run.summary("corpus")
    assert summary["files"] == 30
    assert summary["skipped"]["not UTF-8"] == 1


def test_first_difference_names_the_innermost_place():
    old, new = {"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}
    assert first_difference(old, old) is None
    assert first_difference(old, new) == "a.c: 2 there, 3 here"


@pytest.mark.skipif(sys.platform != "linux", reason="DeepSpeed runs on Linux")
def test_training_under_deepspeed_with_two_ranks(smoke_run, tmp_path):
    """The launcher's ranks read the same batches, so the losses are one process's to rounding."""
    import shutil

    from phi1_lib.training.metrics import read_metrics

    copy = tmp_path / "smoke"
    shutil.copytree(smoke_run, copy)
    shutil.rmtree(copy / "pretrain")
    arguments = ["train", "smoke", "--stage", "pretrain", "--out", str(copy)]
    assert main([*arguments, "--launcher", "deepspeed", "--ranks", "2"]) == 0
    two, one = ([row["loss"] for row in read_metrics(f / "pretrain")] for f in (copy, smoke_run))
    assert two == pytest.approx(one, rel=1e-4)


@pytest.mark.full
def test_nano_learns(tmp_path):
    """The whole chain at laptop size: minutes, so part of `make test-full` only."""
    assert main(["run", "nano", "--out", str(tmp_path / "nano")]) == 0
    result = json.loads((tmp_path / "nano" / "result.json").read_text())
    rows = {row["model"]: row["exercises"] for row in result["stages"]["evaluate"]["rows"]}
    assert rows["finetuned"]["low"] > 0.5
    assert rows["finetuned"]["low"] > rows["nearest training solution"]["high"]
