"""The measurements in README's prose are those of the recorded results."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_measurements_in_prose():
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    results = ROOT / "benchmarks" / "results"
    grading = json.loads((results / "grading.json").read_text(encoding="utf-8"))
    seconds, warm = grading["class"]["seconds"], grading["checks"]["median_warm_s"]
    assert f"A class of 100 took {seconds:.0f} s on two cores" in text
    assert f"one `%check` {warm:.2f} s once warm" in text
    assert grading["class"]["submissions"] == 100 and grading["cores"] == 2
    quality = json.loads((results / "quality_filter.json").read_text(encoding="utf-8"))
    for name in ("filter", "length_only"):
        scores = quality["cross_validation"][name]
        low, high = scores["auc_uniform_interval_95"]
        assert f"{scores['auc_uniform']:.2f} ({low:.2f} to {high:.2f})" in text
    tokenizer = json.loads((results / "tokenizer.json").read_text(encoding="utf-8"))
    training = tokenizer["training"]["10"]["32000"]["ours_over_tokenizers"]
    assert f"32,000 tokens in {training:.1f} times the time" in text
    encoding = tokenizer["encoding"]["trained_32000"]["encode_over_tiktoken"]["first"]
    assert f"encodes new text in {encoding:.1f} times the time of tiktoken" in text
    assert tokenizer["merges_equal_to_tokenizers"]["megabytes"] == 10
