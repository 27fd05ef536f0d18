"""Training: this library, `tokenizers` on one core, and BPE written as simply as can be."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

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
from tokenizers import models, pre_tokenizers, trainers

from phi1_lib.tokenizer import Tokenizer, pretokenize

TWO_WORKERS = "ours, workers=2"


def plain_merges(paths: Sequence[Path], vocab_size: int) -> list[tuple[int, int]]:
    """Learn merges as a first program does: before each, every pair is counted from nothing."""
    pieces = Counter(piece for text in read(paths) for piece in pretokenize(text))
    words = [(list(piece.encode("utf-8")), count) for piece, count in pieces.items()]
    merges = []
    for new_id in range(256, vocab_size):
        counts: Counter[tuple[int, int]] = Counter()
        for word, count in words:
            for pair in pairwise(word):
                counts[pair] += count
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        words = [(plain_join(word, best, new_id), count) for word, count in words]
    return merges


def plain_join(word: list[int], pair: tuple[int, int], new_id: int) -> list[int]:
    joined = []
    i = 0
    while i < len(word):
        if tuple(word[i : i + 2]) == pair:
            joined.append(new_id)
            i += 2
        else:
            joined.append(word[i])
            i += 1
    return joined


def train_tokenizers(paths: Sequence[Path], vocab_size: int) -> tokenizers.Tokenizer:
    """Train Hugging Face's tokenizer, with GPT-2's pre-tokenisation and all 256 bytes."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = (path.read_text(encoding="utf-8") for path in paths)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def train(who: str, paths: Sequence[Path], vocab_size: int, held_out: Sequence[Path]) -> Run:
    """Measure one training; say also what came of it."""
    use_threads(1)
    if who == "plain":
        merges, run = timed(lambda: plain_merges(paths, vocab_size))
        return run | {"vocab_size": 256 + len(merges), "merges": _digest(merges)}
    if who == "tokenizers":
        theirs, run = timed(lambda: train_tokenizers(paths, vocab_size))
        tokens = sum(len(theirs.encode(text).ids) for text in read(held_out))
        return run | {"vocab_size": theirs.get_vocab_size(), "tokens_tokenizers": tokens}
    workers = 2 if who == TWO_WORKERS else 1
    ours, run = timed(lambda: Tokenizer.train(paths, vocab_size, workers=workers))
    run |= workers_peak() if workers > 1 else {}
    tokens = sum(len(ours.encode(text)) for text in read(held_out))
    found = {"merges": _digest(ours.merges), "tokens_ours": tokens}
    return run | {"vocab_size": ours.vocab_size} | found


def _digest(merges: Sequence[tuple[int, int]]) -> str:
    return hashlib.sha256(json.dumps(merges).encode()).hexdigest()


def compare_training(
    paths: Sequence[Path], vocab_size: int, held_out: Sequence[Path], repeats: dict[str, int]
) -> Report:
    """Measure trainers on the same texts; all must reach the size, and ours by the same merges."""
    try:
        runs = in_turn(train, repeats, paths, vocab_size, held_out)
    except ValueError as error:  # too little text for so many tokens
        return {"not_run": str(error)}
    assert agreed(runs, "vocab_size") == vocab_size
    agreed(runs, "merges")
    figures = {who: summary(found) for who, found in runs.items()}
    ratios = {"ours_over_tokenizers": ratio(figures["ours"], figures["tokenizers"])}
    if "plain" in figures:
        ratios["plain_over_ours"] = ratio(figures["plain"], figures["ours"])
    if TWO_WORKERS in figures:
        ratios["two_workers_over_one"] = ratio(figures[TWO_WORKERS], figures["ours"])
    tokens = {who: agreed(runs, f"tokens_{who}") for who in ("ours", "tokenizers")}
    return ratios | {"held_out_tokens": tokens, "cost": figures}


def train_and_compare_merges(paths: Sequence[Path], vocab_size: int, written: Path) -> int:
    """Save our vocabulary; return how many merges it has, all equal to those of `tokenizers`.

    Among equal counts both take the smaller ids first, but `tokenizers` has another order of the
    bytes. So here it gets each byte as one letter of an alphabet in the order of the bytes.
    """
    ours = Tokenizer.train(paths, vocab_size)
    ours.save(written)
    letters = [chr(0x4E00 + byte) for byte in range(256)]  # none is whitespace
    theirs = tokenizers.Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, initial_alphabet=letters, show_progress=False
    )
    lines = (
        " ".join("".join(letters[b] for b in piece.encode("utf-8")) for piece in pretokenize(text))
        for text in read(paths)
    )
    theirs.train_from_iterator(lines, trainer)
    ids = theirs.get_vocab()
    merges = json.loads(theirs.to_str())["model"]["merges"]
    assert [(ids[left], ids[right]) for left, right in merges] == list(ours.merges)
    return len(merges)
