"""The shipped nano is what the code of today would make, and does what its record says."""

import dataclasses
import json
from pathlib import Path

import pytest

from phi1_lib.config import PRESETS
from phi1_lib.shipped import NANO, fingerprint, load_result, recipe

REMEDY = "run `make nano-artifacts` and commit what it writes"


@pytest.fixture(scope="module")
def todays_fingerprint():
    return fingerprint()


@pytest.mark.parametrize(
    "part", ["preset", "labels", "statistics", "exercises", "tokenizer", "training"]
)
def test_recipe_is_unchanged(part, todays_fingerprint):
    recorded = json.loads((NANO / "fingerprint.json").read_text())
    assert todays_fingerprint[part] == recorded[part], (
        f"{part}: the code no longer does what it did when nano was made; {REMEDY}"
    )


def test_recipe_differs_from_the_preset_in_precision_alone():
    """A learner's own run may be in bf16; what ships is what every machine can make again."""
    preset, ours = dataclasses.asdict(PRESETS["nano"]), dataclasses.asdict(recipe())
    for stage in ("pretrain", "finetune"):
        assert (preset[stage].pop("precision"), ours[stage].pop("precision")) == ("auto", "fp32")
    assert preset == ours


def test_record_is_of_this_recipe():
    expected = json.loads(json.dumps(dataclasses.asdict(recipe())))
    assert load_result()["preset"] == expected, REMEDY


def test_finetuned_model_writes_what_the_record_holds():
    from phi1_lib.data.exercises.generate import generate_exercises
    from phi1_lib.data.jsonl import read_jsonl
    from phi1_lib.evaluation.completions import complete
    from phi1_lib.evaluation.table import EXERCISE_NEW_TOKENS
    from phi1_lib.model import Phi
    from phi1_lib.tokenizer import Tokenizer

    data = recipe().data
    _, test = generate_exercises(data.train_exercises, data.test_exercises, seed=data.seed)
    folder = NANO / "finetuned"
    completions, _ = complete(
        Phi.from_pretrained(folder),
        Tokenizer.load(folder / "tokenizer.json"),
        test[:40],
        EXERCISE_NEW_TOKENS,
    )
    recorded = {
        row["task_id"]: row["completion"]
        for row in read_jsonl(NANO / "samples_finetuned_exercises.jsonl")
    }
    same = sum(completions[p.task_id][0] == recorded[p.task_id] for p in test[:40])
    # Another machine's rounding may turn a token or two; another model would turn most.
    assert same >= 38, REMEDY


def test_finetuned_solves_well_over_half_of_the_held_out_exercises():
    rows = {row["model"]: row["exercises"] for row in load_result()["stages"]["evaluate"]["rows"]}
    assert rows["finetuned"]["low"] > 0.5
    for baseline in ("nearest training solution", "pretrained only", "untrained"):
        assert rows["finetuned"]["low"] > rows[baseline]["high"]


def test_readme_quotes_the_record():
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    for row in load_result()["stages"]["evaluate"]["rows"]:
        cells = [
            f"{s['passed']} of {s['total']} ({100 * s['low']:.1f} to {100 * s['high']:.1f} %)"
            for s in (row["humaneval"], row["exercises"])
        ]
        assert " | ".join(cells) in readme, f"README's table: the row of {row['model']!r}"


def test_finetuned_generates_the_same_under_transformers():
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from phi1_lib.generation import generate
    from phi1_lib.model import Phi

    folder = NANO / "finetuned"
    theirs = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompt = (
        'def sum_even(numbers: list[int]) -> int:\n    """Return the sum of the even numbers."""'
    )
    ids = tokenizer(prompt)["input_ids"]
    expected = theirs.generate(torch.tensor([ids]), max_new_tokens=60, do_sample=False)
    [ours] = generate(Phi.from_pretrained(folder), [ids], 60)
    new = expected[0, len(ids) :].tolist()
    assert ours == [i for i in new if i != tokenizer.eos_token_id]
    assert len(ours) > 10
