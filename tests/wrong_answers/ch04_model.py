"""Named wrong answers for chapter 04. Each must fail with a message that names the mistake."""

BLOCK = """
def parallel_block(x_TD, weights, attention):
    def norm(x):
        weight, bias = weights["input_layernorm.weight"], weights["input_layernorm.bias"]
        return functional.layer_norm(x, x.shape[-1:], weight, bias, 1e-5)

    def mlp(h):
        z = functional.linear(h, weights["mlp.fc1.weight"], weights["mlp.fc1.bias"])
        g = functional.gelu(z, approximate="tanh")
        return functional.linear(g, weights["mlp.fc2.weight"], weights["mlp.fc2.bias"])

"""

RENAMED = """
def from_older_release(tensors, heads):
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
"""

WRONG_ANSWERS = [
    # exercise, name of the mistake, code that replaces the function, a fragment of the message
    (
        "4.1",
        "epsilon outside the root",
        """
def layer_norm(x_TD, weight_D, bias_D, eps=1e-5):
    mean = x_TD.mean(-1, keepdim=True)
    std = x_TD.std(-1, keepdim=True, correction=0)
    return (x_TD - mean) / (std + eps) * weight_D + bias_D
""",
        "epsilon stands outside the root",
    ),
    (
        "4.1",
        "unbiased variance",
        """
def layer_norm(x_TD, weight_D, bias_D, eps=1e-5):
    mean, variance = x_TD.mean(-1, keepdim=True), x_TD.var(-1, keepdim=True)
    return (x_TD - mean) / (variance + eps).sqrt() * weight_D + bias_D
""",
        "unbiased variance",
    ),
    (
        "4.1",
        "unbiased variance and epsilon outside the root",
        """
def layer_norm(x_TD, weight_D, bias_D, eps=1e-5):
    mean, std = x_TD.mean(-1, keepdim=True), x_TD.std(-1, keepdim=True)
    return (x_TD - mean) / (std + eps) * weight_D + bias_D
""",
        "unbiased variance, and epsilon stands outside",
    ),
    (
        "4.1",
        "no epsilon",
        """
def layer_norm(x_TD, weight_D, bias_D, eps=1e-5):
    centred = x_TD - x_TD.mean(-1, keepdim=True)
    return centred / centred.square().mean(-1, keepdim=True).sqrt() * weight_D + bias_D
""",
        "epsilon is missing",
    ),
    (
        "4.1",
        "over the tokens",
        """
def layer_norm(x_TD, weight_D, bias_D, eps=1e-5):
    centred = x_TD - x_TD.mean(0)
    return centred / (centred.square().mean(0) + eps).sqrt() * weight_D + bias_D
""",
        "normalised over the tokens",
    ),
    (
        "4.1",
        "one mean for the whole tensor",
        """
def layer_norm(x_TD, weight_D, bias_D, eps=1e-5):
    centred = x_TD - x_TD.mean()
    return centred / (centred.square().mean() + eps).sqrt() * weight_D + bias_D
""",
        "one mean and variance for all tokens",
    ),
    (
        "4.1",
        "no root",
        """
def layer_norm(x_TD, weight_D, bias_D, eps=1e-5):
    centred = x_TD - x_TD.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + eps) * weight_D + bias_D
""",
        "divided by the variance",
    ),
    (
        "4.1",
        "RMSNorm",
        """
def layer_norm(x_TD, weight_D, bias_D, eps=1e-5):
    return x_TD / (x_TD.square().mean(-1, keepdim=True) + eps).sqrt() * weight_D + bias_D
""",
        "RMSNorm",
    ),
    (
        "4.1",
        "bias before weight",
        """
def layer_norm(x_TD, weight_D, bias_D, eps=1e-5):
    centred = x_TD - x_TD.mean(-1, keepdim=True)
    normed = centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt()
    return (normed + bias_D) * weight_D
""",
        "weight first, then bias",
    ),
    (
        "4.1",
        "writes into its argument",
        """
def layer_norm(x_TD, weight_D, bias_D, eps=1e-5):
    x_TD -= x_TD.mean(-1, keepdim=True)
    x_TD /= (x_TD.square().mean(-1, keepdim=True) + eps).sqrt()
    return x_TD * weight_D + bias_D
""",
        "changed the tensor it was given",
    ),
    (
        "4.1",
        "one variance for all tokens",
        """
def layer_norm(x_TD, weight_D, bias_D, eps=1e-5):
    centred_TD = x_TD - x_TD.mean(-1, keepdim=True)
    return centred_TD / torch.sqrt((centred_TD**2).mean() + eps) * weight_D + bias_D
""",
        "one variance for all tokens",
    ),
    (
        "4.1",
        "another epsilon than the one given",
        """
def layer_norm(x_TD, weight_D, bias_D, eps=1e-6):
    mean = x_TD.mean(-1, keepdim=True)
    variance = x_TD.var(-1, correction=0, keepdim=True)
    return (x_TD - mean) / torch.sqrt(variance + eps) * weight_D + bias_D
""",
        "epsilon is 1e-6",
    ),
    (
        "4.1",
        "epsilon typed in",
        """
def layer_norm(x_TD, weight_D, bias_D, eps=1e-5):
    mean = x_TD.mean(-1, keepdim=True)
    variance = x_TD.var(-1, correction=0, keepdim=True)
    return (x_TD - mean) / torch.sqrt(variance + 1e-5) * weight_D + bias_D
""",
        "eps=0.01 was asked for and not used",
    ),
    (
        "4.2",
        "erf instead of tanh",
        """
def mlp(h_TD, weights):
    z = functional.linear(h_TD, weights["fc1.weight"], weights["fc1.bias"])
    g = 0.5 * z * (1 + torch.erf(z / 2**0.5))
    return functional.linear(g, weights["fc2.weight"], weights["fc2.bias"])
""",
        "the exact GELU, by erf",
    ),
    (
        "4.2",
        "ReLU",
        """
def mlp(h_TD, weights):
    z = functional.linear(h_TD, weights["fc1.weight"], weights["fc1.bias"])
    g = torch.relu(z)
    return functional.linear(g, weights["fc2.weight"], weights["fc2.bias"])
""",
        "ReLU, not GELU",
    ),
    (
        "4.2",
        "SiLU",
        """
def mlp(h_TD, weights):
    z = functional.linear(h_TD, weights["fc1.weight"], weights["fc1.bias"])
    g = z * torch.sigmoid(z)
    return functional.linear(g, weights["fc2.weight"], weights["fc2.bias"])
""",
        "SiLU",
    ),
    (
        "4.2",
        "sigmoid form",
        """
def mlp(h_TD, weights):
    z = functional.linear(h_TD, weights["fc1.weight"], weights["fc1.bias"])
    g = z * torch.sigmoid(1.702 * z)
    return functional.linear(g, weights["fc2.weight"], weights["fc2.bias"])
""",
        "the sigmoid form of GELU",
    ),
    (
        "4.2",
        "forgets the half",
        """
def mlp(h_TD, weights):
    z = functional.linear(h_TD, weights["fc1.weight"], weights["fc1.bias"])
    g = z * (1 + torch.tanh((2 / math.pi) ** 0.5 * (z + 0.044715 * z**3)))
    return functional.linear(g, weights["fc2.weight"], weights["fc2.bias"])
""",
        "the factor 0.5 is missing",
    ),
    (
        "4.2",
        "forgets the root",
        """
def mlp(h_TD, weights):
    z = functional.linear(h_TD, weights["fc1.weight"], weights["fc1.bias"])
    g = 0.5 * z * (1 + torch.tanh(2 / math.pi * (z + 0.044715 * z**3)))
    return functional.linear(g, weights["fc2.weight"], weights["fc2.bias"])
""",
        "the root is missing",
    ),
    (
        "4.2",
        "root of the 2 only",
        """
def mlp(h_TD, weights):
    z = functional.linear(h_TD, weights["fc1.weight"], weights["fc1.bias"])
    g = 0.5 * z * (1 + torch.tanh(math.sqrt(2) / math.pi * (z + 0.044715 * z**3)))
    return functional.linear(g, weights["fc2.weight"], weights["fc2.bias"])
""",
        "the root covers the 2 only",
    ),
    (
        "4.2",
        "squares instead of cubing",
        """
def mlp(h_TD, weights):
    z = functional.linear(h_TD, weights["fc1.weight"], weights["fc1.bias"])
    g = 0.5 * z * (1 + torch.tanh((2 / math.pi) ** 0.5 * (z + 0.044715 * z**2)))
    return functional.linear(g, weights["fc2.weight"], weights["fc2.bias"])
""",
        "it is cubed",
    ),
    (
        "4.2",
        "no GELU",
        """
def mlp(h_TD, weights):
    z = functional.linear(h_TD, weights["fc1.weight"], weights["fc1.bias"])
    g = z
    return functional.linear(g, weights["fc2.weight"], weights["fc2.bias"])
""",
        "there is no GELU between the two maps",
    ),
    (
        "4.2",
        "forgets the bias of fc1",
        """
def mlp(h_TD, weights):
    z = h_TD @ weights["fc1.weight"].T
    g = 0.5 * z * (1 + torch.tanh((2 / math.pi) ** 0.5 * (z + 0.044715 * z**3)))
    return functional.linear(g, weights["fc2.weight"], weights["fc2.bias"])
""",
        "the bias of fc1 is missing",
    ),
    (
        "4.2",
        "forgets the bias of fc2",
        """
def mlp(h_TD, weights):
    z = functional.linear(h_TD, weights["fc1.weight"], weights["fc1.bias"])
    g = 0.5 * z * (1 + torch.tanh((2 / math.pi) ** 0.5 * (z + 0.044715 * z**3)))
    return g @ weights["fc2.weight"].T
""",
        "the bias of fc2 is missing",
    ),
    (
        "4.2",
        "weights not transposed",
        """
def mlp(h_TD, weights):
    z = h_TD @ weights["fc1.weight"] + weights["fc1.bias"]
    g = 0.5 * z * (1 + torch.tanh((2 / math.pi) ** 0.5 * (z + 0.044715 * z**3)))
    return functional.linear(g, weights["fc2.weight"], weights["fc2.bias"])
""",
        "cannot be multiplied",
    ),
    (
        "4.2",
        "adds the residual",
        """
def mlp(h_TD, weights):
    z = functional.linear(h_TD, weights["fc1.weight"], weights["fc1.bias"])
    g = 0.5 * z * (1 + torch.tanh((2 / math.pi) ** 0.5 * (z + 0.044715 * z**3)))
    return h_TD + functional.linear(g, weights["fc2.weight"], weights["fc2.bias"])
""",
        "h is added",
    ),
    (
        "4.2",
        "the root multiplies z alone",
        """
def mlp(h_TD, weights):
    z = h_TD @ weights["fc1.weight"].T + weights["fc1.bias"]
    g = 0.5 * z * (1 + torch.tanh(math.sqrt(2 / math.pi) * z + 0.044715 * z**3))
    return g @ weights["fc2.weight"].T + weights["fc2.bias"]
""",
        "the root multiplies z alone",
    ),
    (
        "4.2",
        "0.5 z multiplies the 1 alone",
        """
def mlp(h_TD, weights):
    z = h_TD @ weights["fc1.weight"].T + weights["fc1.bias"]
    g = 0.5 * z + torch.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))
    return g @ weights["fc2.weight"].T + weights["fc2.bias"]
""",
        "0.5 z multiplies the 1 alone",
    ),
    (
        "4.3",
        "sequential block",
        BLOCK
        + """    x_TD = x_TD + attention(norm(x_TD))
    return x_TD + mlp(norm(x_TD))
""",
        "sequential: the MLP reads what attention made",
    ),
    (
        "4.3",
        "sequential without the second LayerNorm",
        BLOCK
        + """    x_TD = x_TD + attention(norm(x_TD))
    return x_TD + mlp(x_TD)
""",
        "an x that is not normalised",
    ),
    (
        "4.3",
        "sequential, the MLP first",
        BLOCK
        + """    x_TD = x_TD + mlp(norm(x_TD))
    return x_TD + attention(norm(x_TD))
""",
        "the MLP first",
    ),
    (
        "4.3",
        "two LayerNorms",
        BLOCK
        + """    h = norm(x_TD)
    return x_TD + attention(h) + mlp(norm(h))
""",
        "two LayerNorms in a row",
    ),
    (
        "4.3",
        "the MLP reads x",
        BLOCK
        + """    return x_TD + attention(norm(x_TD)) + mlp(x_TD)
""",
        "the MLP reads x",
    ),
    (
        "4.3",
        "attention reads x",
        BLOCK
        + """    return x_TD + attention(x_TD) + mlp(norm(x_TD))
""",
        "attention reads x",
    ),
    (
        "4.3",
        "no residual",
        BLOCK
        + """    h = norm(x_TD)
    return attention(h) + mlp(h)
""",
        "the residual is missing",
    ),
    (
        "4.3",
        "adds the normalised x",
        BLOCK
        + """    x_TD = norm(x_TD)
    return x_TD + attention(x_TD) + mlp(x_TD)
""",
        "the normalised x is added",
    ),
    (
        "4.3",
        "x added in both branches",
        BLOCK
        + """    h = norm(x_TD)
    return (x_TD + attention(h)) + (x_TD + mlp(h))
""",
        "x is added twice",
    ),
    (
        "4.3",
        "LayerNorm after the sum",
        BLOCK
        + """    return norm(x_TD + attention(x_TD) + mlp(x_TD))
""",
        "LayerNorm after the sum",
    ),
    (
        "4.3",
        "erf GELU",
        """
def parallel_block(x_TD, weights, attention):
    def norm(x):
        weight, bias = weights["input_layernorm.weight"], weights["input_layernorm.bias"]
        return functional.layer_norm(x, x.shape[-1:], weight, bias, 1e-5)

    def mlp(h):
        z = functional.linear(h, weights["mlp.fc1.weight"], weights["mlp.fc1.bias"])
        g = functional.gelu(z)
        return functional.linear(g, weights["mlp.fc2.weight"], weights["mlp.fc2.bias"])

    return x_TD + attention(norm(x_TD)) + mlp(norm(x_TD))
""",
        "pass approximate='tanh'",
    ),
    (
        "4.3",
        "no biases in the MLP",
        """
def parallel_block(x_TD, weights, attention):
    def norm(x):
        weight, bias = weights["input_layernorm.weight"], weights["input_layernorm.bias"]
        return functional.layer_norm(x, x.shape[-1:], weight, bias, 1e-5)

    def mlp(h):
        z = functional.linear(h, weights["mlp.fc1.weight"], None)
        g = functional.gelu(z, approximate="tanh")
        return functional.linear(g, weights["mlp.fc2.weight"], None)

    return x_TD + attention(norm(x_TD)) + mlp(norm(x_TD))
""",
        "the MLP's biases are missing",
    ),
    (
        "4.3",
        "LayerNorm's own weight and bias unused",
        """
def parallel_block(x_TD, weights, attention):
    def norm(x):
        return functional.layer_norm(x, x.shape[-1:], eps=1e-5)

    def mlp(h):
        z = functional.linear(h, weights["mlp.fc1.weight"], weights["mlp.fc1.bias"])
        g = functional.gelu(z, approximate="tanh")
        return functional.linear(g, weights["mlp.fc2.weight"], weights["mlp.fc2.bias"])

    return x_TD + attention(norm(x_TD)) + mlp(norm(x_TD))
""",
        "weight and bias are not used",
    ),
    (
        "4.3",
        "attention called twice",
        BLOCK
        + """    h = norm(x_TD)
    return x_TD + (attention(h) + attention(h)) / 2 + mlp(h)
""",
        "once is enough",
    ),
    (
        "4.3",
        "writes into its argument",
        BLOCK
        + """    h = norm(x_TD)
    x_TD += attention(h)
    x_TD += mlp(h)
    return x_TD
""",
        "changed the x it was given",
    ),
    (
        "4.3",
        "the MLP reads h plus attention's result",
        BLOCK
        + """    h = norm(x_TD)
    seen = attention(h)
    return x_TD + seen + mlp(h + seen)
""",
        "the MLP reads h + attention(h)",
    ),
    (
        "4.3",
        "ReLU",
        """
def parallel_block(x_TD, weights, attention):
    weight, bias = weights["input_layernorm.weight"], weights["input_layernorm.bias"]
    h = functional.layer_norm(x_TD, x_TD.shape[-1:], weight, bias, 1e-5)
    z = functional.linear(h, weights["mlp.fc1.weight"], weights["mlp.fc1.bias"]).relu()
    fed = functional.linear(z, weights["mlp.fc2.weight"], weights["mlp.fc2.bias"])
    return x_TD + attention(h) + fed
""",
        "ReLU, not GELU",
    ),
    (
        "4.3",
        "another epsilon",
        """
def parallel_block(x_TD, weights, attention):
    weight, bias = weights["input_layernorm.weight"], weights["input_layernorm.bias"]
    h = functional.layer_norm(x_TD, x_TD.shape[-1:], weight, bias, 1e-6)
    z = functional.linear(h, weights["mlp.fc1.weight"], weights["mlp.fc1.bias"])
    g = functional.gelu(z, approximate="tanh")
    fed = functional.linear(g, weights["mlp.fc2.weight"], weights["mlp.fc2.bias"])
    return x_TD + attention(h) + fed
""",
        "epsilon is 1e-6",
    ),
    (
        "4.4",
        "forgets the final LayerNorm",
        """
def model_logits(ids_T, weights, blocks):
    x_TD = weights["model.embed_tokens.weight"][ids_T]
    for block in blocks:
        x_TD = block(x_TD)
    return x_TD @ weights["lm_head.weight"].T + weights["lm_head.bias"]
""",
        "the final LayerNorm is still missing",
    ),
    (
        "4.4",
        "tied head",
        """
def model_logits(ids_T, weights, blocks):
    x_TD = weights["model.embed_tokens.weight"][ids_T]
    for block in blocks:
        x_TD = block(x_TD)
    weight, bias = weights["model.final_layernorm.weight"], weights["model.final_layernorm.bias"]
    x_TD = functional.layer_norm(x_TD, x_TD.shape[-1:], weight, bias, 1e-5)
    return x_TD @ weights["model.embed_tokens.weight"].T + weights["lm_head.bias"]
""",
        "the head is still the embedding table (tied)",
    ),
    (
        "4.4",
        "forgets the head's bias",
        """
def model_logits(ids_T, weights, blocks):
    x_TD = weights["model.embed_tokens.weight"][ids_T]
    for block in blocks:
        x_TD = block(x_TD)
    weight, bias = weights["model.final_layernorm.weight"], weights["model.final_layernorm.bias"]
    x_TD = functional.layer_norm(x_TD, x_TD.shape[-1:], weight, bias, 1e-5)
    return x_TD @ weights["lm_head.weight"].T
""",
        "the head's bias is still missing",
    ),
    (
        "4.4",
        "adds x twice",
        """
def model_logits(ids_T, weights, blocks):
    x_TD = weights["model.embed_tokens.weight"][ids_T]
    for block in blocks:
        x_TD = x_TD + block(x_TD)
    weight, bias = weights["model.final_layernorm.weight"], weights["model.final_layernorm.bias"]
    x_TD = functional.layer_norm(x_TD, x_TD.shape[-1:], weight, bias, 1e-5)
    return x_TD @ weights["lm_head.weight"].T + weights["lm_head.bias"]
""",
        "which contains it already",
    ),
    (
        "4.4",
        "two faults left",
        """
def model_logits(ids_T, weights, blocks):
    x_TD = weights["model.embed_tokens.weight"][ids_T]
    for block in blocks:
        x_TD = block(x_TD)
    return x_TD @ weights["lm_head.weight"].T
""",
        "the final LayerNorm is still missing; the head's bias is still missing",
    ),
    (
        "4.4",
        "every block reads the embedding",
        """
def model_logits(ids_T, weights, blocks):
    embedded_TD = weights["model.embed_tokens.weight"][ids_T]
    for block in blocks:
        x_TD = block(embedded_TD)
    weight, bias = weights["model.final_layernorm.weight"], weights["model.final_layernorm.bias"]
    x_TD = functional.layer_norm(x_TD, x_TD.shape[-1:], weight, bias, 1e-5)
    return x_TD @ weights["lm_head.weight"].T + weights["lm_head.bias"]
""",
        "every block reads the embedding",
    ),
    (
        "4.4",
        "normalises inside the loop",
        """
def model_logits(ids_T, weights, blocks):
    weight, bias = weights["model.final_layernorm.weight"], weights["model.final_layernorm.bias"]
    x_TD = weights["model.embed_tokens.weight"][ids_T]
    for block in blocks:
        x_TD = functional.layer_norm(block(x_TD), x_TD.shape[-1:], weight, bias, 1e-5)
    return x_TD @ weights["lm_head.weight"].T + weights["lm_head.bias"]
""",
        "stands inside the loop",
    ),
    (
        "4.4",
        "LayerNorm after the embedding as well",
        """
def model_logits(ids_T, weights, blocks):
    def norm(x):
        weight = weights["model.final_layernorm.weight"]
        return functional.layer_norm(
            x, x.shape[-1:], weight, weights["model.final_layernorm.bias"], 1e-5
        )

    x = norm(weights["model.embed_tokens.weight"][ids_T])
    for block in blocks:
        x = block(x)
    return norm(x) @ weights["lm_head.weight"].T + weights["lm_head.bias"]
""",
        "LayerNorm after the embedding as well",
    ),
    (
        "4.4",
        "probabilities",
        """
def model_logits(ids_T, weights, blocks):
    x = weights["model.embed_tokens.weight"][ids_T]
    for block in blocks:
        x = block(x)
    weight, bias = weights["model.final_layernorm.weight"], weights["model.final_layernorm.bias"]
    x = functional.layer_norm(x, x.shape[-1:], weight, bias, 1e-5)
    return (x @ weights["lm_head.weight"].T + weights["lm_head.bias"]).softmax(-1)
""",
        "these are probabilities",
    ),
    (
        "4.4",
        "another epsilon",
        """
def model_logits(ids_T, weights, blocks):
    x = weights["model.embed_tokens.weight"][ids_T]
    for block in blocks:
        x = block(x)
    weight, bias = weights["model.final_layernorm.weight"], weights["model.final_layernorm.bias"]
    x = functional.layer_norm(x, x.shape[-1:], weight, bias, 1e-6)
    return x @ weights["lm_head.weight"].T + weights["lm_head.bias"]
""",
        "epsilon is 1e-6",
    ),
    (
        "4.5",
        "forbids nothing",
        """
def next_token_probabilities(logits_BV, used):
    return logits_BV.softmax(-1)
""",
        "unused ids still get a share",
    ),
    (
        "4.5",
        "zero after the softmax",
        """
def next_token_probabilities(logits_BV, used):
    shares_BV = logits_BV.softmax(-1)
    shares_BV[:, used:] = 0
    return shares_BV
""",
        "the rows do not sum to 1",
    ),
    (
        "4.5",
        "logits of zero",
        """
def next_token_probabilities(logits_BV, used):
    logits_BV = logits_BV.clone()
    logits_BV[:, used:] = 0
    return logits_BV.softmax(-1)
""",
        "e^0 is 1, and any finite number",
    ),
    (
        "4.5",
        "cuts the columns off",
        """
def next_token_probabilities(logits_BV, used):
    return logits_BV[:, :used].softmax(-1)
""",
        "the unused columns were cut off",
    ),
    (
        "4.5",
        "off by one: one id too many",
        """
def next_token_probabilities(logits_BV, used):
    logits_BV = logits_BV.clone()
    logits_BV[:, used + 1 :] = float("-inf")
    return logits_BV.softmax(-1)
""",
        "off by one: id `used` is unused",
    ),
    (
        "4.5",
        "off by one: one id too few",
        """
def next_token_probabilities(logits_BV, used):
    logits_BV = logits_BV.clone()
    logits_BV[:, used - 1 :] = float("-inf")
    return logits_BV.softmax(-1)
""",
        "is a token",
    ),
    (
        "4.5",
        "a number that is not small enough",
        """
def next_token_probabilities(logits_BV, used):
    logits_BV = logits_BV.clone()
    logits_BV[:, used:] = -30.0
    return logits_BV.softmax(-1)
""",
        "have a small chance left",
    ),
    (
        "4.5",
        "no softmax",
        """
def next_token_probabilities(logits_BV, used):
    return logits_BV.masked_fill(torch.arange(logits_BV.shape[1]) >= used, float("-inf"))
""",
        "a softmax is missing",
    ),
    (
        "4.5",
        "writes into its argument",
        """
def next_token_probabilities(logits_BV, used):
    logits_BV[:, used:] = float("-inf")
    return logits_BV.softmax(-1)
""",
        "changed the logits it was given",
    ),
    (
        "4.5",
        "divided by the sum of all rows",
        """
def next_token_probabilities(logits_BV, used):
    shares = logits_BV.softmax(-1)
    shares[:, used:] = 0
    return shares / shares.sum()
""",
        "divided by the sum of all rows",
    ),
    (
        "4.6",
        "tied",
        """
def count_parameters(vocab_size, width, inner, layers):
    return {
        "embedding": vocab_size * width,
        "layer_norms": (layers + 1) * 2 * width,
        "attention": layers * 4 * (width * width + width),
        "mlp": layers * (2 * width * inner + inner + width),
        "head": 0,
    }
""",
        "tied: the head has a table of its own",
    ),
    (
        "4.6",
        "tied, with a bias",
        """
def count_parameters(vocab_size, width, inner, layers):
    return {
        "embedding": vocab_size * width,
        "layer_norms": (layers + 1) * 2 * width,
        "attention": layers * 4 * (width * width + width),
        "mlp": layers * (2 * width * inner + inner + width),
        "head": vocab_size,
    }
""",
        "beside its bias",
    ),
    (
        "4.6",
        "no bias in the head",
        """
def count_parameters(vocab_size, width, inner, layers):
    return {
        "embedding": vocab_size * width,
        "layer_norms": (layers + 1) * 2 * width,
        "attention": layers * 4 * (width * width + width),
        "mlp": layers * (2 * width * inner + inner + width),
        "head": vocab_size * width,
    }
""",
        "the head's bias is missing",
    ),
    (
        "4.6",
        "the head's bias has the width",
        """
def count_parameters(vocab_size, width, inner, layers):
    return {
        "embedding": vocab_size * width,
        "layer_norms": (layers + 1) * 2 * width,
        "attention": layers * 4 * (width * width + width),
        "mlp": layers * (2 * width * inner + inner + width),
        "head": vocab_size * width + width,
    }
""",
        "one number for each row of the vocabulary",
    ),
    (
        "4.6",
        "two LayerNorms a block",
        """
def count_parameters(vocab_size, width, inner, layers):
    return {
        "embedding": vocab_size * width,
        "layer_norms": (2 * layers + 1) * 2 * width,
        "attention": layers * 4 * (width * width + width),
        "mlp": layers * (2 * width * inner + inner + width),
        "head": vocab_size * width + vocab_size,
    }
""",
        "two LayerNorms a block",
    ),
    (
        "4.6",
        "forgets the final LayerNorm",
        """
def count_parameters(vocab_size, width, inner, layers):
    return {
        "embedding": vocab_size * width,
        "layer_norms": layers * 2 * width,
        "attention": layers * 4 * (width * width + width),
        "mlp": layers * (2 * width * inner + inner + width),
        "head": vocab_size * width + vocab_size,
    }
""",
        "the final LayerNorm is missing",
    ),
    (
        "4.6",
        "LayerNorm without a bias",
        """
def count_parameters(vocab_size, width, inner, layers):
    return {
        "embedding": vocab_size * width,
        "layer_norms": (layers + 1) * width,
        "attention": layers * 4 * (width * width + width),
        "mlp": layers * (2 * width * inner + inner + width),
        "head": vocab_size * width + vocab_size,
    }
""",
        "a weight and a bias",
    ),
    (
        "4.6",
        "attention without biases",
        """
def count_parameters(vocab_size, width, inner, layers):
    return {
        "embedding": vocab_size * width,
        "layer_norms": (layers + 1) * 2 * width,
        "attention": layers * 4 * width**2,
        "mlp": layers * (2 * width * inner + inner + width),
        "head": vocab_size * width + vocab_size,
    }
""",
        "attention's biases are missing",
    ),
    (
        "4.6",
        "attention without dense",
        """
def count_parameters(vocab_size, width, inner, layers):
    return {
        "embedding": vocab_size * width,
        "layer_norms": (layers + 1) * 2 * width,
        "attention": layers * 3 * (width**2 + width),
        "mlp": layers * (2 * width * inner + inner + width),
        "head": vocab_size * width + vocab_size,
    }
""",
        "a fourth map",
    ),
    (
        "4.6",
        "MLP without biases",
        """
def count_parameters(vocab_size, width, inner, layers):
    return {
        "embedding": vocab_size * width,
        "layer_norms": (layers + 1) * 2 * width,
        "attention": layers * 4 * (width * width + width),
        "mlp": layers * 2 * width * inner,
        "head": vocab_size * width + vocab_size,
    }
""",
        "the MLP's biases are missing",
    ),
    (
        "4.6",
        "both MLP biases as wide as the model",
        """
def count_parameters(vocab_size, width, inner, layers):
    return {
        "embedding": vocab_size * width,
        "layer_norms": (layers + 1) * 2 * width,
        "attention": layers * 4 * (width * width + width),
        "mlp": layers * (2 * width * inner + 2 * width),
        "head": vocab_size * width + vocab_size,
    }
""",
        "fc1's bias has `inner` numbers",
    ),
    (
        "4.6",
        "one layer only",
        """
def count_parameters(vocab_size, width, inner, layers):
    return {
        "embedding": vocab_size * width,
        "layer_norms": (layers + 1) * 2 * width,
        "attention": layers * 4 * (width * width + width),
        "mlp": 2 * width * inner + inner + width,
        "head": vocab_size * width + vocab_size,
    }
""",
        "this is one layer's MLP",
    ),
    (
        "4.6",
        "inner taken for four times the width",
        """
def count_parameters(vocab_size, width, inner, layers):
    return {
        "embedding": vocab_size * width,
        "layer_norms": (layers + 1) * 2 * width,
        "attention": layers * 4 * (width * width + width),
        "mlp": layers * (8 * width**2 + 5 * width),
        "head": vocab_size * width + vocab_size,
    }
""",
        "`inner` need not be 4 x width",
    ),
    (
        "4.6",
        "division makes a float",
        """
def count_parameters(vocab_size, width, inner, layers):
    return {
        "embedding": vocab_size * width,
        "layer_norms": (layers + 1) * 2 * width,
        "attention": layers * 8 * width * (width + 1) / 2,
        "mlp": layers * (2 * width * inner + inner + width),
        "head": vocab_size * width + vocab_size,
    }
""",
        "not an int",
    ),
    (
        "4.6",
        "no bias in fc2",
        """
def count_parameters(vocab_size, width, inner, layers):
    return {
        "embedding": vocab_size * width,
        "layer_norms": (layers + 1) * 2 * width,
        "attention": layers * 4 * (width * width + width),
        "mlp": layers * (2 * width * inner + inner),
        "head": vocab_size * width + vocab_size,
    }
""",
        "the bias of fc2 is missing",
    ),
    (
        "4.7",
        "ln V",
        """
def first_loss(vocab_size, width, std):
    return math.log(vocab_size)
""",
        "the loss of logits that are all 0",
    ),
    (
        "4.7",
        "log2",
        """
def first_loss(vocab_size, width, std):
    return math.log2(vocab_size) + width * std**2 / 2
""",
        "natural logarithm",
    ),
    (
        "4.7",
        "not halved",
        """
def first_loss(vocab_size, width, std):
    return math.log(vocab_size) + width * std**2
""",
        "is not halved",
    ),
    (
        "4.7",
        "subtracts",
        """
def first_loss(vocab_size, width, std):
    return math.log(vocab_size) - width * std**2 / 2
""",
        "make the loss larger",
    ),
    (
        "4.7",
        "std not squared",
        """
def first_loss(vocab_size, width, std):
    return math.log(vocab_size) + width * std / 2
""",
        "`std` is not squared",
    ),
    (
        "4.7",
        "one weight's variance",
        """
def first_loss(vocab_size, width, std):
    return math.log(vocab_size) + std**2 / 2
""",
        "the variance of one weight",
    ),
    (
        "4.7",
        "deviation in place of variance",
        """
def first_loss(vocab_size, width, std):
    return math.log(vocab_size) + width**0.5 * std / 2
""",
        "use their variance",
    ),
    (
        "4.7",
        "accuracy of a guess",
        """
def first_loss(vocab_size, width, std):
    return 1 - 1 / vocab_size
""",
        "a measured loss is about",
    ),
    (
        "4.7",
        "the standard deviation, whole",
        """
def first_loss(vocab_size, width, std):
    return math.log(vocab_size) + std * math.sqrt(width)
""",
        "use half their variance",
    ),
    (
        "4.7",
        "in bits",
        """
def first_loss(vocab_size, width, std):
    return (math.log(vocab_size) + width * std**2 / 2) / math.log(2)
""",
        "this is in bits",
    ),
    (
        "4.8",
        "std taken for the variance",
        """
def initialise(shapes, std, seed):
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes.items():
        if name.endswith("bias"):
            tensors[name] = torch.zeros(shape)
        elif "layernorm" in name:
            tensors[name] = torch.ones(shape)
        else:
            tensors[name] = std**0.5 * torch.randn(shape, generator=generator)
    return tensors
""",
        "not the variance",
    ),
    (
        "4.8",
        "std squared",
        """
def initialise(shapes, std, seed):
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes.items():
        if name.endswith("bias"):
            tensors[name] = torch.zeros(shape)
        elif "layernorm" in name:
            tensors[name] = torch.ones(shape)
        else:
            tensors[name] = std**2 * torch.randn(shape, generator=generator)
    return tensors
""",
        "std squared",
    ),
    (
        "4.8",
        "forgets std",
        """
def initialise(shapes, std, seed):
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes.items():
        if name.endswith("bias"):
            tensors[name] = torch.zeros(shape)
        elif "layernorm" in name:
            tensors[name] = torch.ones(shape)
        else:
            tensors[name] = torch.randn(shape, generator=generator)
    return tensors
""",
        "multiply by std",
    ),
    (
        "4.8",
        "uniform",
        """
def initialise(shapes, std, seed):
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes.items():
        if name.endswith("bias"):
            tensors[name] = torch.zeros(shape)
        elif "layernorm" in name:
            tensors[name] = torch.ones(shape)
        else:
            tensors[name] = std * (2 * torch.rand(shape, generator=generator) - 1)
    return tensors
""",
        "looks uniform",
    ),
    (
        "4.8",
        "uniform of the right spread",
        """
def initialise(shapes, std, seed):
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes.items():
        if name.endswith("bias"):
            tensors[name] = torch.zeros(shape)
        elif "layernorm" in name:
            tensors[name] = torch.ones(shape)
        else:
            tensors[name] = std * 12**0.5 * (torch.rand(shape, generator=generator) - 0.5)
    return tensors
""",
        "draw from the normal distribution",
    ),
    (
        "4.8",
        "scaled by the inputs",
        """
def initialise(shapes, std, seed):
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes.items():
        if name.endswith("bias"):
            tensors[name] = torch.zeros(shape)
        elif "layernorm" in name:
            tensors[name] = torch.ones(shape)
        else:
            tensors[name] = std / shape[-1] ** 0.5 * torch.randn(shape, generator=generator)
    return tensors
""",
        "scaled by the number of inputs",
    ),
    (
        "4.8",
        "LayerNorm drawn",
        """
def initialise(shapes, std, seed):
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes.items():
        if name.endswith("bias"):
            tensors[name] = torch.zeros(shape)
        elif False:
            tensors[name] = torch.ones(shape)
        else:
            tensors[name] = std * torch.randn(shape, generator=generator)
    return tensors
""",
        "is not 1: a LayerNorm's weight",
    ),
    (
        "4.8",
        "LayerNorm zero",
        """
def initialise(shapes, std, seed):
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes.items():
        if name.endswith("bias"):
            tensors[name] = torch.zeros(shape)
        elif "layernorm" in name:
            tensors[name] = torch.zeros(shape)
        else:
            tensors[name] = std * torch.randn(shape, generator=generator)
    return tensors
""",
        "would give 0 for ever",
    ),
    (
        "4.8",
        "LayerNorm's bias one",
        """
def initialise(shapes, std, seed):
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes.items():
        if "layernorm" in name:
            tensors[name] = torch.ones(shape)
        elif name.endswith("bias"):
            tensors[name] = torch.zeros(shape)
        else:
            tensors[name] = std * torch.randn(shape, generator=generator)
    return tensors
""",
        "it is a bias, and begins at 0",
    ),
    (
        "4.8",
        "biases drawn",
        """
def initialise(shapes, std, seed):
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes.items():
        if name.endswith("bias"):
            tensors[name] = std * torch.randn(shape, generator=generator)
        elif "layernorm" in name:
            tensors[name] = torch.ones(shape)
        else:
            tensors[name] = std * torch.randn(shape, generator=generator)
    return tensors
""",
        "all biases begin at 0",
    ),
    (
        "4.8",
        "seeds inside the loop",
        """
def initialise(shapes, std, seed):
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes.items():
        generator.manual_seed(seed)
        if name.endswith("bias"):
            tensors[name] = torch.zeros(shape)
        elif "layernorm" in name:
            tensors[name] = torch.ones(shape)
        else:
            tensors[name] = std * torch.randn(shape, generator=generator)
    return tensors
""",
        "seed the generator once",
    ),
    (
        "4.8",
        "ignores the generator",
        """
def initialise(shapes, std, seed):
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes.items():
        if name.endswith("bias"):
            tensors[name] = torch.zeros(shape)
        elif "layernorm" in name:
            tensors[name] = torch.ones(shape)
        else:
            tensors[name] = std * torch.randn(shape)
    return tensors
""",
        "pass the generator along",
    ),
    (
        "4.8",
        "a seed of its own",
        """
def initialise(shapes, std, seed):
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for name, shape in shapes.items():
        if name.endswith("bias"):
            tensors[name] = torch.zeros(shape)
        elif "layernorm" in name:
            tensors[name] = torch.ones(shape)
        else:
            tensors[name] = std * torch.randn(shape, generator=generator)
    return tensors
""",
        "another seed gave the same numbers",
    ),
    (
        "4.8",
        "0.02 whatever is asked for",
        """
def initialise(shapes, std, seed):
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.zeros(shape)
        if name.endswith("bias")
        else torch.ones(shape)
        if "layernorm" in name
        else 0.02 * torch.randn(shape, generator=generator)
        for name, shape in shapes.items()
    }
""",
        "use the argument `std`",
    ),
    (
        "4.9",
        "rows split as (heads, 3, K)",
        RENAMED
        + """            parts = tensor.unflatten(0, (heads, 3, -1)).transpose(0, 1).flatten(1, 2)
            for letter, part in zip("qkv", parts):
                found[name.replace(".mixer.Wqkv.", f".self_attn.{letter}_proj.")] = part
        else:
            found[name] = tensor
    return found
""",
        "split as (heads, 3, K)",
    ),
    (
        "4.9",
        "order q, v, k, as in CodeGen",
        RENAMED
        + """            parts = [tensor.chunk(3)[i] for i in (0, 2, 1)]
            for letter, part in zip("qkv", parts):
                found[name.replace(".mixer.Wqkv.", f".self_attn.{letter}_proj.")] = part
        else:
            found[name] = tensor
    return found
""",
        "the order of the rows is q, k, v",
    ),
    (
        "4.9",
        "every third row",
        RENAMED
        + """            parts = [tensor[i::3] for i in range(3)]
            for letter, part in zip("qkv", parts):
                found[name.replace(".mixer.Wqkv.", f".self_attn.{letter}_proj.")] = part
        else:
            found[name] = tensor
    return found
""",
        "every third row was taken",
    ),
    (
        "4.9",
        "cuts the columns",
        RENAMED
        + """            parts = tensor.chunk(3, dim=-1)
            for letter, part in zip("qkv", parts):
                found[name.replace(".mixer.Wqkv.", f".self_attn.{letter}_proj.")] = part
        else:
            found[name] = tensor
    return found
""",
        "cut along its columns",
    ),
    (
        "4.9",
        "transposes the weights",
        RENAMED
        + """            parts = [part.T if part.ndim == 2 else part for part in tensor.chunk(3)]
            for letter, part in zip("qkv", parts):
                found[name.replace(".mixer.Wqkv.", f".self_attn.{letter}_proj.")] = part
        else:
            found[name] = tensor
    return found
""",
        "is transposed",
    ),
    (
        "4.9",
        "the last LayerNorm renamed like the others",
        """
def from_older_release(tensors, heads):
    renamed = {
        "transformer.embd.wte.": "model.embed_tokens.",
        ".ln.": ".input_layernorm.",
        "lm_head.linear.": "lm_head.",
        "transformer.h.": "model.layers.",
        ".mixer.out_proj.": ".self_attn.dense.",
    }
    found = {}
    for name, tensor in tensors.items():
        for old, new in renamed.items():
            name = name.replace(old, new)
        if ".mixer.Wqkv." in name:
            parts = tensor.chunk(3)
            for letter, part in zip("qkv", parts):
                found[name.replace(".mixer.Wqkv.", f".self_attn.{letter}_proj.")] = part
        else:
            found[name] = tensor
    return found
""",
        "the last LayerNorm was renamed like those of the blocks",
    ),
    (
        "4.9",
        "Wqkv kept whole",
        """
def from_older_release(tensors, heads):
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
        found[name] = tensor
    return found
""",
        "is still an older name",
    ),
    (
        "4.9",
        "blocks counted from one",
        r"""
import re


def from_older_release(tensors, heads):
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
        name = re.sub(r"layers\.(\d+)", lambda m: f"layers.{int(m[1]) + 1}", name)
        if ".mixer.Wqkv." in name:
            parts = tensor.chunk(3)
            for letter, part in zip("qkv", parts):
                found[name.replace(".mixer.Wqkv.", f".self_attn.{letter}_proj.")] = part
        else:
            found[name] = tensor
    return found
""",
        "is missing",
    ),
    (
        "4.9",
        "empties the dictionary given",
        """
def from_older_release(tensors, heads):
    renamed = {
        "transformer.embd.wte.": "model.embed_tokens.",
        "lm_head.ln.": "model.final_layernorm.",
        "lm_head.linear.": "lm_head.",
        "transformer.h.": "model.layers.",
        ".ln.": ".input_layernorm.",
        ".mixer.out_proj.": ".self_attn.dense.",
    }
    for name in list(tensors):
        tensor, todays = tensors.pop(name), name
        for old, new in renamed.items():
            todays = todays.replace(old, new)
        if ".mixer.Wqkv." in todays:
            for letter, part in zip("qkv", tensor.chunk(3)):
                tensors[todays.replace(".mixer.Wqkv.", f".self_attn.{letter}_proj.")] = part
        else:
            tensors[todays] = tensor
    return tensors
""",
        "changed the dictionary it was given",
    ),
]
