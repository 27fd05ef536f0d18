"""Encoding: this library's Python and its batches, beside tiktoken and `tokenizers`."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import tiktoken
import tokenizers
from tokenizer_parts.measuring import (
    Report,
    Run,
    agreed,
    in_turn,
    ratio,
    read,
    summary,
    timed,
    use_threads,
    workers_peak,
)

from phi1_lib.tokenizer import Tokenizer
from phi1_lib.tokenizer.pretokenize import GPT2_PATTERN

Encode = Callable[[list[str]], list[list[int]]]


def our_encode(vocabulary: Path) -> Encode:
    tokenizer = Tokenizer.load(vocabulary)
    return lambda texts: [tokenizer.encode(text) for text in texts]


def our_batch(vocabulary: Path, **options: Any) -> Encode:
    tokenizer = Tokenizer.load(vocabulary)
    if not options:
        tokenizer.encode_batch([""])  # makes the Rust encoder, which the others here have too
    return partial(tokenizer.encode_batch, **options)


def tiktoken_ordinary(vocabulary: Path) -> Encode:
    tokenizer = Tokenizer.load(vocabulary)
    ordinary = set(range(tokenizer.vocab_size)) - {*tokenizer.special_tokens.values()}
    ranks = {tokenizer.token_bytes(i): i for i in ordinary}
    encoding = tiktoken.Encoding(
        "same vocabulary", pat_str=GPT2_PATTERN, mergeable_ranks=ranks, special_tokens={}
    )
    return lambda texts: [encoding.encode_ordinary(text) for text in texts]


def tokenizers_batch(vocabulary: Path, method: str) -> Encode:
    tokenizer = tokenizers.Tokenizer.from_file(str(vocabulary))
    tokenizer.encode_special_tokens = True  # special text is ordinary text, as in the others
    return lambda texts: [encoding.ids for encoding in getattr(tokenizer, method)(texts)]


BATCH = partial(tokenizers_batch, method="encode_batch")
BATCH_FAST = partial(tokenizers_batch, method="encode_batch_fast")
CORES = os.cpu_count() or 1
# Name -> what makes the encoder, the threads that `tokenizers` may use, our processes.
ENCODERS: dict[str, tuple[Callable[[Path], Encode], int, int]] = {
    "ours, encode": (our_encode, 1, 1),
    "tiktoken, encode_ordinary": (tiktoken_ordinary, 1, 1),
    "tokenizers, encode_batch, 1 thread": (BATCH, 1, 1),
    "ours, encode_batch": (our_batch, CORES, 1),
    "tokenizers, encode_batch": (BATCH, CORES, 1),
    "tokenizers, encode_batch_fast": (BATCH_FAST, CORES, 1),
    "ours, encode_batch(fast=False, workers=2)": (partial(our_batch, fast=False, workers=2), 1, 2),
}
OURS, TIKTOKEN, THEIRS_ALONE, OUR_BATCH, THEIR_BATCH, THEIR_BATCH_FAST, _ = ENCODERS


def encode(who: str, vocabulary: Path, paths: Sequence[Path]) -> Run:
    """Measure an encoder's first call, its caches empty, and a second one on the same texts."""
    make, threads, workers = ENCODERS[who]
    use_threads(threads)
    texts, call = read(paths), make(vocabulary)
    ids, first = timed(lambda: call(texts))
    again, second = timed(lambda: call(texts))
    ended = workers_peak() if workers > 1 else {}
    assert ids == again
    digest = hashlib.sha256(json.dumps(ids).encode()).hexdigest()
    found = {"ids": digest, "tokens": sum(map(len, ids))}
    return {"first": first | ended, "second": second | ended} | found


def compare_encoding(
    vocabulary: Path, paths: Sequence[Path], encoders: Sequence[str], repeats: int
) -> Report:
    """Measure encoders on the same texts, which must give the same ids."""
    runs = in_turn(encode, dict.fromkeys(encoders, repeats), vocabulary, paths)
    agreed(runs, "ids")
    size = sum(path.stat().st_size for path in paths)
    cost = {
        who: {call: summary([run[call] for run in found]) for call in ("first", "second")}
        for who, found in runs.items()
    }
    return {"bytes": size, "tokens": agreed(runs, "tokens"), "cost": cost}


def over(report: Report, one: str, other: str) -> dict[str, float]:
    """Return how many times as long `one` takes, in the first call and in the second."""
    cost = report["cost"]
    return {call: ratio(cost[one][call], cost[other][call]) for call in ("first", "second")}


def encode_with(vocabulary: Path, paths: Sequence[Path], repeats: int, codegen: bool) -> Report:
    """Compare the encoders, for CodeGen's vocabulary without tiktoken.

    tiktoken knows no tokens that are found in every text before pre-tokenisation, as CodeGen's
    whitespace is.
    """
    report = compare_encoding(
        vocabulary, paths, [who for who in ENCODERS if who != TIKTOKEN or not codegen], repeats
    )
    pairs = {
        "encode_over_tiktoken": (OURS, TIKTOKEN),
        "batch_over_tokenizers_batch": (OUR_BATCH, THEIR_BATCH),
        "batch_over_tokenizers_batch_fast": (OUR_BATCH, THEIR_BATCH_FAST),
    }
    ratios = {k: over(report, *pair) for k, pair in pairs.items() if {*pair} <= {*report["cost"]}}
    return ratios | report


def encode_one_letter(
    vocabulary: Path, folder: Path, lengths: tuple[int, int], repeats: int
) -> Report:
    """Encode one letter many times over: a piece as long as the text, a trap for slow rules."""
    report: Report = {}
    for length in lengths:
        path = folder / f"{length}.letters"
        path.write_text("a" * length, encoding="utf-8")
        one_core = (OURS, TIKTOKEN, THEIRS_ALONE)
        report[f"{length}_letters"] = compare_encoding(vocabulary, [path], one_core, repeats)
    short, long = (found["cost"] for found in report.values())
    growth = {who: ratio(long[who]["first"], short[who]["first"]) for who in short}
    by_letter = {who: round(g * lengths[0] / lengths[1], 2) for who, g in growth.items()}
    return {"per_letter_growth": by_letter} | report


def write_gpt2(folder: Path, gpt2: Path) -> dict[str, Path]:
    """Write GPT-2's vocabulary, and CodeGen's, in the form that all encoders read."""
    files = gpt2 / "vocab.json", gpt2 / "merges.txt"
    Tokenizer.from_files(*files).save(folder / "gpt2.json")
    Tokenizer.codegen(*files).save(folder / "codegen.json")
    return {name: folder / f"{name}.json" for name in ("gpt2", "codegen")}
