"""How long do training a tokenizer and encoding take, beside others, and in how much memory?

    python benchmarks/tokenizer.py [--gpt2 FOLDER]

Trains on the first megabytes of the local corpus with this library, with Hugging Face's
`tokenizers` on one core, and as simply as BPE can be written; then encodes later files of the
corpus with this library, tiktoken and `tokenizers`. The implementations take turns, each
measurement in a process of its own; figures are medians. `cpu_s` is processor time, `peak_mb` the
process's peak memory, `before_mb` that peak when the clock starts (packages, texts and vocabulary
loaded); worker processes are apart from these. Where the rules coincide, merges and ids are checked
to be the same.

Prints the report and writes it to benchmarks/results/tokenizer.json, in about a quarter of an hour
on two quiet cores. `--gpt2` names a folder with GPT-2's vocab.json and merges.txt, to encode with
them too; `--quick` rehearses on 1 MB and writes nothing.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from record import conditions, write_result
from tokenizer_parts.encoding import encode_one_letter, encode_with, write_gpt2
from tokenizer_parts.measuring import Report, alone, ratio
from tokenizer_parts.training import TWO_WORKERS, compare_training, train_and_compare_merges

from phi1_lib.data.local import local_corpus
from phi1_lib.tokenizer import pretokenize

MEASURED = ("phi1_lib/tokenizer", "benchmarks/tokenizer_parts")
PACKAGES = ("tokenizers", "tiktoken", "regex", "loky")
MEGABYTES = (1, 10, 50)
VOCAB_SIZES = (512, 4_096, 32_000)
REPEATS = {1: 5, 10: 5, 50: 3}  # megabytes -> how often each training is measured
# How often two workers, and the plain trainer, are measured: where it ends in a minute.
TWO_WORKERS_REPEATS = {(10, 32_000): 5, (50, 32_000): 3}
PLAIN_REPEATS = {(1, 512): 3, (10, 512): 3}
COUNTED = 20  # held-out files of which the tokens are counted after each training
ENCODER = (10, 32_000)  # megabytes and size of the vocabulary to encode with
ENCODED = 3  # megabytes
ENCODE_REPEATS = 5
LETTERS = (100_000, 1_000_000)


def write_texts(folder: Path, sizes: Sequence[int]) -> list[dict[str, int]]:
    """Write each text of the local corpus to a file; say what the first megabytes hold."""
    facts: list[dict[str, int]] = []
    pieces: Counter[str] = Counter()
    size = 0
    for number, document in enumerate(local_corpus(limit_mb=sizes[-1])):
        data = document.text.encode("utf-8")
        (folder / f"{number:06d}.txt").write_bytes(data)
        pieces.update(pretokenize(document.text))
        size += len(data)
        while len(facts) < len(sizes) and size >= sizes[len(facts)] * 1e6:
            counted = {"pieces": pieces.total(), "distinct_pieces": len(pieces)}
            facts.append({"files": number + 1, "bytes": size} | counted)
    if len(facts) < len(sizes):
        raise ValueError(
            f"the local corpus holds {size / 1e6:.1f} MB, and this takes {sizes[-1]}: take another "
            "environment, or lower MEGABYTES"
        )
    return facts


def trainings(
    folder: Path, corpus: dict[int, dict[str, int]], quick: bool
) -> dict[int, dict[int, Report]]:
    """Compare the trainers on each size of corpus, for each size of vocabulary."""
    paths = sorted(folder.glob("*.txt"))
    held_out = paths[[*corpus.values()][-1]["files"] :][:COUNTED]
    report: dict[int, dict[int, Report]] = {}
    for mb, facts in corpus.items():
        report[mb] = {}
        for vocab_size in VOCAB_SIZES:
            say(f"training on {mb} MB to {vocab_size} ids")
            turns = dict.fromkeys(("ours", "tokenizers"), REPEATS[mb])
            turns[TWO_WORKERS] = TWO_WORKERS_REPEATS.get((mb, vocab_size), 0)
            turns["plain"] = PLAIN_REPEATS.get((mb, vocab_size), 0)
            turns = {who: 1 if quick else number for who, number in turns.items() if number}
            found = compare_training(paths[: facts["files"]], vocab_size, held_out, turns)
            if "cost" in found and "plain" not in turns:
                why = (
                    f"too slow for this benchmark: {vocab_size - 256} merges, and before each the "
                    f"pairs of {facts['distinct_pieces']} different pieces counted again"
                )
                found["cost"]["plain"] = {"not_run": why}
            report[mb][vocab_size] = found
    return report


def per_byte_growth(
    corpus: dict[int, dict[str, int]], training: dict[int, dict[int, Report]]
) -> Report:
    """How much more each byte costs in the largest corpus than in the one before."""
    less, more = [*corpus][-2:]
    bytes_more = corpus[more]["bytes"] / corpus[less]["bytes"]
    growth = {
        who: {
            size: round(
                ratio(training[more][size]["cost"][who], training[less][size]["cost"][who])
                / bytes_more,
                2,
            )
            for size in VOCAB_SIZES
        }
        for who in ("ours", "tokenizers")
    }
    return {"from_mb": less, "to_mb": more} | growth


def measure(folder: Path, gpt2: Path | None, quick: bool) -> Report:
    """Return the report without its conditions."""
    say("writing the texts")
    megabytes = MEGABYTES[:1] if quick else MEGABYTES
    facts = alone(write_texts, folder, [*megabytes, megabytes[-1] + (1 if quick else ENCODED)])
    corpus = dict(zip(megabytes, facts, strict=False))
    training = trainings(folder, corpus, quick)
    report: Report = {"corpus": corpus, "training": training}
    if not quick:
        report["per_byte_growth"] = per_byte_growth(corpus, training)

    mb, vocab_size = (1, 4_096) if quick else ENCODER
    say(f"the merges of {mb} MB to {vocab_size} ids, beside those of tokenizers")
    paths = sorted(folder.glob("*.txt"))
    trained = folder / "trained.json"
    merges = alone(train_and_compare_merges, paths[: corpus[mb]["files"]], vocab_size, trained)
    report["merges_equal_to_tokenizers"] = {"megabytes": mb, "merges": merges}

    vocabularies = {f"trained_{vocab_size}": trained}
    vocabularies |= alone(write_gpt2, folder, gpt2) if gpt2 else {}
    held_out = paths[corpus[megabytes[-1]]["files"] :]
    repeats = 1 if quick else ENCODE_REPEATS
    report["encoding"] = {}
    for name, path in vocabularies.items():
        say(f"encoding with the vocabulary {name}")
        report["encoding"][name] = encode_with(path, held_out, repeats, name == "codegen")
    say("encoding one letter")
    report["encoding_one_letter"] = encode_one_letter(trained, folder, LETTERS, repeats)
    return report


def say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gpt2", type=Path, metavar="FOLDER", help="with GPT-2's two files")
    parser.add_argument("--quick", action="store_true", help="1 MB, once; write nothing")
    options = parser.parse_args()
    report = conditions(__file__, MEASURED, PACKAGES)
    with tempfile.TemporaryDirectory() as folder:
        report |= measure(Path(folder), options.gpt2, options.quick)
    if options.quick:
        print(json.dumps(report, indent=2))
    else:
        write_result("tokenizer", report)


if __name__ == "__main__":
    main()
