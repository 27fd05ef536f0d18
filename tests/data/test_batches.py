"""Sequences and their order. Oracle: slices of the plain concatenation."""

import json

import numpy as np
import pytest

from phi1_lib.data.batches import TokenDataset
from phi1_lib.data.shards import write_shards

T = 5
DOCUMENTS = [list(range(1 + i, 1 + i + 7 * i % 23)) for i in range(20)]
CONCATENATED = np.array([id for document in DOCUMENTS for id in [*document, 0]])
SEQUENCES = (len(CONCATENATED) - 1) // T


@pytest.fixture(params=[1, 7, 64, 10_000], ids="{} tokens a shard".format)
def folder(tmp_path, request):
    options = {"end_of_text_id": 0, "vocab_size": 50, "tokens_per_shard": request.param}
    write_shards(DOCUMENTS, tmp_path / "shards", **options)
    return tmp_path / "shards"


@pytest.fixture
def small(tmp_path):
    write_shards(DOCUMENTS, tmp_path / "s", end_of_text_id=0, vocab_size=50, tokens_per_shard=64)
    return tmp_path / "s"


def test_sequences_are_slices_of_the_concatenation(folder):
    dataset = TokenDataset(folder, T)
    assert dataset.tokens == len(CONCATENATED)
    assert dataset.sequences == len(dataset) == SEQUENCES
    assert (dataset.end_of_text_id, dataset.vocab_size) == (0, 50)
    for i in range(SEQUENCES):
        sequence = dataset.sequence(i)
        assert sequence.dtype == np.int64
        np.testing.assert_array_equal(sequence, CONCATENATED[i * T : (i + 1) * T + 1])
    with pytest.raises(IndexError):
        dataset.sequence(SEQUENCES)
    with pytest.raises(IndexError):
        dataset.sequence(-1)


def test_the_order_of_sequences_does_not_depend_on_the_shards(folder, small):
    np.testing.assert_array_equal(
        TokenDataset(folder, T, seed=3).batch(0, 60), TokenDataset(small, T, seed=3).batch(0, 60)
    )


def rows(batch):
    return [tuple(row) for row in batch.tolist()]


@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_every_epoch_holds_each_sequence_once(small, epoch):
    dataset = TokenDataset(small, T)
    expected = [tuple(CONCATENATED[i * T : (i + 1) * T + 1].tolist()) for i in range(SEQUENCES)]
    batch = dataset.batch(epoch * SEQUENCES, SEQUENCES)
    assert batch.shape == (SEQUENCES, T + 1)
    assert batch.dtype == np.int64
    assert sorted(rows(batch)) == sorted(expected)
    assert rows(batch) != expected, "not shuffled"


def test_epochs_and_seeds_differ_in_order(small):
    dataset = TokenDataset(small, T)
    first = rows(dataset.batch(0, SEQUENCES))
    assert rows(dataset.batch(SEQUENCES, SEQUENCES)) != first
    assert rows(TokenDataset(small, T, seed=1).batch(0, SEQUENCES)) != first
    # Epoch 1 of seed 0 is not epoch 0 of seed 1.
    second = rows(dataset.batch(SEQUENCES, SEQUENCES))
    assert rows(TokenDataset(small, T, seed=1).batch(0, SEQUENCES)) != second


def test_resuming_needs_only_the_index(small):
    whole = TokenDataset(small, T, seed=2).batch(0, 3 * SEQUENCES)
    rng = np.random.default_rng(0)
    for start in [0, SEQUENCES - 1, SEQUENCES, *rng.integers(0, 2 * SEQUENCES, 10).tolist()]:
        resumed = TokenDataset(small, T, seed=2)
        np.testing.assert_array_equal(resumed.batch(start, 11), whole[start : start + 11])
    used = TokenDataset(small, T, seed=2)
    used.batch(2 * SEQUENCES, 4)  # what was asked before changes nothing
    np.testing.assert_array_equal(used.batch(0, 7), whole[:7])


def test_a_batch_is_the_callers_to_change(small):
    dataset = TokenDataset(small, T)
    before = dataset.batch(0, 4)
    changed = dataset.batch(0, 4)
    changed[:] = 0
    np.testing.assert_array_equal(dataset.batch(0, 4), before)


def test_a_changed_shard_is_named_with_the_remedy(small):
    path = small / "shard_00001.bin"
    data = bytearray(path.read_bytes())
    data[10] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="wrong checksum") as error:
        TokenDataset(small, T, remake="phi1 data nano")
    assert str(path) in str(error.value)
    assert str(error.value).endswith("make the shards again with: phi1 data nano")
    with pytest.raises(ValueError, match="phi1 data PRESET"):
        TokenDataset(small, T)


def test_a_shard_that_is_cut_or_gone_is_named(small):
    path = small / "shard_00000.bin"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(ValueError, match=r"shard_00000\.bin has 126 bytes, its index says 128"):
        TokenDataset(small, T)
    path.unlink()
    with pytest.raises(ValueError, match=r"shard_00000\.bin is missing"):
        TokenDataset(small, T)


NO_SUM = {"dtype": "uint16", "vocab_size": 9, "end_of_text_id": 0, "shards": [{"file": "a"}]}


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"dtype": "uint16"}', '{"dtype": "float64"}', json.dumps(NO_SUM)]
)
def test_a_damaged_index_is_named(small, content):
    (small / "index.json").write_text(content)
    with pytest.raises(ValueError, match=r"index\.json is damaged"):
        TokenDataset(small, T)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"missing.index\.json is missing; make the shards with:"):
        TokenDataset(tmp_path / "missing", T)


def test_ids_above_the_vocabulary_are_refused(small):
    index = json.loads((small / "index.json").read_text())
    largest = int(CONCATENATED.max())
    index["vocab_size"] = largest + 1
    (small / "index.json").write_text(json.dumps(index))
    TokenDataset(small, T)
    index["vocab_size"] = largest
    (small / "index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=f"holds id {largest}, the vocabulary ends at"):
        TokenDataset(small, T)


def test_a_corpus_shorter_than_one_sequence_is_refused(small):
    longest = len(CONCATENATED) - 1
    assert TokenDataset(small, longest).sequences == 1
    with pytest.raises(ValueError, match=f"one sequence needs context_length . 1 = {longest + 2}"):
        TokenDataset(small, longest + 1)


@pytest.mark.parametrize("arguments", [{"context_length": 0}, {"context_length": 5, "seed": -1}])
def test_arguments_are_checked(small, arguments):
    with pytest.raises(ValueError, match="must be at least"):
        TokenDataset(small, **arguments)


@pytest.mark.parametrize(("start", "count"), [(-1, 1), (0, 0)])
def test_batch_arguments_are_checked(small, start, count):
    with pytest.raises(ValueError, match=f"start={start}, count={count}"):
        TokenDataset(small, T).batch(start, count)
