"""The loop of generation: a batch of texts of any lengths grows by one token a step."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from phi1_lib.generation.stops import StopStrings
from phi1_lib.model import KVCache, Phi


@dataclass(frozen=True)
class Row:
    """One text: its prompt, how many ids may be added to it, and those added so far."""

    prompt: Sequence[int]
    room: int
    new_ids: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Rules:
    """How the next tokens are chosen, and where a text ends."""

    choose: Callable[[torch.Tensor], torch.Tensor]  # logits (B, V) to ids (B,)
    end_of_text_id: int
    stops: StopStrings

    def add(self, row: Row, token: int) -> bool:
        """Add a token to a text; say whether that ends it, cut to what is returned."""
        if token == self.end_of_text_id:
            return True
        row.new_ids.append(token)
        keep = self.stops.cut(row.new_ids)
        if keep is not None:
            del row.new_ids[keep:]
        return keep is not None or len(row.new_ids) == row.room


def grow(model: Phi, rows: list[Row], rules: Rules, use_cache: bool) -> Iterator[None]:
    """Fill the rows' `new_ids`, one token each a step, and yield after it.

    A step needs the hidden state of each row's newest token: the head makes of it the logits of
    the next. With a cache only that token is read, without one the whole text. A row that ends
    leaves the batch. Rows of different lengths need `model.mixes_lengths`, or no cache.
    """
    rows = [row for row in rows if row.room > 0]
    if not rows:
        return
    cache = None
    if use_cache:
        cache, hidden_BD = _fill_cache(model, rows)
    else:
        hidden_BD = _last_hidden(model, [row.prompt for row in rows])

    while True:
        next_B = rules.choose(model.lm_head(hidden_BD))
        tokens = next_B.tolist()
        going = [i for i, token in enumerate(tokens) if not rules.add(rows[i], token)]
        yield
        if not going:
            return
        rows = [rows[i] for i in going]
        if cache is None:
            hidden_BD = _last_hidden(model, [[*row.prompt, *row.new_ids] for row in rows])
        else:
            if len(going) < len(tokens):
                cache.keep(going)
                next_B = next_B[going]
            hidden_BD = model.hidden_states(next_B[:, None], cache=cache)[:, -1]


def _fill_cache(model: Phi, rows: list[Row]) -> tuple[KVCache, torch.Tensor]:
    """Read the rows' prompts into a new cache; return it and the last hidden states, (B, D).

    Rows that share a prompt stand side by side; it is read once and its keys and values copied.
    """
    prompts: list[Sequence[int]] = []
    prompt_of_row = []
    for row in rows:
        if not prompts or row.prompt is not prompts[-1]:
            prompts.append(row.prompt)
        prompt_of_row.append(len(prompts) - 1)

    longest = max(len(row.prompt) + row.room for row in rows)
    weight = model.lm_head.weight
    device = weight.device.type
    autocast = torch.is_autocast_enabled(device)  # its dtype is that of the keys and values then
    dtype = torch.get_autocast_dtype(device) if autocast else weight.dtype
    cache = KVCache(model.config, len(rows), longest, dtype, weight.device)
    if len(prompts) == len(rows):
        return cache, _last_hidden(model, prompts, cache)
    cache.keep(list(range(len(prompts))))
    hidden_BD = _last_hidden(model, prompts, cache)
    cache.keep(prompt_of_row)
    return cache, hidden_BD[prompt_of_row]


def _last_hidden(
    model: Phi, texts: Sequence[Sequence[int]], cache: KVCache | None = None
) -> torch.Tensor:
    """Read texts of any lengths together; return the hidden state of each last token, (B, D).

    Shorter texts are padded on the right, where causal attention hides the padding from every
    token of the text: no mask is needed, and position 0 is the first token of every row.
    """
    lengths = [len(text) for text in texts]
    longest, device = max(lengths), model.lm_head.weight.device
    padding = model.config.eos_token_id  # any id would do
    padded = [[*text, *[padding] * (longest - len(text))] for text in texts]
    hidden_BTD = model.hidden_states(torch.tensor(padded, device=device), cache=cache)
    if cache is not None and min(lengths) < longest:
        cache.truncate(lengths)
    last_B = torch.tensor(lengths, device=device) - 1
    return hidden_BTD[torch.arange(len(texts), device=device), last_B]
