"""The command line: help for newcomers, one-line errors, no traceback."""

import json
import re
import subprocess
import sys

import pytest

from phi1_lib.cli import main

COMMANDS = ("data", "train", "run", "generate", "evaluate", "export", "plan", "doctor")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command, capsys):
    assert main([command, "--help"]) == 0
    assert "Usage" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "huge"], "there is no preset 'huge'"),
        (["plan", "huge"], "there is no preset 'huge'"),
        (["train", "nano", "--stage", "middle"], "--stage 'middle'"),
        (["train", "nano"], "Missing option '--stage'"),
        (["run"], "Missing argument 'PRESET'"),
        (["fly"], "No such command 'fly'"),
        (["plan", "full", "--gpu", "v100"], "there is no GPU 'v100'"),
        (["plan", "full", "--gpus", "7"], "ranks=7"),
        (["evaluate"], "give either a preset, or --samples"),
        (["run", "nano", "--launcher", "mpi"], "launcher='mpi'"),
        (["run", "nano", "--ranks", "2"], "add --launcher deepspeed"),
        (["run", "nano", "--launcher", "deepspeed", "--ranks", "0"], "ranks=0"),
        (["generate", "x", "--model", "/nowhere"], "/nowhere"),
        (["evaluate", "--samples", "/nowhere.jsonl"], "/nowhere.jsonl"),
    ],
)
def test_bad_input_is_one_line(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("phi1: ") and error.count("\n") == 1


def test_no_traceback_from_the_shell(tmp_path):
    command = [sys.executable, "-m", "phi1_lib.cli", "run", "huge"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr + done.stdout


def test_the_stack_presets_ask_for_a_source(capsys, tmp_path):
    assert main(["data", "full", "--out", str(tmp_path / "full")]) == 2
    assert "--source FOLDER" in capsys.readouterr().err


def test_interrupt_says_how_to_go_on(capsys, monkeypatch):
    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("phi1_lib.pipeline.run_stages", interrupted)
    assert main(["run", "smoke", "--out", "somewhere"]) == 130
    assert "To go on: phi1 run smoke --out somewhere" in capsys.readouterr().err


def test_samples_in_openai_format_are_graded(capsys, tmp_path):
    from phi1_lib.evaluation import humaneval_problems

    problems = humaneval_problems()[:4]
    completions = [p.canonical_solution for p in problems[:3]] + ["    return None\n"]
    path = tmp_path / "samples.jsonl"
    path.write_text(
        "".join(
            json.dumps({"task_id": p.task_id, "completion": c}) + "\n"
            for p, c in zip(problems, completions, strict=True)
        )
    )
    assert main(["evaluate", "--samples", str(path)]) == 0
    said = capsys.readouterr().out
    assert "4 of 164 problems, 4 samples: pass@1 = 0.7500" in said
    assert "sandbox at level" in said


def test_plan_prints_the_parameter_count(capsys):
    assert main(["plan", "full", "--gpus", "8", "--gpu", "h100"]) == 0
    assert "1,418,270,720 parameters" in capsys.readouterr().out


def test_doctor_prints_a_table(capsys):
    assert main(["doctor"]) == 0
    assert re.search(r"Python\s", capsys.readouterr().out)
