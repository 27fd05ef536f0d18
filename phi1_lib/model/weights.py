"""A model on disk: Hugging Face folders, read and written. Only this module of `model` opens files.

Weights are a safetensors file: loading one runs no code. phi-1's older releases are read too
(`released_names`), with weights in a `pytorch_model.bin`, of which PyTorch takes tensors only, so
that it runs no code either.
"""

import json
import os
import pickle
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from phi1_lib.config import PhiConfig
from phi1_lib.model.hub_config import from_hugging_face, generation_config, to_hugging_face
from phi1_lib.model.released_names import Stored, find_parameters


def write_folder(
    folder: str | Path, config: PhiConfig, state_dict: dict[str, torch.Tensor], tokenizer: Any
) -> None:
    """Write `config.json`, `model.safetensors`, `generation_config.json`, tokenizer files if any.

    Every file is written under a temporary name and renamed, `config.json` last: a new folder that
    a crash left half-written is no model.

    Raises:
        ValueError: the tokenizer does not fit the configuration.
    """
    folder = Path(folder)
    if tokenizer is not None:
        _check_tokenizer(config, tokenizer)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().contiguous().cpu() for name, tensor in state_dict.items()}
    dtype = str(tensors["lm_head.weight"].dtype).removeprefix("torch.")
    # transformers refuses weights without this note of the framework they come from
    _replace(folder / "model.safetensors", lambda path: save_file(tensors, path, {"format": "pt"}))
    _write_json(folder / "generation_config.json", generation_config(config))
    if tokenizer is not None:
        _replace(folder / "tokenizer.json", tokenizer.save)
        _write_json(folder / "tokenizer_config.json", _tokenizer_config(config, tokenizer))
    _write_json(folder / "config.json", to_hugging_face(config) | {"dtype": dtype})


def read_config(folder: str | Path) -> PhiConfig:
    """Read `config.json` by `from_hugging_face`.

    Raises:
        ValueError: no such folder or file, not JSON, or not a model of this network.
    """
    path = _required_file(folder, "config.json")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error})") from None
    try:
        return from_hugging_face(found)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def read_weights(
    folder: str | Path,
    expected: dict[str, torch.Tensor],
    layers: int,
    dtype: torch.dtype | None,
    device: torch.device | str,
) -> dict[str, torch.Tensor]:
    """Return the tensors named in `expected`, whose shapes they must have, from the folder's files.

    On the CPU and in the dtype of the file they are mapped: no byte is read before its first use.
    Otherwise every tensor is converted or sent on its own, so that memory holds the result and, of
    the files, one tensor at a time. Checked: peak memory below 1.1 times the result's.

    Raises:
        ValueError: no weights, a broken file, other names, shapes or kinds of numbers than
            expected, or a `dtype` that is none for weights.
    """
    if not (dtype is None or isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise ValueError(f"dtype={dtype!r}: must be a floating one, as torch.float16, or None")
    found: dict[str, tuple[Path, torch.Tensor]] = {}
    for path in _weight_files(folder):
        found |= {name: (path, tensor) for name, tensor in _map(path).items()}
    places, left_over = find_parameters(expected, found, layers)
    _check_names_and_shapes(folder, expected, found, places, left_over)

    mapped = {name: _take(found[place.name][1], place) for name, place in places.items()}
    kinds = {tensor.dtype for tensor in mapped.values()}
    if dtype is None and len(kinds) > 1:
        raise ValueError(f"{folder}: tensors of {_listed(map(str, kinds))}; choose one as `dtype`")
    as_stored = dtype is None or kinds == {dtype}
    if as_stored and torch.device(device).type == "cpu":
        return mapped

    # A page of a mapped file counts as memory from its first use until the mapping ends. So the
    # mapping ends after every tensor, and the largest come first, while there is room beside them.
    paths = {name: path for name, (path, _) in found.items()}
    del found, mapped
    tensors = {}
    for name in sorted(expected, key=lambda name: expected[name].numel(), reverse=True):
        place = places[name]
        stored = _map(paths[place.name], place.name)[place.name]
        tensors[name] = _take(stored, place).to(device, dtype, copy=True)
        del stored
    return tensors


def _weight_files(folder: str | Path) -> list[Path]:
    """Return `model.safetensors`, or its parts by the index, or an older `pytorch_model.bin`."""
    folder = Path(folder)
    if (folder / "model.safetensors").exists():
        return [folder / "model.safetensors"]
    index = folder / "model.safetensors.index.json"
    if index.exists():
        try:
            parts = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
            names = sorted({str(name) for name in parts})
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(f"{index}: no weight_map in it") from None
        return [_required_file(folder, name) for name in names]
    if (folder / "pytorch_model.bin").exists():
        return [folder / "pytorch_model.bin"]
    return [_required_file(folder, "model.safetensors")]


def _map(path: Path, only: str | None = None) -> dict[str, torch.Tensor]:
    """Map the file's tensors, or `only` one of them; changing them leaves the file alone."""
    if path.suffix == ".bin":
        try:
            tensors = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
        except (RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ValueError(f"{path}: not a whole PyTorch file of tensors ({reason})") from None
        if not isinstance(tensors, dict) or not all(map(torch.is_tensor, tensors.values())):
            raise ValueError(f"{path}: not a PyTorch file of named tensors")
        return tensors
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in ([only] if only else file.keys())}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: not a whole safetensors file ({error})") from None


def _take(tensor: torch.Tensor, place: Stored) -> torch.Tensor:
    """Return the rows of a stored tensor that are the parameter at this place; a view."""
    return tensor if place.third is None else tensor.chunk(3)[place.third]


def _check_names_and_shapes(
    folder: str | Path,
    expected: dict[str, torch.Tensor],
    found: dict[str, tuple[Path, torch.Tensor]],
    places: dict[str, Stored],
    left_over: set[str],
) -> None:
    """Raise ValueError with all that is missing, too much or of another shape, by its own name."""
    files = sorted({path for path, _ in found.values()})

    def said(name: str) -> str:
        return name if len(files) == 1 else f"{name} in {found[name][0].name}"

    missing, misshapen, not_floating = set(), set(), set()
    for name, (stored, third) in places.items():
        rows, *features = expected[name].shape
        asked = (rows if third is None else 3 * rows, *features)
        if stored not in found:
            missing.add(f"{stored} {asked}")
        elif (shape := tuple(found[stored][1].shape)) != asked:
            misshapen.add(f"{said(stored)} {shape}, by config.json {asked}")
        elif not (dtype := found[stored][1].dtype).is_floating_point:
            not_floating.add(f"{said(stored)} {dtype}")
    faults = {
        "missing": missing,
        "not a phi model's": set(map(said, left_over)),
        "of another shape": misshapen,
        "not floating": not_floating,
    }
    if any(faults.values()):
        where = files[0] if len(files) == 1 else folder
        told = (f"{fault}: {_listed(names)}" for fault, names in faults.items() if names)
        raise ValueError(f"{where}: {'; '.join(told)}")


def _listed(names: Iterable[str]) -> str:
    """Join names, all of them; those of several blocks as one: layers.{3,4}.mlp.fc1.bias."""
    blocks: dict[tuple[str, str], list[str]] = {}
    for name in names:
        head, number, tail = (re.split(r"(?<=\.)(\d+)(?=\.)", name, maxsplit=1) + ["", ""])[:3]
        blocks.setdefault((head, tail), []).append(number)
    told = []
    for (head, tail), numbers in sorted(blocks.items()):
        of = ",".join(sorted(numbers, key=lambda number: (len(number), number)))
        told.append(head + (f"{{{of}}}" if len(numbers) > 1 else of) + tail)
    return ", ".join(told)


def _required_file(folder: str | Path, name: str) -> Path:
    path = Path(folder) / name
    if not Path(folder).is_dir():
        raise ValueError(f"{folder}: no such folder; a model folder holds config.json and more")
    if not path.is_file():
        raise ValueError(f"{folder}: not a model folder, {name} is missing")
    return path


def _check_tokenizer(config: PhiConfig, tokenizer: Any) -> None:
    rows = config.used_vocab_size or config.vocab_size
    if tokenizer.vocab_size > rows:
        raise ValueError(f"the tokenizer has {tokenizer.vocab_size} ids, the model {rows} rows")
    if tokenizer.end_of_text_id != config.eos_token_id:
        raise ValueError(
            f"the tokenizer's end-of-text id is {tokenizer.end_of_text_id}, "
            f"the model's eos_token_id {config.eos_token_id}"
        )


def _tokenizer_config(config: PhiConfig, tokenizer: Any) -> dict[str, Any]:
    names = {number: text for text, number in tokenizer.special_tokens.items()}
    end_of_text = names[tokenizer.end_of_text_id]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",  # reads tokenizer.json as it stands
        "model_max_length": config.max_position_embeddings,
        "bos_token": end_of_text,
        "eos_token": end_of_text,
        "unk_token": end_of_text,
        "clean_up_tokenization_spaces": False,
    }


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write under a temporary name beside `path` and rename; an error leaves no temporary file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _write_json(path: Path, values: dict[str, Any]) -> None:
    text = json.dumps(values, indent=2) + "\n"
    _replace(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
