"""Phi: token embedding, a stack of parallel blocks, LayerNorm, vocabulary head."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from phi1_lib.attention import attend as attend_by_backend
from phi1_lib.attention import backend_function, check_documents
from phi1_lib.config import PhiConfig
from phi1_lib.model import weights
from phi1_lib.model.block import Block
from phi1_lib.model.cache import KVCache
from phi1_lib.model.rotary import rotary_table


class Phi(nn.Module):
    """phi-1's language model: logits of the next token at every position.

    The input embedding and the head are two separate matrices, and the head has a bias. Both have
    rows for ids that the tokenizer never gives (`config.used_vocab_size` on); they are like the
    others here, and left out only where tokens are chosen. Parameter names are those of
    `transformers.PhiForCausalLM`. Checked against it: logits and every gradient, and tokens read
    one by one with a cache. `torch.compile` makes one graph of `forward`; of packed documents it
    makes several, since their lengths are read on the host, and so of `tiled` with dropout.

    Args:
        config: the shape.
        attention_backend: a backend of `phi1_lib.attention.attend`.
        attend: your own attention in place of it, called as
            `attend(q, k, v, causal=True, dropout=p)`, with `cu_seqlens` and `max_seqlen` added
            when documents are packed. It returns what `phi1_lib.attention.attend` would.

    Attributes:
        mixes_lengths: whether the rows of a cache may differ in length. PyTorch's kernel attends
            then, under a mask: only where the backend is auto or sdpa, so that the attention that
            was asked for is the one that runs.

    Raises:
        ValueError, ImportError: there is no such backend, or its package is not installed.

    Source: "Textbooks Are All You Need" (arXiv 2306.11644), section 2.3. The initialisation is that
    of the released code (the paper states none): weights N(0, 0.02), biases 0, with no smaller
    scale for the layers that end a residual branch.
    """

    def __init__(
        self,
        config: PhiConfig,
        attention_backend: str = "auto",
        attend: Callable[..., torch.Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        if attend is None and attention_backend != "auto":
            backend_function(attention_backend)  # one that is missing is an error now, not later
        self.mixes_lengths = attend is None and attention_backend in ("auto", "sdpa")
        attend = attend or functools.partial(attend_by_backend, backend=attention_backend)
        # One level down and called `model`, for the sake of transformers' parameter names.
        self.model = nn.ModuleDict(
            {
                "embed_tokens": nn.Embedding(config.vocab_size, config.hidden_size),
                "embed_dropout": nn.Dropout(config.embd_pdrop),
                "layers": nn.ModuleList(
                    Block(config, layer, attend) for layer in range(config.num_hidden_layers)
                ),
                "final_layernorm": nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps),
            }
        )
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size)
        self.apply(self._initialize)

    def _initialize(self, module: nn.Module) -> None:
        """Weights from N(0, initializer_range), biases 0; LayerNorm keeps its ones and zeros."""
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)

    def forward(
        self,
        ids_BT: torch.Tensor,
        *,
        cu_seqlens: torch.Tensor | None = None,
        positions: torch.Tensor | None = None,
        cache: KVCache | None = None,
    ) -> torch.Tensor:
        """Return logits (B, T, V) in the dtype of the weights.

        Args:
            ids_BT: token ids, integer.
            cu_seqlens: int32 (documents + 1,), the borders of documents packed in one row (B = 1):
                tokens see their own document only, and positions restart in each.
            positions: (T,) or (B, T) integer, in place of the count from the start.
            cache: keys and values of the tokens before these; the new ones are added to it.

        A sequence longer than the context (`config.max_position_embeddings`, 2,048 for phi-1) is an
        error, for the model was trained on no such position. Tokens in the cache count; of packed
        documents the longest counts.

        Raises:
            ValueError: wrong shape or dtype, longer than the context, no room in the cache, or
                packed documents together with a cache.
        """
        hidden_BTD = self.hidden_states(
            ids_BT, cu_seqlens=cu_seqlens, positions=positions, cache=cache
        )
        return self.lm_head(hidden_BTD)

    def hidden_states(
        self,
        ids_BT: torch.Tensor,
        *,
        cu_seqlens: torch.Tensor | None = None,
        positions: torch.Tensor | None = None,
        cache: KVCache | None = None,
    ) -> torch.Tensor:
        """Return what the head reads, (B, T, D): `forward` without the head, same arguments."""
        _check_ids(ids_BT, self.config.vocab_size)
        tokens = ids_BT.shape[1]
        longest = tokens if cache is None else cache.length + tokens
        packing: dict[str, Any] = {}
        if cu_seqlens is not None:
            # One wait for a GPU: the host needs the values.
            borders = torch.as_tensor(cu_seqlens, device="cpu")
            _check_packed(ids_BT, borders, cache)
            longest = int(borders.diff().max())
            packing = {"cu_seqlens": cu_seqlens, "max_seqlen": longest}
        if longest > self.config.max_position_embeddings:
            raise ValueError(
                f"{longest} tokens do not fit the context of {self.config.max_position_embeddings} "
                "(max_position_embeddings): shorten the text"
            )
        if positions is not None:
            _check_positions(positions, ids_BT, self.config.max_position_embeddings)
        if cache is not None:
            slots = cache.begin(*ids_BT.shape)
            positions = slots if positions is None else positions
        elif positions is None:
            positions = _positions(tokens, cu_seqlens, ids_BT.device)
        rotary = self._rotary(positions, ids_BT.device)

        x_BTD = self.model.embed_dropout(self.model.embed_tokens(ids_BT))
        for block in self.model.layers:
            x_BTD = block(x_BTD, rotary, packing, cache)
        if cache is not None:
            cache.advance(tokens)
        return self.model.final_layernorm(x_BTD)

    def _rotary(
        self, positions: torch.Tensor, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return cosines and sines for these positions, in float32 or wider."""
        dtype = torch.promote_types(self.lm_head.weight.dtype, torch.float32)
        cos, sin = rotary_table(self.config, dtype, device)
        return cos[positions], sin[positions]

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
        attention_backend: str = "auto",
        attend: Callable[..., torch.Tensor] | None = None,
    ) -> Self:
        """Load a Hugging Face model folder, ours or one written by `transformers`.

        phi-1's older releases load too (`released_names`). On the CPU and in the file's dtype the
        weights are mapped from the file, not read: pages come in when first used. Otherwise they
        are converted or sent one tensor at a time.

        Args:
            folder: holds `config.json` and `model.safetensors` (or an older `pytorch_model.bin`).
            dtype: convert the weights to it; None keeps the file's.
            device: where the weights go.

        Returns:
            The model, in evaluation mode.

        Raises:
            ValueError: the folder is no phi model; the message names what is missing or different.
        """
        with torch.device("meta"):  # shapes only: the weights come from the file
            model = cls(weights.read_config(folder), attention_backend, attend)
        layers = model.config.num_hidden_layers
        tensors = weights.read_weights(folder, model.state_dict(), layers, dtype, device)
        model.load_state_dict(tensors, assign=True)
        return model.eval()

    def save_pretrained(self, folder: str | Path, tokenizer: Any = None) -> None:
        """Write a Hugging Face model folder that `transformers.AutoModelForCausalLM` loads.

        Args:
            folder: made if it does not exist; files of the same names are replaced.
            tokenizer: a `phi1_lib.tokenizer.Tokenizer`, written too, for `AutoTokenizer`.

        Raises:
            ValueError: the tokenizer's end-of-text id or size does not fit the model's.
        """
        weights.write_folder(folder, self.config, self.state_dict(), tokenizer)


def _positions(tokens: int, cu_seqlens: torch.Tensor | None, device: torch.device) -> torch.Tensor:
    """Return (T,): 0, 1, 2, ...; for documents with borders 0, 3, 5 it is 0 1 2 0 1."""
    positions_T = torch.arange(tokens, device=device)
    if cu_seqlens is None:
        return positions_T
    cu_seqlens = cu_seqlens.to(device)
    starts_T = cu_seqlens[:-1].repeat_interleave(cu_seqlens.diff(), output_size=tokens)
    return positions_T - starts_T


def _check_ids(ids_BT: torch.Tensor, vocab_size: int) -> None:
    if not isinstance(ids_BT, torch.Tensor):
        raise ValueError(
            f"ids are a {type(ids_BT).__name__}: must be a tensor (B, T), as torch.tensor([[1, 2]])"
        )
    if ids_BT.dim() != 2 or ids_BT.dtype not in (torch.int64, torch.int32) or not ids_BT.numel():
        raise ValueError(
            f"ids have shape {tuple(ids_BT.shape)} and dtype {ids_BT.dtype}: "
            "must be (B, T) of int64 or int32, not empty"
        )
    if found := _outside(ids_BT, vocab_size):
        raise ValueError(
            f"ids {found}: the model has 0 .. {vocab_size - 1}; encode with its own tokenizer"
        )


def _check_positions(positions: torch.Tensor, ids_BT: torch.Tensor, context: int) -> None:
    fits = positions.shape in (ids_BT.shape, ids_BT.shape[1:])
    if not fits or positions.dtype not in (torch.int64, torch.int32):
        raise ValueError(
            f"positions have shape {tuple(positions.shape)} and dtype {positions.dtype}: must be "
            f"(T,) or (B, T) of int64 or int32, for ids of shape {tuple(ids_BT.shape)}"
        )
    if found := _outside(positions, context):
        raise ValueError(f"positions {found}: must be in 0 .. {context - 1}")


def _outside(numbers: torch.Tensor, end: int) -> str | None:
    """Say from where to where the numbers go, if not within 0 .. end - 1.

    They are looked at on the CPU only: on a GPU, reading them makes the host wait.
    """
    if numbers.device.type != "cpu" or torch.compiler.is_compiling():
        return None
    first, last = (number.item() for number in numbers.aminmax())
    return None if first >= 0 and last < end else f"from {first} to {last}"


def _check_packed(ids_BT: torch.Tensor, cu_seqlens: torch.Tensor, cache: KVCache | None) -> None:
    if cache is not None:
        raise ValueError("packed documents (cu_seqlens) cannot be read into a cache")
    if ids_BT.shape[0] != 1:
        raise ValueError(f"packed documents (cu_seqlens) are one row, not {ids_BT.shape[0]}")
    check_documents(cu_seqlens, ids_BT.shape[1])
