"""Finding GPT-2's two files. Oracle for the cache's layout: huggingface_hub's own look-up."""

import json

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import LocalEntryNotFoundError

from phi1_lib.tokenizer import gpt2_files
from phi1_lib.tokenizer.hub import REPOSITORIES

BOTH = ("vocab.json", "merges.txt")


def put(folder, names=BOTH):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(json.dumps(str(folder)))
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache in place of this machine's, and no network."""
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))

    def no_network(*args, **kwargs):
        raise AssertionError("asked for the network")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", no_network)
    return folder


def cached(cache, repository, names=BOTH):
    """A repository as the Hub's client keeps it: a commit's snapshot, and which commit is main."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    put(folder / "refs", ())
    (folder / "refs" / "main").write_text("c0ffee")
    return put(folder / "snapshots" / "c0ffee", names)


def paths(folder):
    return folder / "vocab.json", folder / "merges.txt"


@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["str", "Path"])
def test_a_folder(tmp_path, cache, kind):
    cached(cache, REPOSITORIES[0])
    folder = put(tmp_path / "mine")
    assert gpt2_files(kind(folder)) == paths(folder)


@pytest.mark.parametrize(
    ("there", "message"),
    [
        (("vocab.json",), "no merges.txt;"),
        (("merges.txt",), "no vocab.json;"),
        ((), "no vocab.json and no merges.txt;"),
    ],
)
def test_a_folder_without_a_file(tmp_path, cache, there, message):
    """The cache does not step in: whoever names a folder means it."""
    cached(cache, REPOSITORIES[0])
    folder = put(tmp_path / "mine", there)
    with pytest.raises(ValueError, match=f"mine holds {message} put GPT-2's two files there"):
        gpt2_files(folder)


def test_no_folder(tmp_path, cache):
    with pytest.raises(ValueError, match="nowhere holds no vocab.json"):
        gpt2_files(tmp_path / "nowhere", download=True)


@pytest.mark.parametrize("download", [False, True])
def test_the_cache_needs_no_network(cache, download):
    assert REPOSITORIES == ("microsoft/phi-1", "openai-community/gpt2")
    second = cached(cache, REPOSITORIES[1])
    assert gpt2_files(download=download) == paths(second)
    first = cached(cache, REPOSITORIES[0])
    assert gpt2_files(download=download) == paths(first)


def test_two_halves_in_the_cache_are_no_whole(cache):
    """The two files must come from one place."""
    cached(cache, REPOSITORIES[0], ["vocab.json"])
    cached(cache, REPOSITORIES[1], ["merges.txt"])
    with pytest.raises(ValueError, match="not on this machine"):
        gpt2_files()


def test_a_file_that_the_hub_does_not_have(cache):
    """The cache remembers that too."""
    cached(cache, REPOSITORIES[0], ["vocab.json"])
    put(cache / "models--microsoft--phi-1" / ".no_exist" / "c0ffee", ["merges.txt"])
    with pytest.raises(ValueError, match="not on this machine"):
        gpt2_files()


def test_nothing_there(cache):
    with pytest.raises(ValueError, match=r"gpt2_files\(download=True\).*gpt2_files\(folder\)"):
        gpt2_files()


def test_download(cache, tmp_path, monkeypatch):
    folder, asked = put(tmp_path / "fetched"), []

    def fetch(repository, name):
        asked.append((repository, name))
        return str(folder / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    assert gpt2_files(download=True) == paths(folder)
    assert asked == [(REPOSITORIES[0], "vocab.json"), (REPOSITORIES[0], "merges.txt")]


@pytest.mark.parametrize(
    "error", [LocalEntryNotFoundError("offline"), OSError("no route"), RuntimeError("proxy")]
)
def test_download_without_a_network(cache, monkeypatch, error):
    def fail(repository, name):
        raise error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(ValueError, match="could not be fetched.*into a folder") as raised:
        gpt2_files(download=True)
    assert type(error).__name__ in str(raised.value)
    assert raised.value.__cause__ is error
