"""Keys and values of the tokens already read, so that the next token costs one token's work."""

import torch

from phi1_lib.config import PhiConfig


class KVCache:
    """Room for the keys and values of `max_length` tokens in every layer, taken at once.

    Slot p of a row holds its token at position p. Rows may differ in length: read them padded on
    the right, where no real token sees the padding, then `truncate` each row to its own length.
    Later tokens of a row take its next slots, and see the slots up to their own only.

    Its size in bytes is `flops.cache_bytes`. Inference only: it writes in place, which automatic
    differentiation cannot follow.

    Args:
        config: the model's.
        batch: rows.
        max_length: tokens that the longest row may come to, prompt and new ones together.
        dtype, device: those of the model's weights; None takes PyTorch's defaults.

    Attributes:
        lengths: tokens held so far, one number a row.
        visible_BTS: during a forward pass over rows of different lengths, which slot each new
            token sees; else None, and the plain causal rule says it.
    """

    def __init__(
        self,
        config: PhiConfig,
        batch: int,
        max_length: int,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        # (B, H, S, K) in memory: a head reads all its tokens, which so lie side by side.
        shape = (batch, config.num_attention_heads, max_length, config.head_dim)
        layers = range(config.num_hidden_layers)
        # Zeros, since what a short row has not written yet is read beside a longer one, with weight
        # 0: a NaN left in memory would come through.
        self._keys, self._values = (
            [torch.zeros(shape, dtype=dtype, device=device).transpose(1, 2) for _ in layers]
            for _ in range(2)
        )
        self.max_length = max_length
        self.lengths = [0] * batch
        self.visible_BTS: torch.Tensor | None = None
        self._slots: tuple[torch.Tensor, torch.Tensor] | None = None

    @property
    def batch(self) -> int:
        """Rows in use."""
        return len(self.lengths)

    @property
    def length(self) -> int:
        """Tokens held so far by the longest row."""
        return max(self.lengths, default=0)

    @property
    def uneven(self) -> bool:
        """Whether the rows differ in length."""
        return len(set(self.lengths)) > 1

    def begin(self, batch: int, tokens: int) -> torch.Tensor:
        """Make ready for `tokens` more tokens of every row; return their positions.

        Returns:
            (T,) int64, or (B, T) where the rows differ in length.

        Raises:
            ValueError: another number of rows than the cache's, or no room.
        """
        if batch != self.batch:
            raise ValueError(f"the cache was made for {self.batch} rows, the input has {batch}")
        end = self.length + tokens
        if end > self.max_length:
            raise ValueError(
                f"the cache holds {self.length} of {self.max_length} tokens: no room for {tokens}"
            )
        device = self._keys[0].device
        new_T = torch.arange(tokens, device=device)
        if not self.uneven:
            self.visible_BTS = self._slots = None
            return self.length + new_T
        slots_BT = torch.tensor(self.lengths, device=device)[:, None] + new_T
        self.visible_BTS = torch.arange(end, device=device) <= slots_BT[:, :, None]
        self._slots = (torch.arange(batch, device=device)[:, None], slots_BT)
        return slots_BT

    def update(
        self, layer: int, k_BTHK: torch.Tensor, v_BTHK: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write T new tokens of one layer; return its keys and values, each (B, S, H, K).

        S is the longest row with its new tokens. The lengths stay: every layer of one forward pass
        writes at the same place. The model calls `begin` before it and `advance` after it.
        """
        start, end = self.length, self.length + k_BTHK.shape[1]
        keys, values = self._keys[layer][: self.batch], self._values[layer][: self.batch]
        if self._slots is None:
            keys[:, start:end] = k_BTHK
            values[:, start:end] = v_BTHK
        else:
            keys[self._slots] = k_BTHK
            values[self._slots] = v_BTHK
        return keys[:, :end], values[:, :end]

    def advance(self, tokens: int) -> None:
        """Count `tokens` more tokens of every row as held."""
        self.lengths = [length + tokens for length in self.lengths]

    def truncate(self, lengths: list[int]) -> None:
        """Forget all but the first `lengths[b]` tokens of row b: the padding after them."""
        self.lengths = [min(pair) for pair in zip(self.lengths, lengths, strict=True)]

    def keep(self, rows: list[int]) -> None:
        """Keep these rows of the batch, in this order, in place; a row named twice is copied.

        There may be as many as the cache was made for.
        """
        length = self.length
        for tensor in (*self._keys, *self._values):
            tensor[: len(rows), :length] = tensor[rows, :length]
        self.lengths = [self.lengths[row] for row in rows]
