"""Where GPT-2's two vocabulary files are: a folder, the Hub's cache on this machine, the Hub."""

from pathlib import Path

FILES = ("vocab.json", "merges.txt")
# phi-1 was released with GPT-2's two files unchanged, so either repository serves.
REPOSITORIES = ("microsoft/phi-1", "openai-community/gpt2")


def gpt2_files(folder: str | Path | None = None, *, download: bool = False) -> tuple[Path, Path]:
    """Return the paths of GPT-2's `vocab.json` and `merges.txt`.

    `Tokenizer.codegen(*gpt2_files())` is phi-1's tokenizer.

    Args:
        folder: where the two files are. None looks into the Hub's cache on this machine.
        download: fetch them from the Hub if the cache has none (1.5 MB).

    Raises:
        ValueError: the files are not there, or cannot be fetched; the message says what to do.
    """
    if folder is not None:
        missing = [name for name in FILES if not (Path(folder) / name).is_file()]
        if missing:
            raise ValueError(
                f"{folder} holds no {' and no '.join(missing)}; put GPT-2's two files there, "
                f"{' and '.join(FILES)}"
            )
        return Path(folder) / FILES[0], Path(folder) / FILES[1]
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    for repository in REPOSITORIES:
        vocab_json, merges_txt = (try_to_load_from_cache(repository, name) for name in FILES)
        if isinstance(vocab_json, str) and isinstance(merges_txt, str):
            return Path(vocab_json), Path(merges_txt)
    if not download:
        raise ValueError(
            "GPT-2's vocabulary files are not on this machine. With a network, "
            "gpt2_files(download=True) fetches them; without one, put vocab.json and merges.txt "
            "into a folder and write gpt2_files(folder)"
        )
    try:
        vocab_json, merges_txt = (hf_hub_download(REPOSITORIES[0], name) for name in FILES)
    except Exception as error:  # offline, a proxy, a full disk: the Hub's client has many
        raise ValueError(
            f"GPT-2's vocabulary files could not be fetched from {REPOSITORIES[0]} "
            f"({type(error).__name__}). Put vocab.json and merges.txt into a folder and name that "
            "folder"
        ) from error
    return Path(vocab_json), Path(merges_txt)
