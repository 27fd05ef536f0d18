"""Exercises of chapter 04: the model.

Write your answers in place of each `raise NotImplementedError`, save the file, and run
`%check 4.1` in the chapter, or `pytest exercises --exercise 4.1` in a terminal.

The letters after an underscore name a tensor's dimensions: B rows of a batch, T tokens, D features
of a token (the model's width), F features inside the MLP, V vocabulary. A linear map's weight has
shape (out, in), as in `torch.nn.Linear`: its result is x @ weight.T + bias.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional


def layer_norm(x_TD: Tensor, weight_D: Tensor, bias_D: Tensor, eps: float = 1e-5) -> Tensor:
    """Exercise 4.1: LayerNorm by hand.

    For every token on its own: subtract the mean of its D features, divide by the square root of
    (variance + eps), multiply by `weight_D`, add `bias_D`. The variance is the mean of the squared
    distances from the mean. Do it without PyTorch's own layer norm.

        layer_norm(tensor([[1.0, 3.0]]), ones(2), zeros(2)) -> about [[-1.0, 1.0]]
    """
    raise NotImplementedError("Exercise 4.1")


def mlp(h_TD: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    """Exercise 4.2: The MLP and its GELU.

    A linear map from D to F features, GELU in its tanh form, a linear map back to D. `weights` has
    fc1.weight (F, D), fc1.bias (F,), fc2.weight (D, F) and fc2.bias (D,). The tanh form is

        gelu(z) = 0.5 z (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3)))

    Do it without PyTorch's own GELU; `functional.linear` may be used.
    """
    raise NotImplementedError("Exercise 4.2")


def parallel_block(
    x_TD: Tensor, weights: Mapping[str, Tensor], attention: Callable[[Tensor], Tensor]
) -> Tensor:
    """Exercise 4.3: The parallel block.

    phi-1's block: one LayerNorm (epsilon 1e-5), whose result is read by attention and by the MLP;
    both results are added to x. `attention` takes (T, D) and returns (T, D). `weights` has
    input_layernorm.weight and .bias (D,), mlp.fc1.weight (F, D), mlp.fc1.bias (F,),
    mlp.fc2.weight (D, F) and mlp.fc2.bias (D,).

    `functional.layer_norm(x, (D,), weight, bias, eps)`, `functional.linear` and
    `functional.gelu(z, approximate="tanh")` may be used.
    """
    raise NotImplementedError("Exercise 4.3")


def broken_model(
    ids_T: Tensor, weights: Mapping[str, Tensor], blocks: Sequence[Callable[[Tensor], Tensor]]
) -> Tensor:
    """From ids to logits by a colleague in a hurry: four faults. See exercise 4.4."""
    x_TD = weights["model.embed_tokens.weight"][ids_T]
    for block in blocks:
        x_TD = x_TD + block(x_TD)
    return x_TD @ weights["model.embed_tokens.weight"].T


def model_logits(
    ids_T: Tensor, weights: Mapping[str, Tensor], blocks: Sequence[Callable[[Tensor], Tensor]]
) -> Tensor:
    """Exercise 4.4: Find the four faults.

    `broken_model` above runs, and returns numbers of the right shape. Write it here without its
    faults, as phi-1 is: embedding, blocks, final LayerNorm (epsilon 1e-5), head; logits (T, V).
    Each block takes (T, D) and returns (T, D), its input already added: it is the function of
    exercise 4.3. `functional.layer_norm(x, (D,), weight, bias, eps)` may be used. `weights` has

        model.embed_tokens.weight (V, D)       lm_head.weight (V, D)
        model.final_layernorm.weight (D,)      lm_head.bias (V,)
        model.final_layernorm.bias (D,)
    """
    raise NotImplementedError("Exercise 4.4")


def next_token_probabilities(logits_BV: Tensor, used: int) -> Tensor:
    """Exercise 4.5: Rows that no token has.

    Only the ids 0 to `used` - 1 stand for tokens. Return the probabilities of the next token,
    shape (B, V): exactly 0 for every id from `used` on, and the others sharing the whole 1 of
    their row as softmax shares it. `torch.softmax` may be used. Leave `logits_BV` unchanged.

        next_token_probabilities(tensor([[0.0, 0.0, 9.0]]), used=2) -> [[0.5, 0.5, 0.0]]
    """
    raise NotImplementedError("Exercise 4.5")


def count_parameters(vocab_size: int, width: int, inner: int, layers: int) -> dict[str, int]:
    """Exercise 4.6: Count to the unit.

    Return how many numbers a phi model holds, by part, each part summed over all layers:

        "embedding"     the table
        "layer_norms"   one in every block, and the final one
        "attention"     q, k, v and dense of every block
        "mlp"           fc1 and fc2 of every block
        "head"          a table of its own, and its bias

    Every linear map has a bias. For phi-1 (51200, 2048, 8192, 24) the parts sum to 1,418,270,720.
    """
    raise NotImplementedError("Exercise 4.6")


def first_loss(vocab_size: int, width: int, std: float) -> float:
    """Exercise 4.7: Predict the first loss.

    Return the loss (mean cross-entropy, natural logarithm) of a model that was never trained, by a
    formula, without building one. The head's weights are drawn from N(0, std) and its bias is 0;
    what it reads comes from a LayerNorm: `width` features of mean 0 whose squares sum to `width`.

    Use that for z drawn from N(0, s) the mean of e^z is e^(s^2 / 2).
    """
    raise NotImplementedError("Exercise 4.7")


def initialise(shapes: Mapping[str, tuple[int, ...]], std: float, seed: int) -> dict[str, Tensor]:
    """Exercise 4.8: Numbers to begin with.

    Return one float32 tensor for each name, of its shape, as the released code of phi-1 begins:

    - biases, LayerNorm's among them: 0;
    - weights of a LayerNorm (the name contains "layernorm"): 1;
    - every other weight, the embedding's and the head's too: drawn from N(0, std), where `std` is
      the standard deviation.

    The same seed gives the same numbers, another seed others, and no two drawn tensors are alike.
    """
    raise NotImplementedError("Exercise 4.8")


def from_older_release(tensors: Mapping[str, Tensor], heads: int) -> dict[str, Tensor]:
    """Exercise 4.9: An older release.

    Return the tensors under today's names. The second release of phi-1 called them, for block i
    (each line stands for a weight and a bias; the embedding has only a weight):

        transformer.embd.wte               model.embed_tokens
        transformer.h.{i}.ln               model.layers.{i}.input_layernorm
        transformer.h.{i}.mixer.Wqkv       model.layers.{i}.self_attn.q_proj, .k_proj and .v_proj
        transformer.h.{i}.mixer.out_proj   model.layers.{i}.self_attn.dense
        transformer.h.{i}.mlp.fc1          model.layers.{i}.mlp.fc1
        transformer.h.{i}.mlp.fc2          model.layers.{i}.mlp.fc2
        lm_head.ln                         model.final_layernorm
        lm_head.linear                     lm_head

    Wqkv has 3 D rows: first all D rows of q, then those of k, then those of v, each with head
    after head, as today. `heads` is there if you want it; think whether you do.
    """
    raise NotImplementedError("Exercise 4.9")
