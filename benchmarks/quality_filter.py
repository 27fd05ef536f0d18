"""How well does the quality filter rank code it has not seen, and how fast?

    python benchmarks/quality_filter.py

Resolves the labels in this environment, cross-validates the filter and its baselines with folds
grouped by distribution, times the scoring of 30 MB of the local corpus, prints the report, and
writes it to benchmarks/results/quality_filter.json. Also rewrites phi1_lib/data/labels/README.md.
"""

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from record import conditions, write_result

from phi1_lib.data.labels import (
    LABELS,
    LabelledSnippet,
    agreement,
    describe_labels,
    load_labels,
    resolve_labels,
)
from phi1_lib.data.local import local_corpus
from phi1_lib.data.quality import (
    CrossValidation,
    LengthOnly,
    QualityFilter,
    cross_validate,
    is_educational,
    percentile_interval,
)
from phi1_lib.data.snippets import split_snippets

ROOT = Path(__file__).resolve().parents[1]
SEED = 0
SHUFFLES = 20
MEASURED = ("phi1_lib",)
PACKAGES = ("scikit-learn", "numpy", "scipy")


def _figures(result: CrossValidation) -> dict[str, Any]:
    return {
        "auc_uniform": round(result.auc, 3),
        "auc_uniform_interval_95": [round(bound, 3) for bound in result.interval],
        "auc_all": round(result.auc_all, 3),
    }


def compare(snippets: Sequence[LabelledSnippet]) -> dict[str, Any]:
    """Cross-validate the filter, the length-only baseline and shuffled labels."""
    quality = cross_validate(snippets, seed=SEED)
    length = cross_validate(snippets, LengthOnly, seed=SEED)
    shuffled = np.array(
        [
            cross_validate(snippets, seed=seed, shuffle_labels=True, resamples=1).auc
            for seed in range(SHUFFLES)
        ]
    )
    other_folds = [cross_validate(snippets, seed=seed, resamples=1).auc for seed in range(1, 5)]
    gain = percentile_interval(quality.resampled - length.resampled)
    return {
        "filter": _figures(quality),
        "filter_other_fold_seeds_auc_uniform": [round(value, 3) for value in other_folds],
        "length_only": _figures(length),
        "filter_minus_length_only_interval_95": [round(bound, 3) for bound in gain],
        "shuffled_labels": {
            "shuffles": SHUFFLES,
            "auc_uniform_mean": round(float(shuffled.mean()), 3),
            "auc_uniform_range_95": [round(b, 3) for b in percentile_interval(shuffled)],
        },
    }


def time_scoring(snippets: Sequence[LabelledSnippet], megabytes: float) -> dict[str, Any]:
    """Time fitting, and scoring of the first megabytes of the local corpus."""
    files = local_corpus(limit_mb=megabytes)
    texts = [snippet.text for file in files for snippet in split_snippets(file)]
    start = time.perf_counter()
    labels = [snippet.label for snippet in snippets]
    scorer = QualityFilter(seed=SEED).fit([snippet.text for snippet in snippets], labels)
    fitted = time.perf_counter()
    cpu = time.process_time()
    scores = scorer.score(texts)
    return {
        "fit_seconds": round(fitted - start, 2),
        "snippets": len(texts),
        "megabytes": round(sum(len(text.encode("utf-8")) for text in texts) / 1e6, 1),
        "score_seconds": round(time.perf_counter() - fitted, 1),
        "score_cpu_seconds": round(time.process_time() - cpu, 1),
        "share_scored_above_half": round(float((scores > 0.5).mean()), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--megabytes", type=float, default=30, help="of the local corpus to score (default: 30)"
    )
    options = parser.parse_args()
    labels = load_labels()
    snippets, unresolved = resolve_labels(labels)
    uniform = [snippet for snippet in snippets if snippet.reference.stratum == "uniform"]
    report = conditions(__file__, MEASURED, PACKAGES) | {
        "seed": SEED,
        "labels": {
            "all": len(labels),
            "resolved": len(snippets),
            "unresolved": dict(Counter(reason for _, reason in unresolved)),
            "distributions": len({snippet.reference.distribution for snippet in snippets}),
            "uniform": len(uniform),
            "uniform_educational": int(is_educational([s.label for s in uniform]).sum()),
        },
        "agreement_of_two_passes": {k: round(v, 3) for k, v in agreement(labels).items()},
        "cross_validation": {"folds": 5, "grouped_by": "distribution"} | compare(snippets),
        "scoring": time_scoring(snippets, options.megabytes),
    }
    write_result("quality_filter", report)
    LABELS.with_name("README.md").write_text(describe_labels(labels), encoding="utf-8")


if __name__ == "__main__":
    main()
