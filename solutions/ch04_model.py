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
    # BEGIN SOLUTION 4.1
    # HINT: A token is a row. Over which dimension do mean and variance run, and which shape must
    #   they keep to line up with the rows?
    # HINT: The plan: the mean of each row, kept as a column; the rows less their mean; the mean of
    #   the squares of that. `torch.var` divides by D - 1 unless told otherwise. Epsilon joins the
    #   variance before the root is taken. Scale and shift come last.
    centred_TD = x_TD - x_TD.mean(dim=-1, keepdim=True)
    variance_T1 = (centred_TD**2).mean(dim=-1, keepdim=True)
    return centred_TD / (variance_T1 + eps).sqrt() * weight_D + bias_D
    # END SOLUTION


def mlp(h_TD: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    """Exercise 4.2: The MLP and its GELU.

    A linear map from D to F features, GELU in its tanh form, a linear map back to D. `weights` has
    fc1.weight (F, D), fc1.bias (F,), fc2.weight (D, F) and fc2.bias (D,). The tanh form is

        gelu(z) = 0.5 z (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3)))

    Do it without PyTorch's own GELU; `functional.linear` may be used.
    """
    # BEGIN SOLUTION 4.2
    # HINT: Four tensors, each used once. In which order do the two maps come, and what stands
    #   between them?
    # HINT: The plan: the first map with its bias gives z, shape (T, F). Put z through the formula:
    #   the root covers the fraction 2 / pi only, and the cube belongs to z. The second map, with
    #   its bias, brings the result back to D.
    z_TF = functional.linear(h_TD, weights["fc1.weight"], weights["fc1.bias"])
    gate_TF = 1 + torch.tanh(math.sqrt(2 / math.pi) * (z_TF + 0.044715 * z_TF**3))
    return functional.linear(0.5 * z_TF * gate_TF, weights["fc2.weight"], weights["fc2.bias"])
    # END SOLUTION


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
    # BEGIN SOLUTION 4.3
    # HINT: Draw the arrows first. What does attention read, what does the MLP read, and which
    #   three things meet in the sum?
    # HINT: The plan: normalise x once and keep the result under its own name, because x itself is
    #   needed again. Attention reads the normalised tensor. The MLP reads the same one, not x, and
    #   not what attention made. The sum has three terms: x as it came in, and the two results.
    h_TD = functional.layer_norm(
        x_TD,
        x_TD.shape[-1:],
        weights["input_layernorm.weight"],
        weights["input_layernorm.bias"],
        1e-5,
    )
    z_TF = functional.linear(h_TD, weights["mlp.fc1.weight"], weights["mlp.fc1.bias"])
    mlp_TD = functional.linear(
        functional.gelu(z_TF, approximate="tanh"),
        weights["mlp.fc2.weight"],
        weights["mlp.fc2.bias"],
    )
    return x_TD + attention(h_TD) + mlp_TD
    # END SOLUTION


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
    # BEGIN SOLUTION 4.4
    # HINT: Lay the table of weights beside the code of `broken_model`, and tick off each tensor
    #   that the code uses. Then read what a block returns.
    # HINT: The plan: four of the five tensors are never used, and they account for three faults:
    #   a step that is left out, a head that is another table's, and a constant that is not added.
    #   The fourth fault is in the loop: follow x through one block and count how often it is added.
    x_TD = weights["model.embed_tokens.weight"][ids_T]
    for block in blocks:
        x_TD = block(x_TD)
    h_TD = functional.layer_norm(
        x_TD,
        x_TD.shape[-1:],
        weights["model.final_layernorm.weight"],
        weights["model.final_layernorm.bias"],
        1e-5,
    )
    return functional.linear(h_TD, weights["lm_head.weight"], weights["lm_head.bias"])
    # END SOLUTION


def next_token_probabilities(logits_BV: Tensor, used: int) -> Tensor:
    """Exercise 4.5: Rows that no token has.

    Only the ids 0 to `used` - 1 stand for tokens. Return the probabilities of the next token,
    shape (B, V): exactly 0 for every id from `used` on, and the others sharing the whole 1 of
    their row as softmax shares it. `torch.softmax` may be used. Leave `logits_BV` unchanged.

        next_token_probabilities(tensor([[0.0, 0.0, 9.0]]), used=2) -> [[0.5, 0.5, 0.0]]
    """
    # BEGIN SOLUTION 4.5
    # HINT: Chapter 02 hid the future before its softmax. Which score takes part in a softmax and
    #   gets no share of it?
    # HINT: The plan: copy the logits, because the caller needs them as they are. In the copy give
    #   every column from `used` on a score of minus infinity. Then the softmax over the last
    #   dimension does the rest, and the shape stays (B, V).
    allowed_BV = logits_BV.clone()
    allowed_BV[:, used:] = float("-inf")
    return allowed_BV.softmax(dim=-1)
    # END SOLUTION


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
    # BEGIN SOLUTION 4.6
    # HINT: A linear map from m to n features holds how many numbers, its bias included? And a
    #   LayerNorm over D features?
    # HINT: The plan: five products. The table is rows times width, and the head is that once more
    #   plus one number a row. A block has four square maps, one map up to `inner` and one back
    #   down; mind that the biases of these two differ in size. LayerNorms: one a block and one
    #   more.
    return {
        "embedding": vocab_size * width,
        "layer_norms": (layers + 1) * 2 * width,
        "attention": layers * 4 * (width * width + width),
        "mlp": layers * (inner * width + inner + width * inner + width),
        "head": vocab_size * width + vocab_size,
    }
    # END SOLUTION


def first_loss(vocab_size: int, width: int, std: float) -> float:
    """Exercise 4.7: Predict the first loss.

    Return the loss (mean cross-entropy, natural logarithm) of a model that was never trained, by a
    formula, without building one. The head's weights are drawn from N(0, std) and its bias is 0;
    what it reads comes from a LayerNorm: `width` features of mean 0 whose squares sum to `width`.

    Use that for z drawn from N(0, s) the mean of e^z is e^(s^2 / 2).
    """
    # BEGIN SOLUTION 4.7
    # HINT: A logit is a sum of `width` products of a feature with a weight. Variances of
    #   independent terms add: what is the variance of a logit?
    # HINT: The plan: the loss is the logarithm of the sum of all e^logit, less the logit of the
    #   right token, which is 0 on average. The sum has `vocab_size` terms; put their mean from the
    #   docstring in, and take the logarithm. Two terms remain, and one of them does not depend on
    #   `std`.
    logit_variance = width * std**2
    return math.log(vocab_size) + logit_variance / 2
    # END SOLUTION


def initialise(shapes: Mapping[str, tuple[int, ...]], std: float, seed: int) -> dict[str, Tensor]:
    """Exercise 4.8: Numbers to begin with.

    Return one float32 tensor for each name, of its shape, as the released code of phi-1 begins:

    - biases, LayerNorm's among them: 0;
    - weights of a LayerNorm (the name contains "layernorm"): 1;
    - every other weight, the embedding's and the head's too: drawn from N(0, std), where `std` is
      the standard deviation.

    The same seed gives the same numbers, another seed others, and no two drawn tensors are alike.
    """
    # BEGIN SOLUTION 4.8
    # HINT: The names tell the three cases apart. Which case must be asked for first, given that
    #   "input_layernorm.bias" fits two of them?
    # HINT: The plan: one `torch.Generator`, seeded once before the loop, so that each tensor goes
    #   on where the last one stopped. Then for each name: does it end in "bias", does it contain
    #   "layernorm", or neither? `torch.randn` takes a generator and has standard deviation 1.
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes.items():
        if name.endswith("bias"):
            tensors[name] = torch.zeros(shape)
        elif "layernorm" in name:
            tensors[name] = torch.ones(shape)
        else:
            tensors[name] = std * torch.randn(shape, generator=generator)
    return tensors
    # END SOLUTION


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
    # BEGIN SOLUTION 4.9
    # HINT: All names but Wqkv's change and nothing else does. How is a name put together: what
    #   comes before the block's number, and what after it?
    # HINT: The plan: a table of old and new pieces of names. The last LayerNorm is called `ln` too,
    #   so replace whole names where you can, or the longer pieces first. Then, for each tensor:
    #   rename it; if it is a Wqkv, cut its rows into three equal runs instead, and store each run
    #   under its own name.
    # HINT: The shape: `chunk` cuts a tensor into equal runs along a dimension, and works for the
    #   weight (3 D, D) and the bias (3 D,) alike if that dimension is 0. Since the rows of a head
    #   stand in today's order already, nothing needs to be moved within a run.
    renamed = {
        "transformer.embd.wte.": "model.embed_tokens.",
        "lm_head.ln.": "model.final_layernorm.",
        "lm_head.linear.": "lm_head.",
        "transformer.h.": "model.layers.",
        ".ln.": ".input_layernorm.",
        ".mixer.out_proj.": ".self_attn.dense.",
    }
    found = {}
    for name, tensor in tensors.items():
        for old, new in renamed.items():
            name = name.replace(old, new)
        if ".mixer.Wqkv." in name:
            for letter, part in zip("qkv", tensor.chunk(3, dim=0), strict=True):
                found[name.replace(".mixer.Wqkv.", f".self_attn.{letter}_proj.")] = part
        else:
            found[name] = tensor
    return found
    # END SOLUTION
