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


def test_the_precisions_of_nano():
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    record = json.loads((ROOT / "benchmarks" / "results" / "precision.json").read_text("utf-8"))
    assert [(arm["precision"], arm["seed"]) for arm in record["arms"]] == [
        *(("fp32", 0), ("fp32", 1), ("bf16", 0), ("bf16", 1))
    ]
    assert {row["total"] for row in record["exercises"]} == {200}
    fp32, fp32_again, bf16, bf16_again = (row["passed"] for row in record["exercises"])
    assert (
        f"float32 solves {fp32} and {fp32_again} of the 200 exercises from two seeds, bfloat16 "
        f"{bf16} and {bf16_again}" in text
    )
    apart = [stage["apart_at_most"] for stage in record["stages"].values()]
    precisions = max(stage["bf16 from fp32"] for stage in apart)
    seeds = max(stage["seed 1 from seed 0"] for stage in apart)
    assert (
        f"as means of 50 steps, lie {precisions:.4f} nats apart at most, those of the two seeds "
        f"{seeds:.4f}" in text
    )


def test_the_speeds_of_the_model():
    """Each cell of the table is the record's, ours over each peer."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    record = json.loads((ROOT / "benchmarks" / "results" / "model.json").read_text("utf-8"))
    cases = record["cases"]

    def cells(*rows):
        return " | ".join(
            ", ".join(f"{row['phi1_lib_over'][peer]:.2f}" for row in rows)
            for peer in ("transformers", "litgpt")
        )

    for name, case in cases.items():
        fp32, bf16, fp32_compiled, bf16_compiled, _ = case["training"]
        assert (fp32["dtype"], bf16_compiled["dtype"], bf16_compiled["compiled"]) == (
            *("fp32", "bf16", True),
        )
        step = f"| training step, `{name}`: float32, bfloat16 | {cells(fp32, bf16)} |"
        assert f"{step}\n| the same, compiled | {cells(fp32_compiled, bf16_compiled)} |" in text
        for dtype, rows in (("float32", case["decoding"][:2]), ("bfloat16", case["decoding"][2:])):
            assert [row["batch"] for row in rows] == [1, 8]
            decoding = f"| greedy decoding, `{name}`, {dtype}: 1 text, 8 texts | {cells(*rows)} |"
            assert decoding in text
    defaults = [case["training"][-1] for case in cases.values()]
    assert [row["settings"] for row in defaults] == ["default", "default"]
    settings = "| training step at each one's default settings: `nano`, `mini` | "
    assert f"{settings}{cells(*defaults)} |" in text
    gains = [case["phi1_lib_bf16_over_fp32"] for case in cases.values()]
    apart = max(gain["losses_apart_at_most"] for gain in gains)
    nano, mini = (gain["tokens_per_s"] for gain in gains)
    words = " ".join(text.split())
    assert f"{nano:.2f} times as fast here for `nano` and {mini:.2f} times for `mini`" in words
    one = [row["phi1_lib_over"]["litgpt"] for c in cases.values() for row in c["decoding"][::2]]
    assert f"Decoding one text is slower than in litgpt ({min(one):.2f} to {max(one):.2f})" in words
    assert f"losses that agree to {apart:.4f} nats" in words
