"""The recorded tokens a line are those that GPT-2's files give, and the measure means what it says.

Oracles: the record that chapter 01 shows, measured again; a small text counted by hand; training
to the smaller size itself.
"""

import importlib
import json
from pathlib import Path

import pytest

from phi1_lib.tokenizer import Tokenizer

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "benchmarks" / "results" / "tokens_per_line.json"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("tokens_per_line")


@pytest.fixture
def record():
    return json.loads(RECORD.read_text(encoding="utf-8"))


@pytest.fixture
def gpt2_folder(request):
    folder = request.config.getoption("--gpt2-vocab")
    if folder is None:
        pytest.skip("GPT-2's vocabulary files are not here; give their folder with --gpt2-vocab")
    return Path(folder)


def test_the_record_of_gpt2_and_codegen_is_what_their_files_give(benchmark, record, gpt2_folder):
    fresh = benchmark.measure_published(gpt2_folder / "vocab.json", gpt2_folder / "merges.txt")
    assert fresh == {part: record[part] for part in fresh}


def test_the_record_holds_every_size_and_names_no_folder(benchmark, record):
    assert list(record["ours"]) == [str(size) for size in benchmark.SIZES]
    assert all(int(size) == row["vocab_size"] for size, row in record["ours"].items())
    rows = [*record["ours"].values(), *record["published"].values()]
    lines = record["text"]["lines"]
    assert all(row["tokens_per_line"] == round(row["tokens"] / lines, 2) for row in rows)
    assert record["command"].endswith("--gpt2 FOLDER")


def test_a_line_counts_its_tokens_and_those_of_whitespace(benchmark):
    bytes_only = Tokenizer([bytes([byte]) for byte in range(256)], merges=())
    row = benchmark.per_line(bytes_only, ["a b\n", "  c\nd\n"])
    assert (row["tokens"], row["tokens_per_line"]) == (10, 3.33)
    assert (row["whitespace_tokens"], row["whitespace_tokens_per_line"]) == (6, 2.0)


def test_cutting_back_gives_the_smaller_training(benchmark):
    texts = ["def mean(values):\n    return sum(values) / len(values)\n"] * 2
    small, large = (Tokenizer.train(texts, size) for size in (262, 270))
    cut = benchmark.cut_back(large, 262)
    assert cut.merges == small.merges
    assert cut.encode(texts[0]) == small.encode(texts[0]) != large.encode(texts[0])


def test_a_prompt_may_end_at_four_places(benchmark):
    problem = {"prompt": 'def f(x):\n    """Add."""\n', "canonical_solution": "    return x\n"}
    text = benchmark.whole(problem)
    ends = {name: text[:place] for name, place in benchmark.places(problem).items()}
    assert [end.removeprefix("def f(x):\n    ") for end in ends.values()] == [
        '"""Add."""',
        '"""Add."""\n',
        '"""Add."""\n    ',
        '"""Add."""\n    return ',
    ]
