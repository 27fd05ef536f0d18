"""Named wrong answers for chapter 06. Each must fail with a message that names the mistake."""

WRONG_ANSWERS = [
    # exercise, name of the mistake, code that replaces the function, a fragment of the message
    (
        "6.1",
        "returns the prompt with the completion",
        """
def greedy(next_logits, prompt, max_new_tokens, end_of_text):
    new_ids = []
    for _ in range(max_new_tokens):
        token = int(next_logits([*prompt, *new_ids]).argmax())
        if token == end_of_text:
            break
        new_ids.append(token)
    return [*prompt, *new_ids]
""",
        "the prompt came back too",
    ),
    (
        "6.1",
        "keeps end-of-text",
        """
def greedy(next_logits, prompt, max_new_tokens, end_of_text):
    new_ids = []
    for _ in range(max_new_tokens):
        token = int(next_logits([*prompt, *new_ids]).argmax())
        new_ids.append(token)
        if token == end_of_text:
            break
    return new_ids
""",
        "end-of-text was returned",
    ),
    (
        "6.1",
        "never stops at end-of-text",
        """
def greedy(next_logits, prompt, max_new_tokens, end_of_text):
    new_ids = []
    for _ in range(max_new_tokens):
        token = int(next_logits([*prompt, *new_ids]).argmax())
        new_ids.append(token)
    return new_ids
""",
        "went on after end-of-text",
    ),
    (
        "6.1",
        "shows the model the newest id only",
        """
def greedy(next_logits, prompt, max_new_tokens, end_of_text):
    new_ids = []
    for _ in range(max_new_tokens):
        token = int(next_logits((new_ids or prompt)[-1:]).argmax())
        if token == end_of_text:
            break
        new_ids.append(token)
    return new_ids
""",
        "only a part of the text",
    ),
    (
        "6.1",
        "adds to the prompt itself",
        """
def greedy(next_logits, prompt, max_new_tokens, end_of_text):
    start = len(prompt)
    for _ in range(max_new_tokens):
        token = int(next_logits(prompt).argmax())
        if token == end_of_text:
            break
        prompt.append(token)
    return prompt[start:]
""",
        "changed the prompt",
    ),
    (
        "6.1",
        "one turn too many",
        """
def greedy(next_logits, prompt, max_new_tokens, end_of_text):
    new_ids = []
    for _ in range(max_new_tokens + 1):
        token = int(next_logits([*prompt, *new_ids]).argmax())
        if token == end_of_text:
            break
        new_ids.append(token)
    return new_ids
""",
        "one id too many",
    ),
    (
        "6.1",
        "ids are tensors",
        """
def greedy(next_logits, prompt, max_new_tokens, end_of_text):
    new_ids = []
    for _ in range(max_new_tokens):
        token = next_logits([*prompt, *[int(i) for i in new_ids]]).argmax()
        if token == end_of_text:
            break
        new_ids.append(token)
    return new_ids
""",
        "not Python ints",
    ),
    (
        "6.1",
        "asks once more than it needs",
        """
def greedy(next_logits, prompt, max_new_tokens, end_of_text):
    new_ids = []
    for _ in range(max_new_tokens):
        token = int(next_logits([*prompt, *new_ids]).argmax())
        if token == end_of_text:
            break
        new_ids.append(token)
    next_logits([*prompt, *new_ids])
    return new_ids
""",
        "nobody needs",
    ),
    (
        "6.1",
        "the smallest logit",
        """
def greedy(next_logits, prompt, max_new_tokens, end_of_text):
    new_ids = []
    for _ in range(max_new_tokens):
        token = int(next_logits([*prompt, *new_ids]).argmin())
        if token == end_of_text:
            break
        new_ids.append(token)
    return new_ids
""",
        "differ from the most likely",
    ),
    (
        "6.1",
        "an end-of-text in the prompt ends the loop",
        """
def greedy(next_logits, prompt, max_new_tokens, end_of_text):
    ids = list(prompt)
    while len(ids) < len(prompt) + max_new_tokens and ids[-1] != end_of_text:
        ids.append(int(next_logits(ids).argmax()))
    if len(ids) > len(prompt) and ids[-1] == end_of_text:
        ids.pop()
    return ids[len(prompt) :]
""",
        "in the prompt ended the loop",
    ),
    (
        "6.2",
        "looks in each piece alone",
        """
def until_stop(next_piece, stops):
    text = ""
    while (piece := next_piece()) is not None:
        begins = [piece.index(stop) for stop in stops if stop in piece]
        if begins:
            return text + piece[: min(begins)]
        text += piece
    return text
""",
        "begins in one piece and ends in another",
    ),
    (
        "6.2",
        "keeps the stop string",
        """
def until_stop(next_piece, stops):
    text = ""
    while (piece := next_piece()) is not None:
        text += piece
        ends = [text.index(stop) + len(stop) for stop in stops if stop in text]
        if ends:
            return text[: min(ends)]
    return text
""",
        "the stop string is still there",
    ),
    (
        "6.2",
        "returns all of the text",
        """
def until_stop(next_piece, stops):
    text = ""
    while (piece := next_piece()) is not None:
        text += piece
        begins = [text.index(stop) for stop in stops if stop in text]
        if begins:
            return text
    return text
""",
        "the stop string is still there",
    ),
    (
        "6.2",
        "takes the stop string that is listed first",
        """
def until_stop(next_piece, stops):
    text = ""
    while (piece := next_piece()) is not None:
        text += piece
        for stop in stops:
            if stop in text:
                return text[: text.index(stop)]
    return text
""",
        "their order in `stops`",
    ),
    (
        "6.2",
        "reads on to the end and cuts then",
        """
def until_stop(next_piece, stops):
    text = ""
    while (piece := next_piece()) is not None:
        text += piece
    return text[: min([text.index(stop) for stop in stops if stop in text], default=len(text))]
""",
        "read after the stop string",
    ),
    (
        "6.2",
        "drops the last piece whole",
        """
def until_stop(next_piece, stops):
    text = ""
    while (piece := next_piece()) is not None:
        if any(stop in text + piece for stop in stops):
            return text
        text += piece
    return text
""",
        "the cut falls between pieces",
    ),
    (
        "6.2",
        "an empty piece ends the loop",
        """
def until_stop(next_piece, stops):
    text = ""
    while piece := next_piece():
        text += piece
        begins = [text.index(stop) for stop in stops if stop in text]
        if begins:
            return text[: min(begins)]
    return text
""",
        "an empty piece ended the reading",
    ),
    (
        "6.2",
        "strips the text",
        """
def until_stop(next_piece, stops):
    text = ""
    while (piece := next_piece()) is not None:
        text += piece
        begins = [text.index(stop) for stop in stops if stop in text]
        if begins:
            return text[: min(begins)].rstrip()
    return text.rstrip()
""",
        "stripped",
    ),
    (
        "6.2",
        "a place of 0 counts as not found",
        """
def until_stop(next_piece, stops):
    text = ""
    while (piece := next_piece()) is not None:
        text += piece
        begins = [text.find(stop) for stop in stops if text.find(stop) > 0]
        if begins:
            return text[: min(begins)]
    return text
""",
        "0 counts as false",
    ),
    (
        "6.2",
        "cuts at a stop string's last place",
        """
def until_stop(next_piece, stops):
    text = ""
    while (piece := next_piece()) is not None:
        text += piece
        begins = [text.rindex(stop) for stop in stops if stop in text]
        if begins:
            return text[: min(begins)]
    return text
""",
        "last place",
    ),
    (
        "6.3",
        "multiplies by the temperature",
        """
def with_temperature(logits_V, temperature):
    if temperature == 0:
        return torch.zeros_like(logits_V).index_fill(0, logits_V.argmax(), 1.0)
    return ((logits_V - logits_V.max()) * temperature).softmax(dim=-1)
""",
        "multiplied by the temperature",
    ),
    (
        "6.3",
        "divides the probabilities",
        """
def with_temperature(logits_V, temperature):
    if temperature == 0:
        return torch.zeros_like(logits_V).index_fill(0, logits_V.argmax(), 1.0)
    return logits_V.softmax(dim=-1) / temperature
""",
        "the probabilities were divided",
    ),
    (
        "6.3",
        "overflows near 0",
        """
def with_temperature(logits_V, temperature):
    if temperature == 0:
        return torch.zeros_like(logits_V).index_fill(0, logits_V.argmax(), 1.0)
    return (logits_V / temperature).softmax(dim=-1)
""",
        "gives nan",
    ),
    (
        "6.3",
        "no case for 0",
        """
def with_temperature(logits_V, temperature):
    return ((logits_V - logits_V.max()) / temperature).softmax(dim=-1)
""",
        "temperature 0 gives nan",
    ),
    (
        "6.3",
        "adds something to the temperature",
        """
def with_temperature(logits_V, temperature):
    return ((logits_V - logits_V.max()) / (temperature + 1)).softmax(dim=-1)
""",
        "not softmax(logits / temperature)",
    ),
    (
        "6.3",
        "returns scaled logits",
        """
def with_temperature(logits_V, temperature):
    return logits_V / temperature
""",
        "these are logits",
    ),
    (
        "6.3",
        "ignores the temperature",
        """
def with_temperature(logits_V, temperature):
    return logits_V.softmax(dim=-1)
""",
        "the temperature was not used",
    ),
    (
        "6.3",
        "divides in place",
        """
def with_temperature(logits_V, temperature):
    logits_V /= temperature
    return logits_V.softmax(dim=-1)
""",
        "changed the tensor it was given",
    ),
    (
        "6.3",
        "replaces small temperatures by a larger one",
        """
def with_temperature(logits_V, temperature):
    return ((logits_V - logits_V.max()) / max(temperature, 0.01)).softmax(dim=-1)
""",
        "replaced by a larger one",
    ),
    (
        "6.3",
        "takes small temperatures for 0",
        """
def with_temperature(logits_V, temperature):
    if temperature < 0.01:
        return torch.zeros_like(logits_V).index_fill(0, logits_V.argmax(), 1.0)
    return (logits_V / temperature).softmax(dim=-1)
""",
        "only 0 is greedy",
    ),
    (
        "6.3",
        "whole numbers at temperature 0",
        """
def with_temperature(logits_V, temperature):
    if temperature == 0:
        return torch.nn.functional.one_hot(logits_V.argmax(), len(logits_V))
    return ((logits_V - logits_V.max()) / temperature).softmax(dim=-1)
""",
        "floating-point numbers",
    ),
    (
        "6.3",
        "probability 1 for each of two largest",
        """
def with_temperature(logits_V, temperature):
    if temperature == 0:
        return (logits_V == logits_V.max()).float()
    return ((logits_V - logits_V.max()) / temperature).softmax(dim=-1)
""",
        "they must sum to 1",
    ),
    (
        "6.4",
        "the k-th is excluded",
        """
def keep_top_k(probabilities_V, k):
    kth = probabilities_V.sort(descending=True).values[min(k, len(probabilities_V)) - 1]
    kept_V = probabilities_V.masked_fill(probabilities_V <= kth, 0.0)
    return kept_V / kept_V.sum()
""",
        "the k-th is dropped",
    ),
    (
        "6.4",
        "ties with the k-th are dropped",
        """
def keep_top_k(probabilities_V, k):
    order = probabilities_V.sort(descending=True, stable=True).indices[:k]
    kept_V = torch.zeros_like(probabilities_V)
    kept_V[order] = probabilities_V[order]
    return kept_V / kept_V.sum()
""",
        "exactly as likely as the k-th",
    ),
    (
        "6.4",
        "not rescaled",
        """
def keep_top_k(probabilities_V, k):
    kth = probabilities_V.sort(descending=True).values[min(k, len(probabilities_V)) - 1]
    kept_V = probabilities_V.masked_fill(probabilities_V < kth, 0.0)
    return kept_V
""",
        "do not sum to 1",
    ),
    (
        "6.4",
        "one too many",
        """
def keep_top_k(probabilities_V, k):
    kth = probabilities_V.sort(descending=True).values[min(k, len(probabilities_V) - 1)]
    kept_V = probabilities_V.masked_fill(probabilities_V < kth, 0.0)
    return kept_V / kept_V.sum()
""",
        "one id too many",
    ),
    (
        "6.4",
        "the smallest are kept",
        """
def keep_top_k(probabilities_V, k):
    kth = probabilities_V.sort().values[min(k, len(probabilities_V)) - 1]
    kept_V = probabilities_V.masked_fill(probabilities_V > kth, 0.0)
    return kept_V / kept_V.sum()
""",
        "the least likely ids were kept",
    ),
    (
        "6.4",
        "returns them sorted",
        """
def keep_top_k(probabilities_V, k):
    kept_V = probabilities_V.sort(descending=True).values
    kept_V[k:] = 0.0
    return kept_V / kept_V.sum()
""",
        "changed places",
    ),
    (
        "6.4",
        "softmax of probabilities",
        """
def keep_top_k(probabilities_V, k):
    kth = probabilities_V.sort(descending=True).values[min(k, len(probabilities_V)) - 1]
    return probabilities_V.masked_fill(probabilities_V < kth, float("-inf")).softmax(dim=-1)
""",
        "softmax of probabilities",
    ),
    (
        "6.4",
        "writes into its argument",
        """
def keep_top_k(probabilities_V, k):
    kth = probabilities_V.sort(descending=True).values[min(k, len(probabilities_V)) - 1]
    probabilities_V[probabilities_V < kth] = 0.0
    return probabilities_V / probabilities_V.sum()
""",
        "changed the tensor it was given",
    ),
    (
        "6.5",
        "drops the id that crosses p",
        """
def keep_top_p(probabilities_V, p):
    sorted_V, order_V = probabilities_V.sort(descending=True)
    total_V = sorted_V.cumsum(dim=0)
    kept_V = torch.zeros_like(probabilities_V)
    kept_V[order_V] = sorted_V.masked_fill(total_V > p, 0.0)
    return kept_V / kept_V.sum()
""",
        "the id that crosses p is missing",
    ),
    (
        "6.5",
        "one id too many when p is reached exactly",
        """
def keep_top_p(probabilities_V, p):
    sorted_V, order_V = probabilities_V.sort(descending=True)
    before_V = sorted_V.cumsum(dim=0) - sorted_V
    kept_V = torch.zeros_like(probabilities_V)
    kept_V[order_V] = sorted_V.masked_fill(before_V > p, 0.0)
    return kept_V / kept_V.sum()
""",
        "had already reached p",
    ),
    (
        "6.5",
        "sorts the smallest first",
        """
def keep_top_p(probabilities_V, p):
    sorted_V, order_V = probabilities_V.sort(descending=False)
    before_V = sorted_V.cumsum(dim=0) - sorted_V
    kept_V = torch.zeros_like(probabilities_V)
    kept_V[order_V] = sorted_V.masked_fill(before_V >= p, 0.0)
    return kept_V / kept_V.sum()
""",
        "the least likely ids came first",
    ),
    (
        "6.5",
        "not rescaled",
        """
def keep_top_p(probabilities_V, p):
    sorted_V, order_V = probabilities_V.sort(descending=True)
    before_V = sorted_V.cumsum(dim=0) - sorted_V
    kept_V = torch.zeros_like(probabilities_V)
    kept_V[order_V] = sorted_V.masked_fill(before_V >= p, 0.0)
    return kept_V
""",
        "do not sum to 1",
    ),
    (
        "6.5",
        "returns them sorted",
        """
def keep_top_p(probabilities_V, p):
    sorted_V = probabilities_V.sort(descending=True).values
    kept_V = sorted_V.masked_fill(sorted_V.cumsum(dim=0) - sorted_V >= p, 0.0)
    return kept_V / kept_V.sum()
""",
        "still sorted",
    ),
    (
        "6.5",
        "brings them back by the wrong order",
        """
def keep_top_p(probabilities_V, p):
    sorted_V, order_V = probabilities_V.sort(descending=True)
    before_V = sorted_V.cumsum(dim=0) - sorted_V
    kept_V = sorted_V.masked_fill(before_V >= p, 0.0)[order_V]
    return kept_V / kept_V.sum()
""",
        "wrong order",
    ),
    (
        "6.5",
        "compares each id with p",
        """
def keep_top_p(probabilities_V, p):
    kept_V = probabilities_V.masked_fill(probabilities_V < 1 - p, 0.0)
    return kept_V / kept_V.sum()
""",
        "each id alone was compared",
    ),
    (
        "6.5",
        "uses the sorted ids' mask on the unsorted ones",
        """
def keep_top_p(probabilities_V, p):
    sorted_V = probabilities_V.sort(descending=True).values
    kept_V = probabilities_V.masked_fill(sorted_V.cumsum(dim=0) - sorted_V >= p, 0.0)
    return kept_V / kept_V.sum()
""",
        "used on the unsorted ones",
    ),
    (
        "6.6",
        "filters before the temperature",
        """
def distribution(logits_V, used, temperature, top_k, top_p):
    allowed_V = logits_V.clone()
    allowed_V[used:] = float("-inf")
    kept_V = top_p(top_k(allowed_V.softmax(dim=-1)))
    return (kept_V.log() / temperature).softmax(dim=-1)
""",
        "the filters came before the temperature",
    ),
    (
        "6.6",
        "unused rows stay",
        """
def distribution(logits_V, used, temperature, top_k, top_p):
    allowed_V = logits_V.clone()
    return top_p(top_k((allowed_V / temperature).softmax(dim=-1)))
""",
        "an unused row can be drawn",
    ),
    (
        "6.6",
        "unused logits set to 0",
        """
def distribution(logits_V, used, temperature, top_k, top_p):
    allowed_V = logits_V.clone()
    allowed_V[used:] = 0.0
    return top_p(top_k((allowed_V / temperature).softmax(dim=-1)))
""",
        "a logit of 0",
    ),
    (
        "6.6",
        "unused rows dropped at the end",
        """
def distribution(logits_V, used, temperature, top_k, top_p):
    kept_V = top_p(top_k((logits_V / temperature).softmax(dim=-1))).clone()
    kept_V[used:] = 0.0
    return kept_V / kept_V.sum()
""",
        "dropped after a filter",
    ),
    (
        "6.6",
        "off by one at the border",
        """
def distribution(logits_V, used, temperature, top_k, top_p):
    allowed_V = logits_V.clone()
    allowed_V[used + 1 :] = float("-inf")
    return top_p(top_k((allowed_V / temperature).softmax(dim=-1)))
""",
        "off by one: the first unused",
    ),
    (
        "6.6",
        "top-p before top-k",
        """
def distribution(logits_V, used, temperature, top_k, top_p):
    allowed_V = logits_V.clone()
    allowed_V[used:] = float("-inf")
    return top_k(top_p((allowed_V / temperature).softmax(dim=-1)))
""",
        "top-p came before top-k",
    ),
    (
        "6.6",
        "writes into the logits",
        """
def distribution(logits_V, used, temperature, top_k, top_p):
    allowed_V = logits_V
    allowed_V[used:] = float("-inf")
    return top_p(top_k((allowed_V / temperature).softmax(dim=-1)))
""",
        "changed the tensor it was given",
    ),
    (
        "6.7",
        "position off by one",
        """
def decode_step(q_HK, k_HK, v_HK, keys_SHK, values_SHK, turn):
    position = len(keys_SHK) + 1
    q_HK, k_HK = turn(q_HK, position), turn(k_HK, position)
    keys_SHK = torch.cat([keys_SHK, k_HK[None]])
    values_SHK = torch.cat([values_SHK, v_HK[None]])
    scores_HS = torch.einsum("HK,SHK->HS", q_HK, keys_SHK) / q_HK.shape[-1] ** 0.5
    out_HK = torch.einsum("HS,SHK->HK", scores_HS.softmax(dim=-1), values_SHK)
    return out_HK, keys_SHK, values_SHK
""",
        "off by one: the new token's position",
    ),
    (
        "6.7",
        "query not turned",
        """
def decode_step(q_HK, k_HK, v_HK, keys_SHK, values_SHK, turn):
    position = len(keys_SHK)
    q_HK, k_HK = q_HK, turn(k_HK, position)
    keys_SHK = torch.cat([keys_SHK, k_HK[None]])
    values_SHK = torch.cat([values_SHK, v_HK[None]])
    scores_HS = torch.einsum("HK,SHK->HS", q_HK, keys_SHK) / q_HK.shape[-1] ** 0.5
    out_HK = torch.einsum("HS,SHK->HK", scores_HS.softmax(dim=-1), values_SHK)
    return out_HK, keys_SHK, values_SHK
""",
        "the query was not turned",
    ),
    (
        "6.7",
        "key put into the cache unturned",
        """
def decode_step(q_HK, k_HK, v_HK, keys_SHK, values_SHK, turn):
    position = len(keys_SHK)
    q_HK, k_HK = turn(q_HK, position), k_HK
    keys_SHK = torch.cat([keys_SHK, k_HK[None]])
    values_SHK = torch.cat([values_SHK, v_HK[None]])
    scores_HS = torch.einsum("HK,SHK->HS", q_HK, keys_SHK) / q_HK.shape[-1] ** 0.5
    out_HK = torch.einsum("HS,SHK->HK", scores_HS.softmax(dim=-1), values_SHK)
    return out_HK, keys_SHK, values_SHK
""",
        "without being turned",
    ),
    (
        "6.7",
        "does not see itself",
        """
def decode_step(q_HK, k_HK, v_HK, keys_SHK, values_SHK, turn):
    position = len(keys_SHK)
    q_HK, k_HK = turn(q_HK, position), turn(k_HK, position)
    scores_HS = torch.einsum("HK,SHK->HS", q_HK, keys_SHK) / q_HK.shape[-1] ** 0.5
    out_HK = torch.einsum("HS,SHK->HK", scores_HS.softmax(dim=-1), values_SHK)
    return out_HK, torch.cat([keys_SHK, k_HK[None]]), torch.cat([values_SHK, v_HK[None]])
""",
        "does not see itself",
    ),
    (
        "6.7",
        "cache does not grow",
        """
def decode_step(q_HK, k_HK, v_HK, keys_SHK, values_SHK, turn):
    position = len(keys_SHK)
    q_HK, k_HK = turn(q_HK, position), turn(k_HK, position)
    keys_SHK = torch.cat([keys_SHK, k_HK[None]])
    values_SHK = torch.cat([values_SHK, v_HK[None]])
    scores_HS = torch.einsum("HK,SHK->HS", q_HK, keys_SHK) / q_HK.shape[-1] ** 0.5
    out_HK = torch.einsum("HS,SHK->HK", scores_HS.softmax(dim=-1), values_SHK)
    return out_HK, keys_SHK[:-1], values_SHK[:-1]
""",
        "did not grow",
    ),
    (
        "6.7",
        "new key in front",
        """
def decode_step(q_HK, k_HK, v_HK, keys_SHK, values_SHK, turn):
    position = len(keys_SHK)
    q_HK, k_HK = turn(q_HK, position), turn(k_HK, position)
    keys_SHK = torch.cat([k_HK[None], keys_SHK])
    values_SHK = torch.cat([v_HK[None], values_SHK])
    scores_HS = torch.einsum("HK,SHK->HS", q_HK, keys_SHK) / q_HK.shape[-1] ** 0.5
    out_HK = torch.einsum("HS,SHK->HK", scores_HS.softmax(dim=-1), values_SHK)
    return out_HK, keys_SHK, values_SHK
""",
        "stand in front",
    ),
    (
        "6.7",
        "turns all keys again",
        """
def decode_step(q_HK, k_HK, v_HK, keys_SHK, values_SHK, turn):
    position = len(keys_SHK)
    q_HK, k_HK = turn(q_HK, position), k_HK
    keys_SHK = torch.cat([keys_SHK, k_HK[None]])
    keys_SHK = torch.stack([turn(key, t) for t, key in enumerate(keys_SHK)])
    values_SHK = torch.cat([values_SHK, v_HK[None]])
    scores_HS = torch.einsum("HK,SHK->HS", q_HK, keys_SHK) / q_HK.shape[-1] ** 0.5
    out_HK = torch.einsum("HS,SHK->HK", scores_HS.softmax(dim=-1), values_SHK)
    return out_HK, keys_SHK, values_SHK
""",
        "turned already",
    ),
    (
        "6.7",
        "no scale",
        """
def decode_step(q_HK, k_HK, v_HK, keys_SHK, values_SHK, turn):
    position = len(keys_SHK)
    q_HK, k_HK = turn(q_HK, position), turn(k_HK, position)
    keys_SHK = torch.cat([keys_SHK, k_HK[None]])
    values_SHK = torch.cat([values_SHK, v_HK[None]])
    scores_HS = torch.einsum("HK,SHK->HS", q_HK, keys_SHK)
    out_HK = torch.einsum("HS,SHK->HK", scores_HS.softmax(dim=-1), values_SHK)
    return out_HK, keys_SHK, values_SHK
""",
        "the scale is missing",
    ),
    (
        "6.7",
        "turns the value",
        """
def decode_step(q_HK, k_HK, v_HK, keys_SHK, values_SHK, turn):
    position = len(keys_SHK)
    q_HK, k_HK = turn(q_HK, position), turn(k_HK, position)
    keys_SHK = torch.cat([keys_SHK, k_HK[None]])
    v_HK = turn(v_HK, position)
    values_SHK = torch.cat([values_SHK, v_HK[None]])
    scores_HS = torch.einsum("HK,SHK->HS", q_HK, keys_SHK) / q_HK.shape[-1] ** 0.5
    out_HK = torch.einsum("HS,SHK->HK", scores_HS.softmax(dim=-1), values_SHK)
    return out_HK, keys_SHK, values_SHK
""",
        "the value was turned",
    ),
    (
        "6.7",
        "position 0 for each new token",
        """
def decode_step(q_HK, k_HK, v_HK, keys_SHK, values_SHK, turn):
    q_HK, k_HK = turn(q_HK, 0), turn(k_HK, 0)
    keys_SHK = torch.cat([keys_SHK, k_HK[None]])
    values_SHK = torch.cat([values_SHK, v_HK[None]])
    scores_HS = torch.einsum("HK,SHK->HS", q_HK, keys_SHK) / q_HK.shape[-1] ** 0.5
    out_HK = torch.einsum("HS,SHK->HK", scores_HS.softmax(dim=-1), values_SHK)
    return out_HK, keys_SHK, values_SHK
""",
        "position 0 turns nothing",
    ),
    (
        "6.7",
        "divides by K",
        """
def decode_step(q_HK, k_HK, v_HK, keys_SHK, values_SHK, turn):
    position = len(keys_SHK)
    q_HK, k_HK = turn(q_HK, position), turn(k_HK, position)
    keys_SHK = torch.cat([keys_SHK, k_HK[None]])
    values_SHK = torch.cat([values_SHK, v_HK[None]])
    scores_HS = torch.einsum("HK,SHK->HS", q_HK, keys_SHK) / q_HK.shape[-1]
    out_HK = torch.einsum("HS,SHK->HK", scores_HS.softmax(dim=-1), values_SHK)
    return out_HK, keys_SHK, values_SHK
""",
        "divided by K",
    ),
    (
        "6.7",
        "softmax over the heads",
        """
def decode_step(q_HK, k_HK, v_HK, keys_SHK, values_SHK, turn):
    position = len(keys_SHK)
    q_HK, k_HK = turn(q_HK, position), turn(k_HK, position)
    keys_SHK = torch.cat([keys_SHK, k_HK[None]])
    values_SHK = torch.cat([values_SHK, v_HK[None]])
    scores_HS = torch.einsum("HK,SHK->HS", q_HK, keys_SHK) / q_HK.shape[-1] ** 0.5
    out_HK = torch.einsum("HS,SHK->HK", scores_HS.softmax(dim=0), values_SHK)
    return out_HK, keys_SHK, values_SHK
""",
        "went over the heads",
    ),
    (
        "6.7",
        "PyTorch's causal mask for one query",
        """
def decode_step(q_HK, k_HK, v_HK, keys_SHK, values_SHK, turn):
    position = len(keys_SHK)
    q_HK, k_HK = turn(q_HK, position), turn(k_HK, position)
    keys_SHK = torch.cat([keys_SHK, k_HK[None]])
    values_SHK = torch.cat([values_SHK, v_HK[None]])
    out = torch.nn.functional.scaled_dot_product_attention(
        q_HK[:, None], keys_SHK.transpose(0, 1), values_SHK.transpose(0, 1), is_causal=True
    )
    return out[:, 0], keys_SHK, values_SHK
""",
        "the first key only",
    ),
    (
        "6.8",
        "pads on the right",
        """
def pad_left(prompts, padding):
    longest = max(len(prompt) for prompt in prompts)
    ids, positions, real = [], [], []
    for prompt in prompts:
        missing = longest - len(prompt)
        ids.append(list(prompt) + [padding] * missing)
        positions.append([0] * missing + list(range(len(prompt))))
        real.append([False] * missing + [True] * len(prompt))
    return torch.tensor(ids), torch.tensor(positions), torch.tensor(real)
""",
        "stands on the right",
    ),
    (
        "6.8",
        "counts the padding",
        """
def pad_left(prompts, padding):
    longest = max(len(prompt) for prompt in prompts)
    ids, positions, real = [], [], []
    for prompt in prompts:
        missing = longest - len(prompt)
        ids.append([padding] * missing + list(prompt))
        positions.append(list(range(longest)))
        real.append([False] * missing + [True] * len(prompt))
    return torch.tensor(ids), torch.tensor(positions), torch.tensor(real)
""",
        "the padding was counted",
    ),
    (
        "6.8",
        "positions from 1",
        """
def pad_left(prompts, padding):
    longest = max(len(prompt) for prompt in prompts)
    ids, positions, real = [], [], []
    for prompt in prompts:
        missing = longest - len(prompt)
        ids.append([padding] * missing + list(prompt))
        positions.append([0] * missing + list(range(1, len(prompt) + 1)))
        real.append([False] * missing + [True] * len(prompt))
    return torch.tensor(ids), torch.tensor(positions), torch.tensor(real)
""",
        "begin at 1",
    ),
    (
        "6.8",
        "negative positions",
        """
def pad_left(prompts, padding):
    longest = max(len(prompt) for prompt in prompts)
    ids, positions, real = [], [], []
    for prompt in prompts:
        missing = longest - len(prompt)
        ids.append([padding] * missing + list(prompt))
        positions.append(list(range(-missing, len(prompt))))
        real.append([False] * missing + [True] * len(prompt))
    return torch.tensor(ids), torch.tensor(positions), torch.tensor(real)
""",
        "negative positions",
    ),
    (
        "6.8",
        "mask inverted",
        """
def pad_left(prompts, padding):
    longest = max(len(prompt) for prompt in prompts)
    ids, positions, real = [], [], []
    for prompt in prompts:
        missing = longest - len(prompt)
        ids.append([padding] * missing + list(prompt))
        positions.append([0] * missing + list(range(len(prompt))))
        real.append([True] * missing + [False] * len(prompt))
    return torch.tensor(ids), torch.tensor(positions), torch.tensor(real)
""",
        "inverted",
    ),
    (
        "6.8",
        "mask from the padding id",
        """
def pad_left(prompts, padding):
    longest = max(len(prompt) for prompt in prompts)
    ids, positions, real = [], [], []
    for prompt in prompts:
        missing = longest - len(prompt)
        ids.append([padding] * missing + list(prompt))
        positions.append([0] * missing + list(range(len(prompt))))
        real.append([token != padding for token in ids[-1]])
    return torch.tensor(ids), torch.tensor(positions), torch.tensor(real)
""",
        "taken for padding",
    ),
    (
        "6.9",
        "shows everything",
        """
def showable(text, stops):
    return text
""",
        "an end that may become a stop string was shown",
    ),
    (
        "6.9",
        "always holds back as much as a stop string is long",
        """
def showable(text, stops):
    return text[: len(text) - max(len(stop) for stop in stops) + 1]
""",
        "too much is held back",
    ),
    (
        "6.9",
        "a slice to -0",
        """
def showable(text, stops):
    held = [n for stop in stops for n in range(1, len(stop)) if text.endswith(stop[:n])]
    return text[: -max(held, default=0)]
""",
        "a slice to -0 is empty",
    ),
    (
        "6.9",
        "the shortest end",
        """
def showable(text, stops):
    held = [n for stop in stops for n in range(1, len(stop)) if text.endswith(stop[:n])]
    return text[: len(text) - min(held, default=0)]
""",
        "too little is held back",
    ),
    (
        "6.9",
        "looks at the first stop string only",
        """
def showable(text, stops):
    held = [n for stop in stops[:1] for n in range(1, len(stop)) if text.endswith(stop[:n])]
    return text[: len(text) - max(held, default=0)]
""",
        "an end that may become a stop string was shown",
    ),
    (
        "6.9",
        "cuts where a stop string's first character stands",
        """
def showable(text, stops):
    places = [text.index(stop[0]) for stop in stops if stop[0] in text]
    return text[: min(places, default=len(text))]
""",
        "too much is held back",
    ),
    (
        "6.9",
        "the first stop string that fits decides",
        """
def showable(text, stops):
    for stop in stops:
        for n in range(len(stop) - 1, 0, -1):
            if text.endswith(stop[:n]):
                return text[:-n]
    return text
""",
        "too little is held back",
    ),
]
