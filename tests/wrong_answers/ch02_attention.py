"""Named wrong answers for chapter 02. Each must fail with a message that names the mistake."""

WRONG_ANSWERS = [
    # exercise, name of the mistake, code that replaces the function, a fragment of the message
    (
        "2.1",
        "no shift: exp overflows",
        """
def softmax(scores_TS):
    powers_TS = scores_TS.exp()
    return powers_TS / powers_TS.sum(dim=-1, keepdim=True)
""",
        "exp overflows",
    ),
    (
        "2.1",
        "largest score of the whole matrix",
        """
def softmax(scores_TS):
    powers_TS = (scores_TS - scores_TS.max()).exp()
    return powers_TS / powers_TS.sum(dim=-1, keepdim=True)
""",
        "each row's own largest score",
    ),
    (
        "2.1",
        "sums over the columns",
        """
def softmax(scores_TS):
    powers_TS = (scores_TS - scores_TS.max(dim=0).values).exp()
    return powers_TS / powers_TS.sum(dim=0)
""",
        "the columns sum to 1",
    ),
    (
        "2.1",
        "clips instead of shifting",
        """
def softmax(scores_TS):
    powers_TS = scores_TS.clamp(-80, 80).exp()
    return powers_TS / powers_TS.sum(dim=-1, keepdim=True)
""",
        "subtract, do not clip",
    ),
    (
        "2.1",
        "writes into its argument",
        """
def softmax(scores_TS):
    scores_TS -= scores_TS.max(dim=-1, keepdim=True).values
    powers_TS = scores_TS.exp()
    return powers_TS / powers_TS.sum(dim=-1, keepdim=True)
""",
        "changed the tensor it was given",
    ),
    (
        "2.1",
        "epsilon in the denominator hides the overflow",
        """
def softmax(scores_TS):
    powers_TS = scores_TS.exp().nan_to_num(posinf=1e30)
    return powers_TS / (powers_TS.sum(dim=-1, keepdim=True) + 1e-9)
""",
        "differences between the scores must survive",
    ),
    (
        "2.2",
        "missing scale",
        """
def attention_scores(q_TK, k_SK):
    return q_TK @ k_SK.T
""",
        "the scale is missing",
    ),
    (
        "2.2",
        "divides by K",
        """
def attention_scores(q_TK, k_SK):
    return q_TK @ k_SK.T / q_TK.shape[-1]
""",
        "divided by K",
    ),
    (
        "2.2",
        "scale from the number of positions",
        """
def attention_scores(q_TK, k_SK):
    return q_TK @ k_SK.T / len(k_SK) ** 0.5
""",
        "square root of the number of keys",
    ),
    (
        "2.2",
        "keys in the rows",
        """
def attention_scores(q_TK, k_SK):
    return k_SK @ q_TK.T / q_TK.shape[-1] ** 0.5
""",
        "transposed",
    ),
    (
        "2.2",
        "multiplies by the scale",
        """
def attention_scores(q_TK, k_SK):
    return q_TK @ k_SK.T * q_TK.shape[-1] ** 0.5
""",
        "multiplied by the square root",
    ),
    (
        "2.3",
        "mask off by one: hides itself",
        """
def hide_future(scores_TT):
    return scores_TT.masked_fill(torch.ones_like(scores_TT).triu(0).bool(), float("-inf"))
""",
        "a token must see itself",
    ),
    (
        "2.3",
        "mask off by one: shows the next token",
        """
def hide_future(scores_TT):
    return scores_TT.masked_fill(torch.ones_like(scores_TT).triu(2).bool(), float("-inf"))
""",
        "each token sees the one after it",
    ),
    (
        "2.3",
        "hides the past",
        """
def hide_future(scores_TT):
    return scores_TT.masked_fill(torch.ones_like(scores_TT).tril(-1).bool(), float("-inf"))
""",
        "the past is hidden",
    ),
    (
        "2.3",
        "fills with zero",
        """
def hide_future(scores_TT):
    return scores_TT.tril()
""",
        "exp(0) is 1",
    ),
    (
        "2.3",
        "fills with a number that is not small enough",
        """
def hide_future(scores_TT):
    return scores_TT.masked_fill(torch.ones_like(scores_TT).triu(1).bool(), -10.0)
""",
        "use -inf",
    ),
    (
        "2.3",
        "multiplies by infinity",
        """
def hide_future(scores_TT):
    return scores_TT + torch.ones_like(scores_TT).triu(1) * float("-inf")
""",
        "0 x inf is nan",
    ),
    (
        "2.3",
        "writes into its argument",
        """
def hide_future(scores_TT):
    scores_TT[torch.ones_like(scores_TT).triu(1).bool()] = float("-inf")
    return scores_TT
""",
        "changed the tensor it was given",
    ),
    (
        "2.3",
        "hides scores of zero",
        """
def hide_future(scores_TT):
    past_TT = scores_TT.tril()
    return past_TT.masked_fill(past_TT == 0, float("-inf"))
""",
        "decide by position",
    ),
    (
        "2.4",
        "mask after softmax",
        """
def causal_attention(q_TK, k_TK, v_TK):
    weights_TT = (q_TK @ k_TK.T / q_TK.shape[1] ** 0.5).softmax(dim=1)
    return weights_TT.tril() @ v_TK
""",
        "the mask still comes after the softmax",
    ),
    (
        "2.4",
        "softmax over the queries",
        """
def causal_attention(q_TK, k_TK, v_TK):
    scores_TT = q_TK @ k_TK.T / q_TK.shape[1] ** 0.5
    hidden_TT = torch.ones_like(scores_TT).triu(1).bool()
    return scores_TT.masked_fill(hidden_TT, float("-inf")).softmax(dim=0) @ v_TK
""",
        "the softmax still runs over the queries",
    ),
    (
        "2.4",
        "scale from the length",
        """
def causal_attention(q_TK, k_TK, v_TK):
    scores_TT = q_TK @ k_TK.T / q_TK.shape[0] ** 0.5
    hidden_TT = torch.ones_like(scores_TT).triu(1).bool()
    return scores_TT.masked_fill(hidden_TT, float("-inf")).softmax(dim=1) @ v_TK
""",
        "square root of T, the length",
    ),
    (
        "2.4",
        "missing scale",
        """
def causal_attention(q_TK, k_TK, v_TK):
    scores_TT = q_TK @ k_TK.T
    hidden_TT = torch.ones_like(scores_TT).triu(1).bool()
    return scores_TT.masked_fill(hidden_TT, float("-inf")).softmax(dim=1) @ v_TK
""",
        "there is no scale now",
    ),
    (
        "2.4",
        "two faults left: the length in the scale, the late mask",
        """
def causal_attention(q_TK, k_TK, v_TK):
    weights_TT = (q_TK @ k_TK.T / q_TK.shape[0] ** 0.5).softmax(dim=1)
    return weights_TT.tril() @ v_TK
""",
        "the length; it is the square root of K; the mask still comes after",
    ),
    (
        "2.4",
        "mask off by one",
        """
def causal_attention(q_TK, k_TK, v_TK):
    scores_TT = q_TK @ k_TK.T / q_TK.shape[1] ** 0.5
    hidden_TT = torch.ones_like(scores_TT).triu(2).bool()
    return scores_TT.masked_fill(hidden_TT, float("-inf")).softmax(dim=1) @ v_TK
""",
        "each token sees the one after it",
    ),
    (
        "2.5",
        "reshapes straight to heads first",
        """
def multi_head_attention(q_BTD, k_BTD, v_BTD, heads):
    B, T, D = q_BTD.shape
    q, k, v = (x.reshape(B, heads, T, D // heads) for x in (q_BTD, k_BTD, v_BTD))
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    return out.reshape(B, T, D)
""",
        "features of different positions are mixed",
    ),
    (
        "2.5",
        "merges without transposing back",
        """
def multi_head_attention(q_BTD, k_BTD, v_BTD, heads):
    B, T, D = q_BTD.shape
    q, k, v = (x.reshape(B, T, heads, -1).transpose(1, 2) for x in (q_BTD, k_BTD, v_BTD))
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    return out.reshape(B, T, D)
""",
        "merged without transposing back",
    ),
    (
        "2.5",
        "combs the features: head h takes every H-th",
        """
def multi_head_attention(q_BTD, k_BTD, v_BTD, heads):
    B, T, D = q_BTD.shape
    q, k, v = (x.reshape(B, T, -1, heads).permute(0, 3, 1, 2) for x in (q_BTD, k_BTD, v_BTD))
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    return out.permute(0, 2, 3, 1).reshape(B, T, D)
""",
        "it should have K neighbours",
    ),
    (
        "2.5",
        "scale of the whole width",
        """
def multi_head_attention(q_BTD, k_BTD, v_BTD, heads):
    B, T, D = q_BTD.shape
    q, k, v = (x.reshape(B, T, heads, -1).transpose(1, 2) for x in (q_BTD, k_BTD, v_BTD))
    out = torch.nn.functional.scaled_dot_product_attention(
        q, k, v, is_causal=True, scale=D ** -0.5
    )
    return out.transpose(1, 2).reshape(B, T, D)
""",
        "the scale is 1 / sqrt(D)",
    ),
    (
        "2.5",
        "ignores the heads",
        """
def multi_head_attention(q_BTD, k_BTD, v_BTD, heads):
    return torch.nn.functional.scaled_dot_product_attention(q_BTD, k_BTD, v_BTD, is_causal=True)
""",
        "that of a single head",
    ),
    (
        "2.5",
        "heads attend to heads",
        """
def multi_head_attention(q_BTD, k_BTD, v_BTD, heads):
    B, T, D = q_BTD.shape
    q, k, v = (x.reshape(B, T, heads, -1) for x in (q_BTD, k_BTD, v_BTD))
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    return out.reshape(B, T, D)
""",
        "heads attend to heads",
    ),
    (
        "2.6",
        "interleaved pairs, as CodeGen has them",
        """
def rotate(x_THK, rotary_dim, theta=10_000.0):
    angle = torch.outer(
        torch.arange(len(x_THK)), theta ** (-torch.arange(0, rotary_dim, 2) / rotary_dim)
    )[:, None]
    part, rest = x_THK[..., :rotary_dim], x_THK[..., rotary_dim:]
    a, b = part[..., 0::2], part[..., 1::2]
    turned = [a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()]
    return torch.cat([torch.stack(turned, -1).flatten(-2), rest], -1)
""",
        "interleaved",
    ),
    (
        "2.6",
        "rotary on all dimensions",
        """
def rotate(x_THK, rotary_dim, theta=10_000.0):
    K = x_THK.shape[-1]
    angle = torch.outer(torch.arange(len(x_THK)), theta ** (-torch.arange(0, K, 2) / K))[:, None]
    a, b = x_THK.chunk(2, -1)
    return torch.cat(
        [a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], -1
    )
""",
        "all dimensions turn",
    ),
    (
        "2.6",
        "turned the other way",
        """
def rotate(x_THK, rotary_dim, theta=10_000.0):
    angle = torch.outer(
        torch.arange(len(x_THK)), theta ** (-torch.arange(0, rotary_dim, 2) / rotary_dim)
    )[:, None]
    a, b, rest = x_THK.tensor_split([rotary_dim // 2, rotary_dim], -1)
    return torch.cat(
        [a * angle.cos() + b * angle.sin(), b * angle.cos() - a * angle.sin(), rest], -1
    )
""",
        "turned the wrong way",
    ),
    (
        "2.6",
        "frequencies spread over the whole head",
        """
def rotate(x_THK, rotary_dim, theta=10_000.0):
    K = x_THK.shape[-1]
    angle = torch.outer(
        torch.arange(len(x_THK)), theta ** (-torch.arange(0, rotary_dim, 2) / K)
    )[:, None]
    a, b, rest = x_THK.tensor_split([rotary_dim // 2, rotary_dim], -1)
    return torch.cat(
        [a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos(), rest], -1
    )
""",
        "the exponent divides by K",
    ),
    (
        "2.6",
        "positions from one",
        """
def rotate(x_THK, rotary_dim, theta=10_000.0):
    angle = torch.outer(
        torch.arange(1, len(x_THK) + 1), theta ** (-torch.arange(0, rotary_dim, 2) / rotary_dim)
    )[:, None]
    a, b, rest = x_THK.tensor_split([rotary_dim // 2, rotary_dim], -1)
    return torch.cat(
        [a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos(), rest], -1
    )
""",
        "positions start at 1",
    ),
    (
        "2.6",
        "theta fixed at 10,000",
        """
def rotate(x_THK, rotary_dim, theta=10_000.0):
    angle = torch.outer(
        torch.arange(len(x_THK)), 10_000.0 ** (-torch.arange(0, rotary_dim, 2) / rotary_dim)
    )[:, None]
    a, b, rest = x_THK.tensor_split([rotary_dim // 2, rotary_dim], -1)
    return torch.cat(
        [a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos(), rest], -1
    )
""",
        "theta was 100",
    ),
    (
        "2.6",
        "angle grows with the head",
        """
def rotate(x_THK, rotary_dim, theta=10_000.0):
    angle = torch.outer(
        torch.arange(x_THK.shape[1]), theta ** (-torch.arange(0, rotary_dim, 2) / rotary_dim)
    )
    a, b, rest = x_THK.tensor_split([rotary_dim // 2, rotary_dim], -1)
    return torch.cat(
        [a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos(), rest], -1
    )
""",
        "the angle grows with the head",
    ),
    (
        "2.7",
        "aligned at the top left",
        """
def cache_mask(queries, keys):
    return torch.ones(queries, keys, dtype=torch.bool).tril()
""",
        "aligned at the top left",
    ),
    (
        "2.7",
        "off by one: hides itself",
        """
def cache_mask(queries, keys):
    return torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries - 1)
""",
        "a token must see itself",
    ),
    (
        "2.7",
        "off by one: shows the next token",
        """
def cache_mask(queries, keys):
    return torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries + 1)
""",
        "each token sees the one after it",
    ),
    (
        "2.7",
        "inverted",
        """
def cache_mask(queries, keys):
    return torch.ones(queries, keys, dtype=torch.bool).triu(keys - queries + 1)
""",
        "inverted",
    ),
    (
        "2.7",
        "hides nothing",
        """
def cache_mask(queries, keys):
    return torch.ones(queries, keys, dtype=torch.bool)
""",
        "nothing is hidden",
    ),
    (
        "2.8",
        "causal only: documents see each other",
        """
def document_mask(cu_seqlens):
    return torch.ones(int(cu_seqlens[-1]), int(cu_seqlens[-1]), dtype=torch.bool).tril()
""",
        "documents see each other",
    ),
    (
        "2.8",
        "documents only: the future is visible",
        """
def document_mask(cu_seqlens):
    document_N = torch.repeat_interleave(torch.arange(len(cu_seqlens) - 1), cu_seqlens.diff())
    return document_N[:, None] == document_N
""",
        "the future of a document is visible",
    ),
    (
        "2.8",
        "the token at a border counts to the document before",
        """
def document_mask(cu_seqlens):
    position_N = torch.arange(int(cu_seqlens[-1]))
    document_N = torch.bucketize(position_N, cu_seqlens[1:].contiguous())
    return (document_N[:, None] == document_N) & (position_N <= position_N[:, None])
""",
        "belongs to the next document",
    ),
    (
        "2.8",
        "forgets the last document",
        """
def document_mask(cu_seqlens):
    mask_NN = torch.zeros(int(cu_seqlens[-1]), int(cu_seqlens[-1]), dtype=torch.bool)
    for start, end in zip(cu_seqlens[:-2].tolist(), cu_seqlens[1:-1].tolist()):
        mask_NN[start:end, start:end] = torch.ones(end - start, end - start).tril().bool()
    return mask_NN
""",
        "the last document is missing",
    ),
    (
        "2.8",
        "off by one: hides itself",
        """
def document_mask(cu_seqlens):
    lengths = cu_seqlens.diff().tolist()
    return torch.block_diag(*[torch.ones(n, n).tril(-1) for n in lengths]).bool()
""",
        "a token must see itself",
    ),
    (
        "2.9",
        "changes only the values",
        """
def leaks_future(attention):
    q, k, v = torch.randn(3, 8, 4, generator=torch.Generator().manual_seed(0))
    for last in range(7):
        after = v.clone()
        after[last + 1 :] += 1.0
        same = torch.allclose(attention(q, k, v)[: last + 1], attention(q, k, after)[: last + 1])
        if not same:
            return True
    return False
""",
        "not only later values",
    ),
    (
        "2.9",
        "compares the changed positions too",
        """
def leaks_future(attention):
    before = torch.randn(3, 8, 4, generator=torch.Generator().manual_seed(0))
    after = before.clone()
    after[:, 4:] += torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(1))
    return not torch.allclose(attention(*before), attention(*after))
""",
        "compare only positions before the change",
    ),
    (
        "2.9",
        "looks at the first position only",
        """
def leaks_future(attention):
    before = torch.randn(3, 8, 4, generator=torch.Generator().manual_seed(0))
    after = before.clone()
    after[:, 4:] += torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(1))
    return not torch.allclose(attention(*before)[0], attention(*after)[0])
""",
        "a mask that is off by one was called honest",
    ),
    (
        "2.9",
        "changes the past",
        """
def leaks_future(attention):
    before = torch.randn(3, 8, 4, generator=torch.Generator().manual_seed(0))
    after = before.clone()
    after[:, :4] += torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(1))
    return not torch.allclose(attention(*before)[4:], attention(*after)[4:])
""",
        "an honest attention was called leaking",
    ),
    (
        "2.9",
        "changes the last position only",
        """
def leaks_future(attention):
    before = torch.randn(3, 8, 4, generator=torch.Generator().manual_seed(0))
    after = before.clone()
    after[:, 7] += torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    return not torch.allclose(attention(*before)[:7], attention(*after)[:7], atol=1e-5)
""",
        "try every position",
    ),
    (
        "2.9",
        "forgets the queries",
        """
def leaks_future(attention):
    before = torch.randn(3, 8, 4, generator=torch.Generator().manual_seed(0))
    for last in range(7):
        after = before.clone()
        after[1:, last + 1 :] += torch.randn(2, 7 - last, 4, generator=torch.Generator())
        seen = slice(0, last + 1)
        if not torch.allclose(attention(*before)[seen], attention(*after)[seen], atol=1e-5):
            return True
    return False
""",
        "change later queries too",
    ),
]
