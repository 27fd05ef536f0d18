"""Encoding a corpus: text after text, in order, a few of them in memory at a time."""

import pickle
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache, partial
from itertools import compress
from typing import TYPE_CHECKING

from phi1_lib.tokenizer.corpus import batches, map_batches
from phi1_lib.tokenizer.fast import RustEncoder
from phi1_lib.tokenizer.pretokenize import reject_lone_surrogates
from phi1_lib.tokenizer.special import match_longest

if TYPE_CHECKING:
    from phi1_lib.tokenizer.tokenizer import Tokenizer

Texts = tuple[int, list[str]]  # the first one's number, and the texts


def encode_in_python(
    tokenizer: "Tokenizer", texts: Iterable[str], allowed: Collection[str], workers: int
) -> Iterator[list[int]]:
    """`Tokenizer.encode_stream` with this library's own encoder, in any number of processes."""
    if workers == 1:
        encode = partial(_encode_batch, tokenizer, allowed)
    else:
        encode = partial(_encode_in_worker, pickle.dumps(tokenizer), tuple(allowed))
    for ids in map_batches(encode, batches(texts), workers):
        yield from ids


def _encode_batch(
    tokenizer: "Tokenizer", allowed: Collection[str], batch: Texts
) -> list[list[int]]:
    _reject_lone_surrogates(batch)
    return [tokenizer.encode(text, allowed) for text in batch[1]]


def _encode_in_worker(tokenizer: bytes, allowed: Collection[str], batch: Texts) -> list[list[int]]:
    return _encode_batch(_unpickled(tokenizer), allowed, batch)


@lru_cache(maxsize=1)
def _unpickled(tokenizer: bytes) -> "Tokenizer":
    """A worker's own tokenizer, kept from batch to batch with what its cache has learned."""
    return pickle.loads(tokenizer)


def _reject_lone_surrogates(batch: Texts) -> None:
    first, texts = batch
    for number, text in enumerate(texts, start=first):
        reject_lone_surrogates(text, f"text {number}")


def encode_in_rust(
    tokenizer: "Tokenizer", encoder: RustEncoder, texts: Iterable[str], allowed: Collection[str]
) -> Iterator[list[int]]:
    """`Tokenizer.encode_stream` with the Rust encoder.

    A text is left to Python if an allowed special token stands in it, or if it holds a character on
    which the two Unicode tables disagree. Both are rare in a corpus.
    """
    special = match_longest(allowed)
    for batch in batches(texts):
        _reject_lone_surrogates(batch)
        _, taken = batch
        plain = [encoder.agrees(text) and not (special and special.search(text)) for text in taken]
        in_rust = iter(encoder.encode(list(compress(taken, plain))))
        for text, is_plain in zip(taken, plain, strict=True):
            yield next(in_rust) if is_plain else tokenizer.encode(text, allowed)
