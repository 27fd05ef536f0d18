"""Generate: prompts in, new tokens out."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import torch

from phi1_lib.config import PhiConfig
from phi1_lib.generation.sampling import next_token
from phi1_lib.generation.stops import StopStrings
from phi1_lib.model import KVCache, Phi

# Prompts in one batch at most: ours. It bounds the cache, for phi-1 in half precision and at its
# whole context 64 x 0.4 GB.
_ROWS = 64


@torch.inference_mode()
def generate(
    model: Phi,
    ids: Sequence[Sequence[int]],
    max_new_tokens: int,
    *,
    temperature: float = 0.0,
    top_p: float = 1.0,
    stop: Sequence[str] = (),
    decode: Callable[[list[int]], str] | None = None,
    end_of_text_id: int | None = None,
    used_vocab_size: int | None = None,
    use_cache: bool = True,
    seed: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> list[list[int]]:
    """Continue every prompt; return the new ids of each.

    A sequence ends at end-of-text or at a stop string (neither is returned), after
    `max_new_tokens`, or when prompt and new ids fill the context. Prompts of one length run
    together.

    Args:
        model: runs where its weights lie, in evaluation mode; its own mode is restored.
        ids: prompts of any lengths. To start from nothing, prompt with the end-of-text id.
        max_new_tokens: at least 0.
        temperature: 0 takes the most likely id; above 0 draws, see `next_token`.
        top_p: in (0, 1]; draws from the likeliest ids only.
        stop: strings that end a sequence, or one string. `StopStrings.cut` says where.
        decode: ids to text; needed with `stop`.
        end_of_text_id: None takes the model's `eos_token_id`; -1 lets no id end a sequence.
        used_vocab_size: ids from this one on are never generated; None takes the model's.
        use_cache: False computes every step from the first token: slow, for comparison.
        seed: equal calls with equal seeds draw equal ids; None draws from PyTorch's global
            generator.
        progress: called after every batch with its number of prompts (`tqdm(...).update`).

    Raises:
        ValueError: an argument out of its range, an empty prompt, an id that the model does not
            have, or a prompt that leaves no room in the context.
    """
    config = model.config
    if end_of_text_id is None:
        end_of_text_id = config.eos_token_id
    if used_vocab_size is None:
        used_vocab_size = config.used_vocab_size or config.vocab_size
    _check_options(config, max_new_tokens, temperature, top_p, used_vocab_size)
    _check_prompts(config, ids)
    stops = StopStrings((stop,) if isinstance(stop, str) else stop, decode)
    device = model.lm_head.weight.device
    generator = None if seed is None else torch.Generator(device).manual_seed(seed)

    def choose(logits_BV: torch.Tensor) -> torch.Tensor:
        return next_token(logits_BV[:, :used_vocab_size], temperature, top_p, generator)

    def ends(new_ids: list[int], token: int) -> bool:
        """Add a token to a sequence; say whether that ends it, cut to what is returned."""
        if token == end_of_text_id:
            return True
        new_ids.append(token)
        keep = stops.cut(new_ids)
        if keep is not None:
            del new_ids[keep:]
        return keep is not None

    results: list[list[int]] = [[] for _ in ids]
    was_training = model.training
    model.eval()
    try:
        for batch in _batches(ids):
            prompts_BT = torch.tensor([list(ids[i]) for i in batch], device=device)
            new_ids = [results[i] for i in batch]
            _run_batch(model, prompts_BT, new_ids, max_new_tokens, choose, ends, use_cache)
            if progress is not None:
                progress(len(batch))
    finally:
        model.train(was_training)
    return results


def _run_batch(
    model: Phi,
    prompts_BT: torch.Tensor,
    new_ids: list[list[int]],
    max_new_tokens: int,
    choose: Callable[[torch.Tensor], torch.Tensor],
    ends: Callable[[list[int], int], bool],
    use_cache: bool,
) -> None:
    """Fill `new_ids`, one list a prompt. A row that ends leaves the batch."""
    batch, length = prompts_BT.shape
    steps = min(max_new_tokens, model.config.max_position_embeddings - length)
    cache = None
    if use_cache:
        weight = model.lm_head.weight
        cache = KVCache(model.config, batch, length + steps, weight.dtype, weight.device)

    ids_BT = prompts_BT  # what the model reads next: with a cache, only what it has not read yet
    for _ in range(steps):
        hidden_BTD = model.hidden_states(ids_BT, cache=cache)
        next_B = choose(model.lm_head(hidden_BTD[:, -1]))
        going = [row for row, token in enumerate(next_B.tolist()) if not ends(new_ids[row], token)]
        if not going:
            return
        if len(going) < len(new_ids):
            new_ids = [new_ids[row] for row in going]
            ids_BT, next_B = ids_BT[going], next_B[going]
            if cache is not None:
                cache.keep(going)
        next_B1 = next_B[:, None]
        ids_BT = torch.cat([ids_BT, next_B1], dim=1) if cache is None else next_B1


def _batches(ids: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Yield the numbers of prompts that run together: of one length, at most `_ROWS`."""
    by_length: dict[int, list[int]] = defaultdict(list)
    for number, prompt in enumerate(ids):
        by_length[len(prompt)].append(number)
    for numbers in by_length.values():
        for start in range(0, len(numbers), _ROWS):
            yield numbers[start : start + _ROWS]


def _check_options(
    config: PhiConfig, max_new_tokens: int, temperature: float, top_p: float, used_vocab_size: int
) -> None:
    if max_new_tokens < 0:
        raise ValueError(f"max_new_tokens={max_new_tokens!r}: must be at least 0")
    if not 0.0 <= temperature < float("inf"):
        raise ValueError(f"temperature={temperature!r}: must be 0 or above")
    if not 0.0 < top_p <= 1.0:
        raise ValueError(f"top_p={top_p!r}: must be above 0 and at most 1")
    if not 1 <= used_vocab_size <= config.vocab_size:
        raise ValueError(
            f"used_vocab_size={used_vocab_size!r}: must be from 1 to {config.vocab_size}"
        )


def _check_prompts(config: PhiConfig, ids: Sequence[Sequence[int]]) -> None:
    context = config.max_position_embeddings
    for number, prompt in enumerate(ids):
        if isinstance(prompt, int):
            raise ValueError("ids must be a list of prompts, each a list of ids; got a list of ids")
        if len(prompt) == 0:
            raise ValueError(f"prompt {number} is empty: begin with the end-of-text id")
        if len(prompt) >= context:
            raise ValueError(
                f"prompt {number} has {len(prompt)} tokens: no room for a new one in the context "
                f"of {context}"
            )
        if min(prompt) < 0 or max(prompt) >= config.vocab_size:
            raise ValueError(f"prompt {number} holds ids outside 0 to {config.vocab_size - 1}")
