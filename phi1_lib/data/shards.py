"""Token ids on disk: a folder of plain binary files, and an index that vouches for them.

`shard_00000.bin`, `shard_00001.bin`, ... hold one row of ids, cut anywhere, as little-endian uint16
(uint32 for vocabularies above 65,536). `index.json` holds what is needed to read them:

    {"dtype": "uint16", "vocab_size": 512, "end_of_text_id": 511, "tokens": 1000, "documents": 9,
     "shards": [{"file": "shard_00000.bin", "tokens": 1000, "sha256": "..."}]}
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from phi1_lib.data.packing import pack

INDEX = "index.json"
TOKENS_PER_SHARD = 2**26  # 128 MiB as uint16: large enough for disks, small enough to copy again


def write_shards(
    token_lists: Iterable[Sequence[int]],
    folder: str | Path,
    *,
    end_of_text_id: int,
    vocab_size: int,
    tokens_per_shard: int = TOKENS_PER_SHARD,
) -> dict[str, Any]:
    """Pack documents, each followed by the end-of-text id, into a folder of shards.

    The folder is written as "<name>.partial" and renamed at the end; an older folder of that name
    is replaced only then.

    Args:
        token_lists: the ids of one document after another.
        folder: where to write.
        end_of_text_id: put after each document.
        vocab_size: ids are below it.
        tokens_per_shard: ids in each file, the last one excepted.

    Returns:
        The index, as written to `index.json`.

    Raises:
        ValueError: an id is outside the vocabulary, there are no documents, or
            `tokens_per_shard` is below 1.
    """
    if tokens_per_shard < 1:
        raise ValueError(f"tokens_per_shard={tokens_per_shard}: must be at least 1")
    _check_ids(np.array([end_of_text_id]), vocab_size, "end_of_text_id")
    folder = Path(folder)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)  # left by a run that was killed
    partial.mkdir(parents=True)
    try:
        index = _write(token_lists, partial, end_of_text_id, vocab_size, tokens_per_shard)
        _replace_folder(partial, folder)
    except BaseException:  # Ctrl-C too
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return index


def token_dtype(vocab_size: int) -> np.dtype:
    """Return the little-endian integer type of a shard's ids."""
    return np.dtype("<u2" if vocab_size <= 2**16 else "<u4")


def _write(
    token_lists: Iterable[Sequence[int]],
    folder: Path,
    end_of_text_id: int,
    vocab_size: int,
    tokens_per_shard: int,
) -> dict[str, Any]:
    dtype = token_dtype(vocab_size)
    documents = 0

    def packed() -> Iterator[np.ndarray]:
        nonlocal documents
        for ids in pack(token_lists, end_of_text_id):
            _check_ids(ids, vocab_size, f"document {documents}")
            documents += 1
            yield ids

    shards = []
    for ids in _pieces(packed(), tokens_per_shard):
        data = ids.astype(dtype).tobytes()
        name = f"shard_{len(shards):05d}.bin"
        (folder / name).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        shards.append({"file": name, "tokens": len(ids), "sha256": digest})
    if not documents:
        raise ValueError("there are no documents to write")
    index = {
        "dtype": dtype.name,
        "vocab_size": vocab_size,
        "end_of_text_id": end_of_text_id,
        "tokens": sum(shard["tokens"] for shard in shards),
        "documents": documents,
        "shards": shards,
    }
    (folder / INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    return index


def _pieces(arrays: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Cut a stream of arrays anew, into pieces of `size` ids; the last is shorter."""
    waiting, count = [], 0
    for array in arrays:
        waiting.append(array)
        count += len(array)
        if count >= size:
            row = np.concatenate(waiting)
            cut = count - count % size
            for first in range(0, cut, size):
                yield row[first : first + size]
            waiting, count = [row[cut:]], count - cut
    if count:
        yield np.concatenate(waiting)


def _check_ids(ids: np.ndarray, vocab_size: int, what: str) -> None:
    if ids.min() < 0 or ids.max() >= vocab_size:
        wrong = ids[(ids < 0) | (ids >= vocab_size)][0]
        raise ValueError(f"{what}: id {wrong} is outside the vocabulary (0 to {vocab_size - 1})")


def _replace_folder(new: Path, folder: Path) -> None:
    """Give `new` the name `folder`, and only then remove what had that name before."""
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
