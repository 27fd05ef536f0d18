"""Keys and values of the tokens already read, so that the next token costs one token's work."""

import torch

from phi1_lib.config import PhiConfig


class KVCache:
    """Room for the keys and values of `max_length` tokens in every layer, taken at once.

    Size in bytes: 2 x layers x batch x max_length x D x bytes of the dtype. Inference only: it
    writes in place, which automatic differentiation cannot follow.

    Attributes:
        length: tokens held so far.
    """

    def __init__(
        self,
        config: PhiConfig,
        batch: int,
        max_length: int,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        shape = (batch, max_length, config.num_attention_heads, config.head_dim)
        layers = range(config.num_hidden_layers)
        self._keys = [torch.empty(shape, dtype=dtype, device=device) for _ in layers]
        self._values = [torch.empty(shape, dtype=dtype, device=device) for _ in layers]
        self.batch = batch
        self.max_length = max_length
        self.length = 0

    def update(
        self, layer: int, k_BTHK: torch.Tensor, v_BTHK: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write T new tokens of one layer; return all keys and values of it, each (B, S, H, K).

        `length` stays: every layer of one forward pass writes at the same place, and the model
        calls `advance` at the end.

        Raises:
            ValueError: another number of rows than the cache's, or no room.
        """
        batch, tokens = k_BTHK.shape[:2]
        end = self.length + tokens
        if batch != self.batch:
            raise ValueError(f"the cache was made for {self.batch} rows, the input has {batch}")
        if end > self.max_length:
            raise ValueError(
                f"the cache holds {self.length} of {self.max_length} tokens: no room for {tokens}"
            )
        keys, values = self._keys[layer][:batch], self._values[layer][:batch]
        keys[:, self.length : end] = k_BTHK
        values[:, self.length : end] = v_BTHK
        return keys[:, :end], values[:, :end]

    def advance(self, tokens: int) -> None:
        """Count `tokens` more tokens as held."""
        self.length += tokens

    def keep(self, rows: list[int]) -> None:
        """Keep only these rows of the batch, in this order, in place."""
        for tensor in (*self._keys, *self._values):
            tensor[: len(rows), : self.length] = tensor[rows, : self.length]
        self.batch = len(rows)
