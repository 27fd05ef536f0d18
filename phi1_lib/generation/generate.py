"""Generate: prompts in, new tokens out, all at the end or as they come."""

from collections.abc import Callable, Iterator, Sequence
from operator import index

import torch

from phi1_lib.generation.batch import Row, Rules, grow
from phi1_lib.generation.sampling import next_token
from phi1_lib.generation.stops import StopStrings
from phi1_lib.model import Phi

# Texts in one batch at most: ours. It bounds the cache, for phi-1 in half precision and at its
# whole context 64 x 0.4 GB.
_ROWS = 64

Decode = Callable[[list[int]], str]


@torch.inference_mode()
def generate(
    model: Phi,
    ids: Sequence[Sequence[int]],
    max_new_tokens: int,
    *,
    num_samples: int = 1,
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    stop: Sequence[str] = (),
    decode: Decode | None = None,
    end_of_text_id: int | None = None,
    used_vocab_size: int | None = None,
    use_cache: bool = True,
    seed: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> list[list[int]]:
    """Continue every prompt; return the new ids of each.

    A text ends at end-of-text or at a stop string (neither is returned), after `max_new_tokens`,
    or when prompt and new ids fill the context. Prompts of any lengths run together; a batched
    text differs from one generated alone by rounding only, which greedy ids outlive but where
    two ids are as likely.

    Args:
        model: runs where its weights lie, in evaluation mode; its own mode is restored.
        ids: prompts, B of them, of any lengths. To start from nothing, prompt with the
            end-of-text id.
        max_new_tokens: at least 0.
        num_samples: texts for every prompt, which is read once for all of them. Above 1 it needs a
            `temperature` above 0.
        temperature: 0 takes the most likely id; above 0 draws, see `next_token`.
        top_k: draws from so many likeliest ids only; None from all. At temperature 0 it changes
            nothing, nor does `top_p`.
        top_p: in (0, 1]; draws from the likeliest ids that hold this probability.
        stop: strings that end a text, or one string. `StopStrings.cut` says where.
        decode: ids to text; needed with `stop`.
        end_of_text_id: None takes the model's `eos_token_id`; -1 lets no id end a text.
        used_vocab_size: ids from this one on are never generated; None takes the model's.
        use_cache: False computes every step from the first token: slow, for comparison.
        seed: equal calls with equal seeds draw equal ids; None draws from PyTorch's global
            generator.
        progress: called after every batch with its number of texts (`tqdm(...).update`).

    Returns:
        B x num_samples lists: the samples of the first prompt, then those of the second, and so
        on. With one sample, list i continues prompt i.

    Raises:
        ValueError: an argument out of its range, an empty prompt, an id that the model does not
            have, or a prompt that leaves no room in the context.

    Checked against `transformers.generate`: greedy ids, ends, and the distribution of samples.
    """
    _at_least(1, num_samples=num_samples)
    if num_samples > 1 and temperature == 0:
        raise ValueError(
            f"num_samples={num_samples} with temperature=0: all samples would be equal; "
            "draw them at a temperature above 0"
        )
    prompts = _checked_prompts(model, ids)
    rules = _rules(
        model, temperature, top_k, top_p, stop, decode, end_of_text_id, used_vocab_size, seed
    )
    rows = [_row(model, prompt, max_new_tokens) for prompt in prompts for _ in range(num_samples)]
    was_training = model.training
    model.eval()
    try:
        for batch in _batches(rows, mixed=model.mixes_lengths or not use_cache):
            for _ in grow(model, batch, rules, use_cache):
                pass
            if progress is not None:
                progress(len(batch))
    finally:
        model.train(was_training)
    return [row.new_ids for row in rows]


def stream(
    model: Phi,
    prompt: Sequence[int],
    max_new_tokens: int,
    *,
    decode: Decode,
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    stop: Sequence[str] = (),
    end_of_text_id: int | None = None,
    used_vocab_size: int | None = None,
    use_cache: bool = True,
    seed: int | None = None,
) -> Iterator[str]:
    """Continue one prompt; return an iterator over the new text, piece by piece as it is made.

        for piece in stream(model, tokenizer.encode(prompt), 200, decode=tokenizer.decode):
            print(piece, end="", flush=True)

    A piece is given out once nothing that follows can change it: the pieces hold no half
    characters and nothing of a stop string, and joined they are the text of `generate`'s ids for
    the same arguments. The model is in evaluation mode until the iterator is used up or closed.

    Args:
        prompt: the ids of one prompt.
        decode: ids to text, as `StopStrings` takes it.
        model, max_new_tokens and the rest: as for `generate`.

    Raises:
        ValueError: as `generate`, at the call.
    """
    if not callable(decode):
        raise ValueError(f"decode={decode!r}: must be a function, for example tokenizer.decode")
    [prompt] = _checked_prompts(model, [prompt])
    rules = _rules(
        model, temperature, top_k, top_p, stop, decode, end_of_text_id, used_vocab_size, seed
    )
    return _pieces(model, _row(model, prompt, max_new_tokens), rules, use_cache)


@torch.inference_mode()
def _pieces(model: Phi, row: Row, rules: Rules, use_cache: bool) -> Iterator[str]:
    stops, shown = rules.stops, 0
    was_training = model.training
    model.eval()
    try:
        for _ in grow(model, [row], rules, use_cache):
            settled = stops.settled(row.new_ids[shown:])
            if settled:
                yield stops.decode(row.new_ids[shown : shown + settled])
                shown += settled
    finally:
        model.train(was_training)
    if row.new_ids[shown:]:
        yield stops.decode(row.new_ids[shown:])


def _rules(
    model: Phi,
    temperature: float,
    top_k: int | None,
    top_p: float,
    stop: Sequence[str],
    decode: Decode | None,
    end_of_text_id: int | None,
    used_vocab_size: int | None,
    seed: int | None,
) -> Rules:
    """Check the arguments that `generate` and `stream` share; fill in the model's own values."""
    config, device = model.config, model.lm_head.weight.device
    if end_of_text_id is None:
        end_of_text_id = config.eos_token_id
    if used_vocab_size is None:
        used_vocab_size = config.used_vocab_size or config.vocab_size
    if not 0.0 <= temperature < float("inf"):
        raise ValueError(f"temperature={temperature!r}: must be 0 or above, and finite")
    if top_k is not None:
        _at_least(1, top_k=top_k)
    if not 0.0 < top_p <= 1.0:
        raise ValueError(f"top_p={top_p!r}: must be above 0 and at most 1")
    if not -1 <= end_of_text_id < config.vocab_size:
        raise ValueError(
            f"end_of_text_id={end_of_text_id!r}: must be an id below {config.vocab_size}, or -1"
        )
    if not 1 <= used_vocab_size <= config.vocab_size:
        raise ValueError(
            f"used_vocab_size={used_vocab_size!r}: must be from 1 to {config.vocab_size}"
        )
    generator = None
    if seed is not None:
        _at_least(0, seed=seed)
        generator = torch.Generator(device).manual_seed(seed)

    def choose(logits_BV: torch.Tensor) -> torch.Tensor:
        return next_token(
            logits_BV[:, :used_vocab_size],
            temperature,
            top_k=top_k,
            top_p=top_p,
            generator=generator,
        )

    stops = StopStrings((stop,) if isinstance(stop, str) else stop, decode)
    return Rules(choose, end_of_text_id, stops)


def _row(model: Phi, prompt: list[int], max_new_tokens: int) -> Row:
    _at_least(0, max_new_tokens=max_new_tokens)
    return Row(prompt, min(max_new_tokens, model.config.max_position_embeddings - len(prompt)))


def _batches(rows: list[Row], mixed: bool) -> Iterator[list[Row]]:
    """Yield rows that run together, at most `_ROWS`: of like lengths if `mixed`, else of one."""
    batch: list[Row] = []
    for row in sorted(rows, key=lambda row: len(row.prompt)):
        fits = not batch or mixed or len(row.prompt) == len(batch[0].prompt)
        if len(batch) == _ROWS or not fits:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _at_least(least: int, **argument: int) -> None:
    [(name, value)] = argument.items()
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name}={value!r}: must be an integer, at least {least}")


def _checked_prompts(model: Phi, ids: Sequence[Sequence[int]]) -> list[list[int]]:
    config = model.config
    prompts = []
    for number, prompt in enumerate(ids.tolist() if isinstance(ids, torch.Tensor) else ids):
        if isinstance(prompt, int):
            raise ValueError("ids must be a list of prompts, each a list of ids; got a list of ids")
        try:
            prompt = [index(token) for token in prompt]
        except TypeError:
            raise ValueError(
                f"prompt {number} is {prompt!r}: must be a list of ids; encode text first"
            ) from None
        if not prompt:
            raise ValueError(f"prompt {number} is empty: begin with the end-of-text id")
        if len(prompt) >= config.max_position_embeddings:
            raise ValueError(
                f"prompt {number} has {len(prompt)} tokens: no room for a new one in the context "
                f"of {config.max_position_embeddings}"
            )
        if min(prompt) < 0 or max(prompt) >= config.vocab_size:
            raise ValueError(f"prompt {number} holds ids outside 0 to {config.vocab_size - 1}")
        prompts.append(prompt)
    return prompts
