"""Vocabulary files: GPT-2's `vocab.json` and `merges.txt`, Hugging Face's `tokenizer.json`.

Formats: OpenAI's GPT-2 release; the serialisation of the `tokenizers` library, version "1.0".
Readers return the four parts that `Tokenizer(...)` takes.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from phi1_lib.tokenizer.byte_map import BYTE_TO_CHARACTER, from_printable, to_printable
from phi1_lib.tokenizer.codegen import END_OF_TEXT

Parts = tuple[list[bytes], list[tuple[int, int]], dict[str, int], dict[str, int]]

_GPT2_REMEDY = "Fetch GPT-2's vocab.json and merges.txt again, both from the same place."
_JSON_REMEDY = "Write it again with Tokenizer.save, or take a whole copy."


def read_vocab_and_merges(vocab_json: str | Path, merges_txt: str | Path) -> Parts:
    """Read GPT-2's two files.

    Raises:
        ValueError: a file is missing, cut short, or does not fit the other; the message names it.
    """
    vocab = _read_json(vocab_json, _GPT2_REMEDY)
    lines = _read_text(merges_txt, _GPT2_REMEDY).split("\n")
    merges = []
    for number, line in enumerate(lines, start=1):
        if not line or (number == 1 and line.startswith("#version")):
            continue
        pair = line.split(" ")
        if len(pair) != 2 or not all(pair):
            raise ValueError(
                f"{merges_txt}, line {number}: {line!r} is not two tokens; the file is damaged or "
                f"cut short. {_GPT2_REMEDY}"
            )
        merges.append((pair[0], pair[1]))
    token_bytes, pairs = _check(vocab, merges, {END_OF_TEXT}, vocab_json, merges_txt, _GPT2_REMEDY)
    special = {END_OF_TEXT: vocab[END_OF_TEXT]} if END_OF_TEXT in vocab else {}
    return token_bytes, pairs, special, {}


def read_tokenizer_json(path: str | Path) -> Parts:
    """Read a byte-level BPE from a `tokenizer.json`.

    Raises:
        ValueError: the file is missing, damaged, or holds another kind of tokenizer.
    """
    content = _read_json(path, _JSON_REMEDY)
    try:
        fits = _has_gpt2_form(content)
        vocab: dict[str, int] = dict(content["model"]["vocab"])
        # Older files write a merge as one string.
        pairs = [m.split(" ") if isinstance(m, str) else m for m in content["model"]["merges"]]
        merges = [tuple(str(token) for token in pair) for pair in pairs]
        listed = content.get("added_tokens") or []
        added = {token["content"]: token["id"] for token in listed if not token["special"]}
        special = {token["content"]: token["id"] for token in listed if token["special"]}
        apart = added | special
        fits = fits and len(apart) == len(listed)
        fits = fits and all(isinstance(text, str) and text for text in apart)
        fits = fits and all(vocab.get(text, i) == i for text, i in apart.items())
    except (KeyError, TypeError, AttributeError, ValueError):
        fits = False
    if not fits:
        raise ValueError(
            f"{path} is no byte-level BPE tokenizer in GPT-2's form (BPE without extras, ByteLevel "
            "pre-tokeniser without a prefix space, no normaliser, no post-processor that adds "
            "tokens); this library reads no other kind"
        )
    # An added token that the model's own vocabulary does not list has an id after it.
    vocab |= apart
    token_bytes, merge_ids = _check(vocab, merges, set(apart), path, path, _JSON_REMEDY)
    return token_bytes, merge_ids, special, added


def tokenizer_json(
    token_bytes: Sequence[bytes],
    merges: Sequence[tuple[int, int]],
    special_tokens: Mapping[str, int],
    added_tokens: Mapping[str, int],
) -> str:
    """The parts as the text of a `tokenizer.json`."""
    names = {i: text for text, i in special_tokens.items()}
    outside = set(added_tokens.values())
    vocab = {
        names.get(i) or to_printable(token): i
        for i, token in enumerate(token_bytes)
        if i not in outside
    }
    listed = [
        {"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False}
        # "normalized" decides the order of matching: special tokens before whitespace tokens.
        | {"normalized": text in added_tokens, "special": text in special_tokens}
        for text, i in sorted({**special_tokens, **added_tokens}.items(), key=lambda item: item[1])
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    byte_level["use_regex"] = True
    written = [to_printable(token) for token in token_bytes]
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": listed,
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": vocab,
            "merges": [[written[left], written[right]] for left, right in merges],
        },
    }
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def _has_gpt2_form(content: Any) -> bool:
    """Whether encoding as `Tokenizer` does gives the ids that the file means."""
    model, cut, listed = content["model"], content["pre_tokenizer"], content.get("added_tokens")
    after = content.get("post_processor")  # another kind than this one adds tokens
    return (
        model["type"] == "BPE"
        and not (model.get("dropout") or model.get("unk_token") or model.get("ignore_merges"))
        and not (model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"))
        and content.get("normalizer") is None
        and cut["type"] == "ByteLevel"
        and cut.get("use_regex", True)
        and not cut["add_prefix_space"]
        and (after is None or after["type"] == "ByteLevel")
        and not any(t["single_word"] or t["lstrip"] or t["rstrip"] for t in listed or [])
    )


def _check(
    vocab: Mapping[str, int],
    merges: Sequence[tuple[str, ...]],
    apart: set[str],
    vocab_file: str | Path,
    merges_file: str | Path,
    remedy: str,
) -> tuple[list[bytes], list[tuple[int, int]]]:
    """Check that vocabulary and merges belong together; return bytes by id, and pairs of ids."""
    ids = list(vocab.values()) if isinstance(vocab, dict) else [None]
    if not all(type(i) is int for i in ids) or sorted(ids) != list(range(len(ids))):
        raise ValueError(f"{vocab_file}: ids are not 0, 1, 2, ... without a gap. {remedy}")
    missing = [char for char in BYTE_TO_CHARACTER.values() if char not in vocab]
    if missing:
        raise ValueError(f"{vocab_file}: no token for {len(missing)} of the 256 bytes. {remedy}")
    reached = set(BYTE_TO_CHARACTER.values()) | apart
    for number, pair in enumerate(merges, start=1):
        for token in (*pair, "".join(pair)):
            if token not in vocab or len(pair) != 2:
                raise ValueError(
                    f"{vocab_file}: lacks {token!r}, which merge {number} of {merges_file} needs; "
                    f"one of the two is damaged or cut short. {remedy}"
                )
        reached.add("".join(pair))
    unreached = len(set(vocab) - reached)
    if unreached or len(set(merges)) != len(merges):
        raise ValueError(
            f"{merges_file}: no merge makes {unreached} of the {len(vocab)} tokens of "
            f"{vocab_file}, or a merge stands twice; the file is damaged or cut short. {remedy}"
        )
    by_id = sorted(vocab, key=lambda token: vocab[token])
    try:
        token_bytes = [t.encode("utf-8") if t in apart else from_printable(t) for t in by_id]
    except ValueError as error:
        raise ValueError(f"{vocab_file}: {error}. {remedy}") from None
    return token_bytes, [(vocab[left], vocab[right]) for left, right in merges]


def _read_text(path: str | Path, remedy: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")  # some editors put a mark in front
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}). {remedy}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text; it is damaged. {remedy}") from None


def _read_json(path: str | Path, remedy: str) -> Any:
    text = _read_text(path, remedy)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path} is not whole JSON (line {error.lineno}: {error.msg}); it is damaged or cut "
            f"short. {remedy}"
        ) from None
    except (ValueError, RecursionError) as error:  # a number too long to read, brackets too deep
        raise ValueError(f"{path} cannot be read as JSON ({error}). {remedy}") from None


def write_whole(path: Path, text: str) -> None:
    """Write under a temporary name in the same folder, then rename: no reader sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
