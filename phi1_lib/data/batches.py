"""Training sequences out of shards, in an order that needs no memory of what went before.

Batch n is a function of the seed and n alone. To resume a run exactly, the number of the next
sequence is all there is to save.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from phi1_lib.data.shards import INDEX

_CHUNK = 2**22  # bytes read at a time while checking: 4 MiB


class TokenDataset:
    """A folder of shards (`phi1_lib.data.shards.write_shards`) as sequences for training.

    Sequence i is the T + 1 ids from i * T on, T = `context_length`: T inputs and, one further, T
    targets. Its last id is the first of sequence i + 1, so each id is a target once; only the ids
    after the last whole sequence are left out.

    Opening reads every shard once, to compare its checksum. After that the files are memory-mapped:
    only what a batch needs is read, and processes on one machine share the pages.

    Attributes:
        context_length: T.
        tokens: ids in all shards.
        sequences: sequences of one epoch.
        end_of_text_id, vocab_size: of the tokenizer that made the ids.
    """

    def __init__(
        self,
        folder: str | Path,
        context_length: int,
        seed: int = 0,
        *,
        remake: str = "phi1 data PRESET",
    ) -> None:
        """Open and check a folder of shards.

        Args:
            folder: holds `index.json` and the shards.
            context_length: ids that the model sees at once (T).
            seed: chooses the order of every epoch.
            remake: the command that makes the shards again, for the messages of errors.

        Raises:
            ValueError: the index or a shard is missing or damaged (the file is named), an id is
                outside the vocabulary, the corpus is shorter than one sequence, or an argument
                breaks its rule.
        """
        if context_length < 1:
            raise ValueError(f"context_length={context_length}: must be at least 1")
        if seed < 0:
            raise ValueError(f"seed={seed}: must be at least 0")
        folder = Path(folder)
        index = _read_index(folder, remake)
        dtype = np.dtype(index["dtype"]).newbyteorder("<")
        self._shards = [
            _open_shard(folder, shard, dtype, index["vocab_size"], remake)
            for shard in index["shards"]
        ]
        self._starts = np.cumsum([0, *(len(shard) for shard in self._shards)])
        self.context_length = context_length
        self.seed = seed
        self.tokens = int(self._starts[-1])
        self.end_of_text_id: int = index["end_of_text_id"]
        self.vocab_size: int = index["vocab_size"]
        self.sequences = (self.tokens - 1) // context_length
        if self.sequences < 1:
            raise ValueError(
                f"{folder} holds {self.tokens} tokens, one sequence needs "
                f"context_length + 1 = {context_length + 1}: take more text, or a shorter context"
            )
        self._epoch: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        """Return the number of sequences of one epoch."""
        return self.sequences

    def sequence(self, i: int) -> np.ndarray:
        """Return sequence i in the order of the corpus: ids, int64 (T + 1,).

        Raises:
            IndexError: there is no sequence i.
        """
        if not 0 <= i < self.sequences:
            raise IndexError(f"sequence {i}: there are {self.sequences}")
        first = i * self.context_length
        return self._read(first, first + self.context_length + 1)

    def batch(self, start: int, count: int) -> np.ndarray:
        """Return `count` sequences of an endless order from `start` on: int64 (count, T + 1).

        Every epoch goes through all sequences once, each in a new order. A batch may span two
        epochs. The result depends on seed, start and count only (and on numpy's generator, whose
        streams its authors keep stable within a version).

        Raises:
            ValueError: `start` is negative or `count` below 1.
        """
        if start < 0 or count < 1:
            raise ValueError(f"start={start}, count={count}: must be at least 0 and at least 1")
        rows = []
        for position in range(start, start + count):
            epoch, i = divmod(position, self.sequences)
            rows.append(self.sequence(int(self._order(epoch)[i])))
        return np.stack(rows)

    def _order(self, epoch: int) -> np.ndarray:
        """Return the order of an epoch, a permutation of the sequences; the latest is kept."""
        if self._epoch is None or self._epoch[0] != epoch:
            generator = np.random.default_rng([self.seed, epoch])
            self._epoch = (epoch, generator.permutation(self.sequences))
        return self._epoch[1]

    def _read(self, first: int, last: int) -> np.ndarray:
        """Return ids first to last of the corpus, across the borders of shards."""
        pieces = []
        shard = int(np.searchsorted(self._starts, first, side="right")) - 1
        while first < last:
            begin, end = self._starts[shard], min(self._starts[shard + 1], last)
            pieces.append(self._shards[shard][first - begin : end - begin])
            first, shard = end, shard + 1
        return np.concatenate(pieces).astype(np.int64)


def _read_index(folder: Path, remake: str) -> dict[str, Any]:
    path = folder / INDEX
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        if index["dtype"] not in ("uint16", "uint32"):
            raise ValueError("unknown dtype")
        for key in ("vocab_size", "end_of_text_id"):
            index[key] = int(index[key])
        if not all({"file", "tokens", "sha256"} <= shard.keys() for shard in index["shards"]):
            raise ValueError("a shard without name, length or checksum")
    except FileNotFoundError:
        raise ValueError(f"{path} is missing; make the shards with: {remake}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{path} is damaged; make the shards again with: {remake}") from None
    return index


def _open_shard(
    folder: Path, shard: dict[str, Any], dtype: np.dtype, vocab_size: int, remake: str
) -> np.ndarray:
    """Map a shard into memory, after comparing its length, checksum and ids with the index."""
    path = folder / shard["file"]
    if not path.is_file():
        raise ValueError(f"{path} is missing; make the shards again with: {remake}")
    length = shard["tokens"] * dtype.itemsize
    if path.stat().st_size != length:
        raise ValueError(
            f"{path} has {path.stat().st_size} bytes, its index says {length}; "
            f"make the shards again with: {remake}"
        )
    digest, largest = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while data := file.read(_CHUNK):
            digest.update(data)
            largest = max(largest, int(np.frombuffer(data, dtype).max()))
    if digest.hexdigest() != shard["sha256"]:
        raise ValueError(
            f"{path} has a wrong checksum: it changed since it was written; "
            f"make the shards again with: {remake}"
        )
    if largest >= vocab_size:
        raise ValueError(
            f"{path} holds id {largest}, the vocabulary ends at {vocab_size - 1}; "
            f"make the shards again with: {remake}"
        )
    return np.memmap(path, dtype=dtype, mode="r")
