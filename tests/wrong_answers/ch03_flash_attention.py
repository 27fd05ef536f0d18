"""Named wrong answers for chapter 03. Each must fail with a message that names the mistake."""

MERGE = """
def merge(out_a_TK, lse_a_T, out_b_TK, lse_b_T):
    {lines}
"""

TILED = """
def tiled_attention(q_TK, load, tiles):
    K = q_TK.shape[1]
    m = torch.full((len(q_TK), 1), -torch.inf)
    l, out = torch.zeros_like(m), torch.zeros_like(q_TK)
    for i in range(tiles):
        k, v = load(i)
        s = {scores}
        new = {new}
        p, r = (s - new).exp(), (m - new).exp()
        l = {l} + p.sum(1, keepdim=True)
        out = {out} + p @ v
        m = new
    return {result}, {lse}
"""
TILED_RIGHT = {
    "scores": "q_TK @ k.T / K**0.5",
    "new": "torch.maximum(m, s.amax(1, keepdim=True))",
    "l": "l * r",
    "out": "out * r",
    "result": "out / l",
    "lse": "(m + l.log())[:, 0]",
}

FLASH = """
def causal_flash(q_TK, k_SK, v_SK, tile):
    (queries, K), keys = q_TK.shape, len(k_SK)
    result = torch.zeros_like(q_TK)
    for start in range(0, queries, tile):
        q = q_TK[start : start + tile]
        position = torch.arange(start, start + len(q))[:, None] + {offset}
        m = torch.full((len(q), 1), -1e30)
        l, out = torch.zeros_like(m), torch.zeros_like(q)
        for first in range(0, keys, tile):
            key = torch.arange(first, min(first + tile, keys))
            {skip}
            s = (q @ k_SK[key].T / K**0.5).masked_fill(key > position, float("-inf"))
            new = torch.maximum(m, s.amax(1, keepdim=True))
            p, r = (s - new).exp(), (m - new).exp()
            l = {l} + p.sum(1, keepdim=True)
            out = {out} + p @ v_SK[key]
            m = {m}
        result[start : start + tile] = out / l
    return result
"""
FLASH_RIGHT = {
    "offset": "keys - queries",
    "skip": "pass",
    "l": "l * r",
    "out": "out * r",
    "m": "new",
}

TILES = """
def tiles_to_compute(queries, keys, query_tile, key_tile):
    count = 0
    for start in range(0, queries, query_tile):
        {lines}
    return count
"""

BYTES = """
def bytes_moved(queries, keys, query_tile, key_tile, head_dim, size):
    reads = 0
    for start in range(0, {end}, query_tile):
        stop = min(start + query_tile, queries)
        seen = {seen}
        reads += {reads}
    standard, tiled = {standard}, {tiled}
    return standard * {size}, tiled * {size}
"""
BYTES_RIGHT = {
    "end": "queries",
    "seen": "stop + keys - queries",
    "reads": "min(-(-seen // key_tile) * key_tile, keys)",
    "standard": "2 * (queries + keys) * head_dim + 4 * queries * keys",
    "tiled": "queries * (2 * head_dim + 1) + 2 * reads * head_dim",
    "size": "size",
}

BACKWARD = """
def attention_backward(q_TK, k_SK, v_SK, out_TK, lse_T, grad_TK):
    scale = q_TK.shape[1] ** -0.5
    p = {p}
    dp = grad_TK @ v_SK.T
    delta = (grad_TK * out_TK).sum(1, keepdim=True)
    ds = {ds}
    return ds @ k_SK, ds.T @ q_TK, {dv}
"""
BACKWARD_RIGHT = {
    "p": "(q_TK @ k_SK.T * scale - lse_T[:, None]).exp()",
    "ds": "p * (dp - delta) * scale",
    "dv": "p.T @ grad_TK",
}

PACKED = """
def packed_tiles(cu_seqlens, tile):
    length, needed = cu_seqlens[-1], []
    for row in range({rows}):
        first, last = row * tile, min(row * tile + tile, length) - 1
        start = {start}
        needed += [{pair} for column in range(start // tile, {stop})]
    return needed
"""
PACKED_RIGHT = {
    "rows": "-(-length // tile)",
    "start": "max(b for b in cu_seqlens if b <= first)",
    "pair": "(row, column)",
    "stop": "last // tile + 1",
}


def tiled(**change):
    return TILED.format(**TILED_RIGHT | change)


def flash(**change):
    return FLASH.format(**FLASH_RIGHT | change)


def moved(**change):
    return BYTES.format(**BYTES_RIGHT | change)


def backward(**change):
    return BACKWARD.format(**BACKWARD_RIGHT | change)


def packed(**change):
    return PACKED.format(**PACKED_RIGHT | change)


WRONG_ANSWERS = [
    # exercise, name of the mistake, code that replaces the function, a fragment of the message
    (
        "3.1",
        "no rescale",
        """
def online_step(maximum, total, score):
    if score == -math.inf:
        return maximum, total
    new = max(maximum, score)
    return new, total + math.exp(score - new)
""",
        "the old total was not rescaled",
    ),
    (
        "3.1",
        "-inf minus -inf",
        """
def online_step(maximum, total, score):
    new = max(maximum, score)
    return new, total * math.exp(maximum - new) + math.exp(score - new)
""",
        "-inf minus -inf is nan",
    ),
    (
        "3.1",
        "rescales the wrong way",
        """
def online_step(maximum, total, score):
    if maximum == -math.inf:
        return score, 0.0 if score == -math.inf else 1.0
    new = max(maximum, score)
    return new, total * math.exp(new - maximum) + math.exp(score - new)
""",
        "rescaled the wrong way",
    ),
    (
        "3.1",
        "subtracts the old maximum",
        """
def online_step(maximum, total, score):
    if maximum == -math.inf:
        return score, 0.0 if score == -math.inf else 1.0
    return max(maximum, score), total + math.exp(score - maximum)
""",
        "refers to the old maximum",
    ),
    (
        "3.1",
        "no shift at all",
        """
def online_step(maximum, total, score):
    return max(maximum, score), total + math.exp(score)
""",
        "nothing is subtracted in the exponents",
    ),
    (
        "3.1",
        "maximum is the last score",
        """
def online_step(maximum, total, score):
    if score == -math.inf:
        return maximum, total
    return score, total * math.exp(maximum - score) + 1.0
""",
        "it is the largest score so far",
    ),
    (
        "3.1",
        "a hidden first score counts as one",
        """
def online_step(maximum, total, score):
    if maximum == -math.inf:
        return score, 1.0
    new = max(maximum, score)
    return new, total * math.exp(maximum - new) + math.exp(score - new)
""",
        "all are hidden",
    ),
    (
        "3.1",
        "rescales by the difference, not by its power",
        """
def online_step(maximum, total, score):
    if score == -math.inf:
        return maximum, total
    new = max(maximum, score)
    return new, total * (maximum - new) + math.exp(score - new)
""",
        "0 times infinity is nan",
    ),
    (
        "3.2",
        "the mean of the outputs",
        MERGE.format(lines="return (out_a_TK + out_b_TK) / 2, torch.logaddexp(lse_a_T, lse_b_T)"),
        "the mean of the two",
    ),
    (
        "3.2",
        "overflow: sums without the log domain",
        """
def merge(out_a_TK, lse_a_T, out_b_TK, lse_b_T):
    a, b = lse_a_T.exp()[:, None], lse_b_T.exp()[:, None]
    return ((a * out_a_TK + b * out_b_TK) / (a + b)).nan_to_num(0.0), (a + b).log()[:, 0]
""",
        "exp overflows or vanishes",
    ),
    (
        "3.2",
        "nan when neither part has a key",
        """
def merge(out_a_TK, lse_a_T, out_b_TK, lse_b_T):
    lse = torch.logaddexp(lse_a_T, lse_b_T)
    a, b = (lse_a_T - lse).exp()[:, None], (lse_b_T - lse).exp()[:, None]
    return a * out_a_TK + b * out_b_TK, lse
""",
        "give a query that saw no key the output 0",
    ),
    (
        "3.2",
        "adds the log-sum-exps",
        """
def merge(out_a_TK, lse_a_T, out_b_TK, lse_b_T):
    lse = torch.logaddexp(lse_a_T, lse_b_T)
    a, b = (lse_a_T - lse).exp().nan_to_num(0.0), (lse_b_T - lse).exp().nan_to_num(0.0)
    return a[:, None] * out_a_TK + b[:, None] * out_b_TK, lse_a_T + lse_b_T
""",
        "that multiplies the sums",
    ),
    (
        "3.2",
        "weighs by the log-sum-exps",
        """
def merge(out_a_TK, lse_a_T, out_b_TK, lse_b_T):
    a, b = lse_a_T[:, None], lse_b_T[:, None]
    return (a * out_a_TK + b * out_b_TK) / (a + b), torch.logaddexp(lse_a_T, lse_b_T)
""",
        "weighed by the log-sum-exps themselves",
    ),
    (
        "3.2",
        "shares swapped",
        """
def merge(out_a_TK, lse_a_T, out_b_TK, lse_b_T):
    lse = torch.logaddexp(lse_a_T, lse_b_T)
    a, b = (lse_a_T - lse).exp().nan_to_num(0.0), (lse_b_T - lse).exp().nan_to_num(0.0)
    return b[:, None] * out_a_TK + a[:, None] * out_b_TK, lse
""",
        "the shares are swapped",
    ),
    ("3.3", "output not rescaled", tiled(out="out"), "the running output was not rescaled"),
    ("3.3", "sum not rescaled", tiled(l="l"), "the running sum was not rescaled"),
    (
        "3.3",
        "neither rescaled",
        tiled(l="l", out="out"),
        "neither the running sum nor the running output",
    ),
    (
        "3.3",
        "maximum of the tile only",
        tiled(new="s.amax(1, keepdim=True)", l="l", out="out"),
        "each tile subtracts its own maximum",
    ),
    ("3.3", "missing scale", tiled(scores="q_TK @ k.T"), "the scale is missing"),
    ("3.3", "not divided", tiled(result="out"), "was not divided by the running sum"),
    ("3.3", "log-sum-exp without the maximum", tiled(lse="l.log()[:, 0]"), "lacks the maximum"),
    (
        "3.3",
        "two passes over the tiles",
        """
def tiled_attention(q_TK, load, tiles):
    scale = q_TK.shape[1] ** -0.5
    m = torch.stack([(q_TK @ load(i)[0].T * scale).amax(1) for i in range(tiles)]).amax(0)
    l, out = torch.zeros_like(m), torch.zeros_like(q_TK)
    for i in range(tiles):
        k, v = load(i)
        p = (q_TK @ k.T * scale - m[:, None]).exp()
        l, out = l + p.sum(1), out + p @ v
    return out / l[:, None], m + l.log()
""",
        "one pass has to do",
    ),
    (
        "3.3",
        "no maximum at all",
        """
def tiled_attention(q_TK, load, tiles):
    l, out = torch.zeros(len(q_TK), 1), torch.zeros_like(q_TK)
    for i in range(tiles):
        k, v = load(i)
        p = (q_TK @ k.T / q_TK.shape[1] ** 0.5).exp()
        l, out = l + p.sum(1, keepdim=True), out + p @ v
    return out / l, l.log()[:, 0]
""",
        "exp overflows where the running maximum is not subtracted",
    ),
    (
        "3.3",
        "rescales after adding the tile",
        """
def tiled_attention(q_TK, load, tiles):
    m = torch.full((len(q_TK), 1), -torch.inf)
    l, out = torch.zeros_like(m), torch.zeros_like(q_TK)
    for i in range(tiles):
        k, v = load(i)
        s = q_TK @ k.T / q_TK.shape[1] ** 0.5
        new = torch.maximum(m, s.amax(1, keepdim=True))
        p, r = (s - new).exp(), (m - new).exp()
        l, out, m = l * r + p.sum(1, keepdim=True), (out + p @ v) * r, new
    return out / l, (m + l.log())[:, 0]
""",
        "rescale what is old, then add",
    ),
    (
        "3.3",
        "one sum for all queries",
        """
def tiled_attention(q_TK, load, tiles):
    m = torch.full((len(q_TK), 1), -torch.inf)
    l, out = torch.zeros_like(m), torch.zeros_like(q_TK)
    for i in range(tiles):
        k, v = load(i)
        s = q_TK @ k.T / q_TK.shape[1] ** 0.5
        new = torch.maximum(m, s.max())
        p, r = (s - new).exp(), (m - new).exp()
        l, out, m = l * r + p.sum(), out * r + p @ v, new
    return out / l, (m + l.log())[:, 0]
""",
        "each query has its own",
    ),
    ("3.4", "diagonal at the top left", flash(offset="0"), "the diagonal stands at the top left"),
    ("3.4", "one key too far", flash(offset="keys - queries + 1"), "after its own position"),
    ("3.4", "sum not rescaled", flash(l="l"), "the running sum is not rescaled"),
    (
        "3.4",
        "maximum of the tile carried on",
        flash(m="s.amax(1, keepdim=True)"),
        "replaced by the tile's own",
    ),
    (
        "3.4",
        "two faults left",
        flash(l="l", m="s.amax(1, keepdim=True)"),
        "the running sum is not rescaled; the running maximum is replaced",
    ),
    ("3.4", "output no longer rescaled", flash(out="out"), "it was right"),
    (
        "3.4",
        "skips the tile of the diagonal",
        flash(skip="if first > start + keys - queries: break"),
        "a tile that the diagonal crosses is skipped",
    ),
    (
        "3.5",
        "counts all",
        TILES.format(lines="count += -(-keys // key_tile)"),
        "every tile is counted",
    ),
    (
        "3.5",
        "top left",
        TILES.format(lines="count += -(-min(start + query_tile, queries, keys) // key_tile)"),
        "the diagonal stands at the top left",
    ),
    (
        "3.5",
        "ends at the first query of the row",
        TILES.format(lines="count += -(-(start + keys - queries + 1) // key_tile)"),
        "its last query sees further",
    ),
    (
        "3.5",
        "the tile on the diagonal is missing",
        TILES.format(
            lines="count += (min(start + query_tile, queries) + keys - queries) // key_tile"
        ),
        "the tile on the diagonal is missing",
    ),
    (
        "3.5",
        "whole tiles of queries only",
        """
def tiles_to_compute(queries, keys, query_tile, key_tile):
    count = 0
    for row in range(queries // query_tile):
        count += -(-(row * query_tile + query_tile + keys - queries) // key_tile)
    return count
""",
        "the last queries are missing",
    ),
    (
        "3.5",
        "last row taken as whole",
        TILES.format(lines="count += -(-(start + query_tile + keys - queries) // key_tile)"),
        "the last row of tiles is shorter",
    ),
    (
        "3.6",
        "standard: scores cross twice only",
        moved(standard="2 * (queries + keys) * head_dim + 2 * queries * keys"),
        "four times, not two",
    ),
    (
        "3.6",
        "standard: output not written",
        moved(standard="(queries + 2 * keys) * head_dim + 4 * queries * keys"),
        "the output is written too",
    ),
    (
        "3.6",
        "standard: as many queries as keys",
        moved(standard="4 * keys * head_dim + 4 * keys * keys"),
        "scores and weights are queries x keys, not a square",
    ),
    (
        "3.6",
        "standard: q and the output as long as k",
        moved(standard="4 * keys * head_dim + 4 * queries * keys"),
        "q and the output have a row for each query",
    ),
    (
        "3.6",
        "standard: hidden scores left out",
        """
def bytes_moved(queries, keys, query_tile, key_tile, head_dim, size):
    scores = sum(t + keys - queries + 1 for t in range(queries))
    reads = 0
    for stop in (min(start + query_tile, queries) for start in range(0, queries, query_tile)):
        reads += min(math.ceil((stop + keys - queries) / key_tile) * key_tile, keys)
    standard = 2 * (queries + keys) * head_dim + 4 * scores
    return standard * size, (queries * (2 * head_dim + 1) + 2 * reads * head_dim) * size
""",
        "standard: nothing is skipped",
    ),
    (
        "3.6",
        "nothing skipped",
        moved(reads="keys"),
        "also those of which all keys are hidden",
    ),
    ("3.6", "top left", moved(seen="stop"), "the diagonal stands at the top left"),
    (
        "3.6",
        "one key too far",
        moved(seen="stop + keys - queries + 1"),
        "the key after a query's own position is hidden",
    ),
    (
        "3.6",
        "ends at the first query of the tile",
        moved(seen="start + keys - queries + 1"),
        "its last query sees further",
    ),
    ("3.6", "rounded down", moved(reads="seen // key_tile * key_tile"), "rounded down"),
    (
        "3.6",
        "last tile of keys counted whole",
        moved(reads="-(-seen // key_tile) * key_tile"),
        "the last tile of keys is counted whole",
    ),
    ("3.6", "only the visible keys", moved(reads="seen"), "a tile of keys is read whole"),
    (
        "3.6",
        "tiles instead of keys",
        moved(reads="-(-seen // key_tile)"),
        "tiles are counted where keys belong",
    ),
    (
        "3.6",
        "k and v read once",
        moved(tiled="queries * (2 * head_dim + 1) + 2 * keys * head_dim"),
        "again for every tile of queries",
    ),
    (
        "3.6",
        "k and v read for each query",
        moved(reads="sum(t + keys - queries + 1 for t in range(start, stop))"),
        "not for each of its queries",
    ),
    (
        "3.6",
        "whole tiles of queries only",
        moved(end="queries // query_tile * query_tile"),
        "the last, shorter tile of queries reads k and v too",
    ),
    (
        "3.6",
        "last tile of queries dropped",
        """
def bytes_moved(queries, keys, query_tile, key_tile, head_dim, size):
    tiled = 0
    for row in range(queries // query_tile):
        seen = (row + 1) * query_tile + keys - queries
        reads = min(math.ceil(seen / key_tile) * key_tile, keys)
        tiled += query_tile * (2 * head_dim + 1) + 2 * reads * head_dim
    return (2 * (queries + keys) * head_dim + 4 * queries * keys) * size, tiled * size
""",
        "the last tile of queries is missing",
    ),
    (
        "3.6",
        "last tile of queries counted whole",
        """
def bytes_moved(queries, keys, query_tile, key_tile, head_dim, size):
    tiled = 0
    for start in range(0, queries, query_tile):
        seen = min(start + query_tile, queries) + keys - queries
        reads = min(math.ceil(seen / key_tile) * key_tile, keys)
        tiled += query_tile * (2 * head_dim + 1) + 2 * reads * head_dim
    return (2 * (queries + keys) * head_dim + 4 * queries * keys) * size, tiled * size
""",
        "the last tile of queries is counted whole",
    ),
    (
        "3.6",
        "queries read for each tile of keys",
        """
def bytes_moved(queries, keys, query_tile, key_tile, head_dim, size):
    tiled = 0
    for start in range(0, queries, query_tile):
        stop = min(start + query_tile, queries)
        for first in range(0, stop + keys - queries, key_tile):
            last = min(first + key_tile, keys)
            tiled += (stop - start) * head_dim + 2 * (last - first) * head_dim
        tiled += (stop - start) * (head_dim + 1)
    return (2 * (queries + keys) * head_dim + 4 * queries * keys) * size, tiled * size
""",
        "queries are read once, before the loop",
    ),
    (
        "3.6",
        "v forgotten",
        moved(tiled="queries * (2 * head_dim + 1) + reads * head_dim"),
        "both k and v are read",
    ),
    (
        "3.6",
        "log-sum-exp forgotten",
        moved(tiled="2 * queries * head_dim + 2 * reads * head_dim"),
        "the log-sum-exp is missing",
    ),
    (
        "3.6",
        "log-sum-exp as large as the output",
        moved(tiled="3 * queries * head_dim + 2 * reads * head_dim"),
        "not one for each feature",
    ),
    (
        "3.6",
        "output forgotten",
        moved(tiled="queries * (head_dim + 1) + 2 * reads * head_dim"),
        "the output is missing",
    ),
    ("3.6", "numbers instead of bytes", moved(size="1"), "these are numbers, not bytes"),
    (
        "3.6",
        "the tiled way first",
        moved().replace(
            "return standard * size, tiled * size", "return tiled * size, standard * size"
        ),
        "standard first",
    ),
    (
        "3.6",
        "copied from the chapter's numbers_moved",
        """
def bytes_moved(queries, keys, query_tile, key_tile, head_dim, size):
    small, square = queries * head_dim, queries * queries
    standard = (2 * small + square) + 2 * square + (square + 2 * small)
    tiled = 0
    for start in range(0, queries, query_tile):
        rows = min(start + query_tile, queries) - start
        tiled += rows * head_dim + 2 * small
        tiled += rows * head_dim + rows
    return standard * size, tiled * size
""",
        "also those of which all keys are hidden",
    ),
    ("3.7", "delta forgotten", backward(ds="p * dp * scale"), "delta is missing"),
    ("3.7", "scale forgotten", backward(ds="p * (dp - delta)"), "the scale is missing"),
    (
        "3.7",
        "log-sum-exp forgotten",
        backward(p="(q_TK @ k_SK.T * scale).exp()"),
        "subtract the log-sum-exp",
    ),
    (
        "3.7",
        "no softmax",
        backward(ds="dp * scale"),
        "the softmax has no part in it",
    ),
    (
        "3.7",
        "delta outside the bracket",
        backward(ds="(p * dp - delta) * scale"),
        "it stands inside the bracket",
    ),
    (
        "3.7",
        "dv from the output",
        backward(dv="p.T @ out_TK"),
        "the gradient of v takes the output",
    ),
    (
        "3.7",
        "dq and dk swapped",
        """
def attention_backward(q_TK, k_SK, v_SK, out_TK, lse_T, grad_TK):
    scale = q_TK.shape[1] ** -0.5
    p = (q_TK @ k_SK.T * scale - lse_T[:, None]).exp()
    ds = p * (grad_TK @ v_SK.T - (grad_TK * out_TK).sum(1, keepdim=True)) * scale
    return ds.T @ q_TK, ds @ k_SK, p.T @ grad_TK
""",
        "gradients of q and k are swapped",
    ),
    (
        "3.7",
        "log-sum-exp along the keys",
        backward(p="(q_TK @ k_SK.T * scale - lse_T).exp()"),
        "give it a last dimension of 1",
    ),
    (
        "3.7",
        "delta of each key",
        backward(ds="p * (dp - (p * dp).sum(0, keepdim=True)) * scale"),
        "one number a query, a sum over keys",
    ),
    (
        "3.7",
        "nothing turned",
        """
def attention_backward(q_TK, k_SK, v_SK, out_TK, lse_T, grad_TK):
    scale = q_TK.shape[1] ** -0.5
    p = (q_TK @ k_SK.T * scale - lse_T[:, None]).exp()
    ds = p * (grad_TK @ v_SK.T - (grad_TK * out_TK).sum(1, keepdim=True)) * scale
    return ds @ k_SK, ds @ q_TK, p @ grad_TK
""",
        "is to be turned",
    ),
    ("3.8", "causal only", packed(start="0"), "documents see each other"),
    (
        "3.8",
        "the last query's document",
        packed(start="max(b for b in cu_seqlens if b <= last)"),
        "the first query's document may start earlier",
    ),
    (
        "3.8",
        "a border at a tile's first query",
        packed(start="max((b for b in cu_seqlens if b < first), default=0)"),
        "belongs to that query",
    ),
    (
        "3.8",
        "a border taken as a column",
        """
def packed_tiles(cu_seqlens, tile):
    needed = []
    for row in range(-(-cu_seqlens[-1] // tile)):
        start = max(border for border in cu_seqlens if border <= row * tile)
        needed += [(row, column) for column in range(start, row + 1)]
    return needed
""",
        "a border counts tokens",
    ),
    ("3.8", "last row missing", packed(rows="length // tile"), "the last row of tiles is missing"),
    ("3.8", "column first", packed(pair="(column, row)"), "the pairs are (column, row)"),
    (
        "3.8",
        "the diagonal only",
        packed(start="first"),
        "only the tiles on the diagonal",
    ),
    (
        "3.8",
        "no causality",
        """
def packed_tiles(cu_seqlens, tile):
    needed = set()
    for start, stop in zip(cu_seqlens[:-1], cu_seqlens[1:]):
        span = range(start // tile, (stop - 1) // tile + 1)
        needed |= {(row, column) for row in span for column in span}
    return sorted(needed)
""",
        "nothing but later keys",
    ),
]
