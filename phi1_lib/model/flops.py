"""What a model costs, by closed formulas: parameters, FLOPs a token, bytes in training and use."""

from dataclasses import dataclass

from phi1_lib.config import PhiConfig, TrainConfig


def count_parameters(config: PhiConfig) -> int:
    """Return the number of parameters.

    V D (embedding) + L block + 2 D (final LayerNorm) + V D + V (head), where
    block = 2 D (LayerNorm) + 4 (D D + D) (q, k, v, dense) + D F + F (fc1) + F D + D (fc2).
    phi-1: 1,418,270,720. phi-1-small: 356,794,368.
    """
    width, inner = config.hidden_size, config.intermediate_size
    layer_norm = 2 * width
    attention = 4 * (width * width + width)
    mlp = width * inner + inner + inner * width + width
    blocks = config.num_hidden_layers * (layer_norm + attention + mlp)
    embedding = config.vocab_size * width
    head = config.vocab_size * width + config.vocab_size
    return embedding + blocks + layer_norm + head


def flops_per_token(config: PhiConfig, context: int) -> int:
    """Return the FLOPs of forward and backward for one training token ("formula A").

    6 x matmul parameters + 12 x L x D x T, where matmul parameters are all but the input embedding,
    LayerNorms and biases: L (4 D D + 2 D F) + V D. A multiplication and an addition count as two;
    backward costs twice forward, so that forward alone is a third of it; attention is counted
    whole, not its causal half.

    Source: PaLM (arXiv 2204.02311), appendix B. phi-1 at T = 2048: 9.085 GFLOP. Print the
    formula's name beside every utilisation (MFU): with attention's causal half it is 8.481, with
    the input embedding as a matmul 9.718. Checked against PyTorch's FLOP counter.
    """
    width, layers = config.hidden_size, config.num_hidden_layers
    per_block = 4 * width * width + 2 * width * config.intermediate_size
    matmul_parameters = layers * per_block + config.vocab_size * width
    return 6 * matmul_parameters + 12 * layers * width * context


def cache_bytes(config: PhiConfig, batch: int, length: int, value_bytes: int) -> int:
    """Return the bytes of a `KVCache`: 2 (keys and values) x L x batch x length x D x value_bytes.

    phi-1 in half precision (2 bytes): 196,608 a token, 0.4 GB for one row of the whole context.
    Checked against the cache's tensors.
    """
    return 2 * config.num_hidden_layers * batch * length * config.hidden_size * value_bytes


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes on one rank."""

    weights: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        """All four together."""
        return self.weights + self.gradients + self.optimizer + self.activations


def training_memory_bytes(
    config: PhiConfig, train_config: TrainConfig, ranks: int = 1
) -> TrainingMemory:
    """Return the bytes that training needs on each of `ranks` data-parallel ranks.

    Model states, for P parameters. In fp16 and bf16: weights 2 P, gradients 2 P, AdamW 12 P (fp32
    weights and two moments). In fp32: 4 P, 4 P, 8 P; so too under autocast, whose sum is the same
    16 P. ZeRO divides by the ranks: from stage 1 the optimizer's, from stage 2 the gradients, at
    stage 3 the weights too.

    Not counted: communication buckets, temporary buffers, the allocator's waste, the driver. Keep
    a fifth of the GPU free for them.

    Raises:
        ValueError: `ranks` is below 1.

    Source: ZeRO (arXiv 1910.02054), section 3.1 and figure 1; activations: `activation_bytes`.
    """
    if ranks < 1:
        raise ValueError(f"ranks={ranks!r}: must be at least 1")
    parameters = count_parameters(config)
    half = _in_half_precision(train_config)
    weights, gradients, optimizer = (2, 2, 12) if half else (4, 4, 8)

    def share(bytes_each: int, from_stage: int) -> int:
        total = bytes_each * parameters
        return -(-total // ranks) if train_config.zero_stage >= from_stage else total

    return TrainingMemory(
        weights=share(weights, 3),
        gradients=share(gradients, 2),
        optimizer=share(optimizer, 1),
        activations=activation_bytes(config, train_config),
    )


def _in_half_precision(train_config: TrainConfig) -> bool:
    """Whether training runs in 16 bits; "auto" counts as such, for GPUs have bf16."""
    return train_config.precision != "fp32"


def activation_bytes(config: PhiConfig, train_config: TrainConfig) -> int:
    """Estimate the bytes of one micro-batch's activations when its loss has been computed.

    Kept for the backward pass, per token and block, in values of e bytes (2 in half precision,
    else 4): the block's input D, h = LayerNorm(input) D, q, k and v 3 D, attention's output D,
    GELU's input F and output F; with dropout one byte for each of the 2 D residual values (a GPU's
    mask; on the CPU PyTorch keeps whole values). Attention keeps no T x T matrix (a fused kernel).
    Then the final LayerNorm's input and output 2 D, and the loss's log-probabilities V in fp32.
    Beside these lie the logits V (in half precision also their copy in fp32, V), which are not kept
    but are there at that moment, the largest tensors of all.

    Counted from the operations in `phi1_lib.model`, after the method of arXiv 2205.05198, section
    4. Checked to 1 % against the tensors that PyTorch saves, and the logits.
    """
    half = _in_half_precision(train_config)
    value = 2 if half else 4
    width, inner, vocab = config.hidden_size, config.intermediate_size, config.vocab_size
    dropout_mask = 2 * width if train_config.dropout > 0 else 0
    block = (6 * width + 2 * inner) * value + dropout_mask
    end = 2 * width * value + vocab * (value + 4 + (4 if half else 0))
    tokens = train_config.micro_batch_size * train_config.context_length
    return tokens * (config.num_hidden_layers * block + end)
