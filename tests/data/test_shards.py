"""Shards on disk. Oracles: the plain concatenation, numpy's own reading, the sha256sum format."""

import hashlib
import json

import numpy as np
import pytest

from phi1_lib.data.shards import write_shards

DOCUMENTS = [[1, 2, 3], [], [4] * 10, [5, 6]]
CONCATENATED = [1, 2, 3, 0, 0, *[4] * 10, 0, 5, 6, 0]


def write(folder, documents=DOCUMENTS, **changes):
    options = {"end_of_text_id": 0, "vocab_size": 7, "tokens_per_shard": 8, **changes}
    return write_shards(iter(documents), folder, **options)


@pytest.mark.parametrize("tokens_per_shard", [1, 3, 4, 7, 8, 19, 1000])
def test_shards_hold_the_concatenation(tmp_path, tokens_per_shard):
    write(tmp_path / "s", tokens_per_shard=tokens_per_shard)
    files = sorted((tmp_path / "s").glob("shard_*.bin"))
    ids = [np.fromfile(file, dtype="<u2").tolist() for file in files]
    assert [id for shard in ids for id in shard] == CONCATENATED
    assert all(len(shard) == tokens_per_shard for shard in ids[:-1])
    assert 0 < len(ids[-1]) <= tokens_per_shard


def test_the_index_describes_what_is_there(tmp_path):
    index = write(tmp_path / "s")
    assert json.loads((tmp_path / "s" / "index.json").read_text()) == index
    shards = index.pop("shards")
    assert index == {
        "dtype": "uint16",
        "vocab_size": 7,
        "end_of_text_id": 0,
        "tokens": 19,
        "documents": 4,
    }
    assert [shard["tokens"] for shard in shards] == [8, 8, 3]
    for shard in shards:
        data = (tmp_path / "s" / shard["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == shard["sha256"]
    assert sorted(p.name for p in (tmp_path / "s").iterdir()) == [
        "index.json",
        *(shard["file"] for shard in shards),
    ]


def test_a_document_longer_than_several_shards(tmp_path):
    index = write(tmp_path / "s", [list(range(1, 7)) * 10])
    assert [shard["tokens"] for shard in index["shards"]] == [8] * 7 + [5]


@pytest.mark.parametrize(("vocab_size", "dtype"), [(65_536, "uint16"), (65_537, "uint32")])
def test_the_largest_id_fits(tmp_path, vocab_size, dtype):
    index = write(tmp_path / "s", [[vocab_size - 1]], vocab_size=vocab_size)
    assert index["dtype"] == dtype
    data = (tmp_path / "s" / "shard_00000.bin").read_bytes()
    width = np.dtype(dtype).itemsize
    assert int.from_bytes(data[:width], "little") == vocab_size - 1


def test_no_temporary_name_stays(tmp_path):
    write(tmp_path / "s")
    write(tmp_path / "s", [[1]])
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    assert len(list((tmp_path / "s").iterdir())) == 2


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_old_folder_alone(tmp_path, error):
    write(tmp_path / "s")
    before = (tmp_path / "s" / "index.json").read_bytes()

    def interrupted():
        yield [1] * 20
        assert (tmp_path / "s.partial").is_dir()
        raise error

    with pytest.raises(error):
        write(tmp_path / "s", interrupted())
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    assert (tmp_path / "s" / "index.json").read_bytes() == before


def test_what_a_killed_run_left_is_cleared(tmp_path):
    (tmp_path / "s.partial").mkdir()
    (tmp_path / "s.partial" / "shard_00009.bin").write_bytes(b"xx")
    write(tmp_path / "s")
    assert not (tmp_path / "s" / "shard_00009.bin").exists()


@pytest.mark.parametrize("wrong", [7, -1])
def test_ids_outside_the_vocabulary_are_refused(tmp_path, wrong):
    message = f"document 1: id {wrong} is outside the vocabulary"
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "s", [[1], [2, wrong]])
    with pytest.raises(ValueError, match=f"end_of_text_id: id {wrong} is outside"):
        write(tmp_path / "s", end_of_text_id=wrong)
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_write_is_refused(tmp_path):
    with pytest.raises(ValueError, match="there are no documents"):
        write(tmp_path / "s", [])
    with pytest.raises(ValueError, match="tokens_per_shard=0"):
        write(tmp_path / "s", tokens_per_shard=0)
