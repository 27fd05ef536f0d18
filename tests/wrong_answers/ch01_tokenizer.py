"""Named wrong answers for chapter 01. Each must fail with a message that names the mistake."""

# What wrong answers to 1.11 do right.
CORPUS = """
def join(ids, pair, new_id):
    i = 0
    while i < len(ids) - 1:
        if (ids[i], ids[i + 1]) == pair:
            ids[i : i + 2] = [new_id]
        i += 1


def merges_of(occurrences, vocab_size, min_count=1):
    words, merges = [(list(piece.encode()), n) for piece, n in occurrences.items()], []
    while 256 + len(merges) < vocab_size:
        counts = Counter()
        for ids, n in words:
            for pair in zip(ids, ids[1:]):
                counts[pair] += n
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if best is None or counts[best] < min_count:
            break
        for ids, _ in words:
            join(ids, best, 256 + len(merges))
        merges.append(best)
    return merges


def ids_of(piece, merges):
    ids = list(piece.encode())
    for rank, pair in enumerate(merges):
        join(ids, pair, 256 + rank)
    return ids
"""

WRONG_ANSWERS = [
    # exercise, name of the mistake, code that replaces the function, a fragment of the message
    (
        "1.1",
        "counts characters",
        """
def utf8_length(text):
    return len(text)
""",
        "you counted characters",
    ),
    (
        "1.1",
        "two bytes for all that is not ASCII",
        """
def utf8_length(text):
    return sum(1 if ord(char) < 0x80 else 2 for char in text)
""",
        "every character beyond ASCII two bytes",
    ),
    (
        "1.1",
        "bytes of UTF-16",
        """
def utf8_length(text):
    return sum(2 if ord(char) < 0x10000 else 4 for char in text)
""",
        "nine ASCII characters",
    ),
    (
        "1.1",
        "no four-byte characters",
        """
def utf8_length(text):
    return sum(1 + (ord(char) >= 0x80) + (ord(char) >= 0x800) for char in text)
""",
        "no character got four bytes",
    ),
    (
        "1.1",
        "borders one too high",
        """
def utf8_length(text):
    return sum(1 + sum(ord(char) > b for b in (0x80, 0x800, 0x10000)) for char in text)
""",
        "the border belongs to the longer form",
    ),
    (
        "1.2",
        "ignores how often a piece occurs",
        """
def count_pairs(pieces):
    return dict(Counter(pair for piece in pieces for pair in zip(piece, piece[1:])))
""",
        "every piece was counted once",
    ),
    (
        "1.2",
        "counts pairs across pieces",
        """
def count_pairs(pieces):
    ids = [token for piece, n in pieces.items() for token in piece * n]
    return dict(Counter(zip(ids, ids[1:])))
""",
        "across two pieces",
    ),
    (
        "1.2",
        "counts joins, not places",
        """
def count_pairs(pieces):
    counts = Counter()
    for piece, n in pieces.items():
        i = 0
        while i + 1 < len(piece):
            counts[piece[i], piece[i + 1]] += n
            i += 2 if piece[i + 1 : i + 3] == piece[i : i + 2] else 1
    return dict(counts)
""",
        "count places, not joins",
    ),
    (
        "1.2",
        "takes (1, 2) and (2, 1) for one pair",
        """
def count_pairs(pieces):
    counts = Counter()
    for piece, n in pieces.items():
        for pair in zip(piece, piece[1:]):
            counts[tuple(sorted(pair))] += n
    return dict(counts)
""",
        "the order matters",
    ),
    (
        "1.2",
        "misses the last pair",
        """
def count_pairs(pieces):
    counts = Counter()
    for piece, n in pieces.items():
        for i in range(len(piece) - 2):
            counts[piece[i], piece[i + 1]] += n
    return dict(counts)
""",
        "the last pair of each piece is missing",
    ),
    (
        "1.3",
        "smallest pair of all",
        """
def best_pair(counts):
    return min(counts)
""",
        "the count comes first",
    ),
    (
        "1.3",
        "first in the dictionary",
        """
def best_pair(counts):
    return max(counts, key=counts.get)
""",
        "must not depend on the order",
    ),
    (
        "1.3",
        "largest pair among equals",
        """
def best_pair(counts):
    return max(counts, key=lambda pair: (counts[pair], pair))
""",
        "the smallest is asked",
    ),
    (
        "1.3",
        "right id decides first",
        """
def best_pair(counts):
    return min(counts, key=lambda pair: (-counts[pair], pair[1], pair[0]))
""",
        "the left id decides first",
    ),
    (
        "1.3",
        "larger right id among equals",
        """
def best_pair(counts):
    return min(counts, key=lambda pair: (-counts[pair], pair[0], -pair[1]))
""",
        "the smaller right id decides",
    ),
    (
        "1.4",
        "merges overlapping pairs",
        """
def merge_pair(ids, pair, new_id):
    merged = []
    i = 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) == pair:
            merged.append(new_id)
            if i + 2 == len(ids):
                break
        else:
            merged.append(ids[i])
            if i and tuple(ids[i - 1 : i + 1]) == pair:
                merged.pop()
        i += 1
    return merged
""",
        "occurrences overlap",
    ),
    (
        "1.4",
        "only the first occurrence",
        """
def merge_pair(ids, pair, new_id):
    for i in range(len(ids) - 1):
        if (ids[i], ids[i + 1]) == pair:
            return [*ids[:i], new_id, *ids[i + 2 :]]
    return list(ids)
""",
        "only the first occurrence",
    ),
    (
        "1.4",
        "from right to left",
        """
def merge_pair(ids, pair, new_id):
    merged, i = [], len(ids) - 1
    while i >= 0:
        if i and (ids[i - 1], ids[i]) == pair:
            merged.append(new_id)
            i -= 2
        else:
            merged.append(ids[i])
            i -= 1
    return merged[::-1]
""",
        "from right to left",
    ),
    (
        "1.4",
        "loses the last id",
        """
def merge_pair(ids, pair, new_id):
    merged, i = [], 0
    while i < len(ids) - 1:
        if (ids[i], ids[i + 1]) == pair:
            merged.append(new_id)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged
""",
        "left over at the end was lost",
    ),
    (
        "1.4",
        "changes its argument",
        """
def merge_pair(ids, pair, new_id):
    i = 0
    while i < len(ids) - 1:
        if (ids[i], ids[i + 1]) == pair:
            ids[i : i + 2] = [new_id]
        i += 1
    return ids
""",
        "changed the list it was given",
    ),
    (
        "1.4",
        "merges the pair in either order",
        """
def merge_pair(ids, pair, new_id):
    merged, i = [], 0
    while i < len(ids):
        if sorted(ids[i : i + 2]) == sorted(pair):
            merged.append(new_id)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged
""",
        "the order matters",
    ),
    (
        "1.4",
        "keeps the right half",
        """
def merge_pair(ids, pair, new_id):
    merged = []
    for i in range(len(ids)):
        merged.append(new_id if tuple(ids[i : i + 2]) == pair else ids[i])
    return merged
""",
        "the right half stayed",
    ),
    (
        "1.5",
        "merges across pre-tokens",
        """
def train(texts, vocab_size, split, min_count=2):
    return _train([list(text.encode()) for text in texts], vocab_size, min_count)


def _train(pieces, vocab_size, min_count):
    merges = []
    while 256 + len(merges) < vocab_size:
        counts = Counter(pair for ids in pieces for pair in zip(ids, ids[1:]))
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if best is None or counts[best] < min_count:
            break
        for ids in pieces:
            i = 0
            while i < len(ids) - 1:
                if (ids[i], ids[i + 1]) == best:
                    ids[i : i + 2] = [256 + len(merges)]
                i += 1
        merges.append(best)
    return merges
""",
        "merges cross pieces",
    ),
    (
        "1.5",
        "each different piece once",
        """
def train(texts, vocab_size, split, min_count=2):
    different = sorted({piece.encode() for text in texts for piece in split(text)})
    pieces, merges = [list(piece) for piece in different], []
    while 256 + len(merges) < vocab_size:
        counts = Counter(pair for ids in pieces for pair in zip(ids, ids[1:]))
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if best is None or counts[best] < min_count:
            break
        for ids in pieces:
            i = 0
            while i < len(ids) - 1:
                if (ids[i], ids[i + 1]) == best:
                    ids[i : i + 2] = [256 + len(merges)]
                i += 1
        merges.append(best)
    return merges
""",
        "every different piece was counted once",
    ),
    (
        "1.5",
        "ties go to the largest pair",
        """
def train(texts, vocab_size, split, min_count=2):
    pieces, merges = [list(p.encode()) for text in texts for p in split(text)], []
    while 256 + len(merges) < vocab_size:
        counts = Counter(pair for ids in pieces for pair in zip(ids, ids[1:]))
        best = max(counts, key=lambda pair: (counts[pair], pair), default=None)
        if best is None or counts[best] < min_count:
            break
        for ids in pieces:
            i = 0
            while i < len(ids) - 1:
                if (ids[i], ids[i + 1]) == best:
                    ids[i : i + 2] = [256 + len(merges)]
                i += 1
        merges.append(best)
    return merges
""",
        "ties went to the largest pair",
    ),
    (
        "1.5",
        "vocab_size without the bytes",
        """
def train(texts, vocab_size, split, min_count=2):
    pieces, merges = [list(p.encode()) for text in texts for p in split(text)], []
    while len(merges) < vocab_size:
        counts = Counter(pair for ids in pieces for pair in zip(ids, ids[1:]))
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if best is None or counts[best] < min_count:
            break
        for ids in pieces:
            i = 0
            while i < len(ids) - 1:
                if (ids[i], ids[i + 1]) == best:
                    ids[i : i + 2] = [256 + len(merges)]
                i += 1
        merges.append(best)
    return merges
""",
        "vocab_size counts the 256 bytes too",
    ),
    (
        "1.5",
        "fails when nothing is left",
        """
def train(texts, vocab_size, split, min_count=2):
    pieces, merges = [list(p.encode()) for text in texts for p in split(text)], []
    while 256 + len(merges) < vocab_size:
        counts = Counter(pair for ids in pieces for pair in zip(ids, ids[1:]))
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        if counts[best] < min_count:
            break
        for ids in pieces:
            i = 0
            while i < len(ids) - 1:
                if (ids[i], ids[i + 1]) == best:
                    ids[i : i + 2] = [256 + len(merges)]
                i += 1
        merges.append(best)
    return merges
""",
        "when no pair is left training must stop",
    ),
    (
        "1.5",
        "goes on below min_count",
        """
def train(texts, vocab_size, split, min_count=2):
    pieces, merges = [list(p.encode()) for text in texts for p in split(text)], []
    while 256 + len(merges) < vocab_size:
        counts = Counter(pair for ids in pieces for pair in zip(ids, ids[1:]))
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if best is None:
            break
        for ids in pieces:
            i = 0
            while i < len(ids) - 1:
                if (ids[i], ids[i + 1]) == best:
                    ids[i : i + 2] = [256 + len(merges)]
                i += 1
        merges.append(best)
    return merges
""",
        "training went on below min_count",
    ),
    (
        "1.5",
        "ties go to the pair met first",
        """
def train(texts, vocab_size, split, min_count=2):
    pieces, merges = [list(p.encode()) for text in texts for p in split(text)], []
    while 256 + len(merges) < vocab_size:
        counts = Counter(pair for ids in pieces for pair in zip(ids, ids[1:]))
        best = max(counts, key=counts.get, default=None)
        if best is None or counts[best] < min_count:
            break
        for ids in pieces:
            i = 0
            while i < len(ids) - 1:
                if (ids[i], ids[i + 1]) == best:
                    ids[i : i + 2] = [256 + len(merges)]
                i += 1
        merges.append(best)
    return merges
""",
        "ties went to the pair met first",
    ),
    (
        "1.5",
        "counts the pairs once",
        """
def train(texts, vocab_size, split, min_count=2):
    pieces = [list(p.encode()) for text in texts for p in split(text)]
    counts = Counter(pair for ids in pieces for pair in zip(ids, ids[1:]))
    order = sorted(counts, key=lambda pair: (-counts[pair], pair))
    return [pair for pair in order if counts[pair] >= min_count][: vocab_size - 256]
""",
        "before the first merge only",
    ),
    (
        "1.5",
        "cuts pieces into characters",
        """
def train(texts, vocab_size, split, min_count=2):
    pieces, merges = [list(map(ord, p)) for text in texts for p in split(text)], []
    while 256 + len(merges) < vocab_size:
        counts = Counter(pair for ids in pieces for pair in zip(ids, ids[1:]))
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if best is None or counts[best] < min_count:
            break
        for ids in pieces:
            i = 0
            while i < len(ids) - 1:
                if (ids[i], ids[i + 1]) == best:
                    ids[i : i + 2] = [256 + len(merges)]
                i += 1
        merges.append(best)
    return merges
""",
        "é is two bytes",
    ),
    (
        "1.5",
        "one merge too few",
        """
def train(texts, vocab_size, split, min_count=2):
    pieces, merges = [list(p.encode()) for text in texts for p in split(text)], []
    while 256 + len(merges) < vocab_size - 1:
        counts = Counter(pair for ids in pieces for pair in zip(ids, ids[1:]))
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if best is None or counts[best] < min_count:
            break
        for ids in pieces:
            i = 0
            while i < len(ids) - 1:
                if (ids[i], ids[i + 1]) == best:
                    ids[i : i + 2] = [256 + len(merges)]
                i += 1
        merges.append(best)
    return merges
""",
        "one merge is missing",
    ),
    (
        "1.5",
        "wants more than min_count",
        """
def train(texts, vocab_size, split, min_count=2):
    pieces, merges = [list(p.encode()) for text in texts for p in split(text)], []
    while 256 + len(merges) < vocab_size:
        counts = Counter(pair for ids in pieces for pair in zip(ids, ids[1:]))
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if best is None or counts[best] <= min_count:
            break
        for ids in pieces:
            i = 0
            while i < len(ids) - 1:
                if (ids[i], ids[i + 1]) == best:
                    ids[i : i + 2] = [256 + len(merges)]
                i += 1
        merges.append(best)
    return merges
""",
        "exactly min_count times is merged too",
    ),
    (
        "1.6",
        "leftmost pair first",
        """
def encode_piece(piece, ranks):
    ids, i = list(piece), 0
    while i < len(ids) - 1:
        if (ids[i], ids[i + 1]) in ranks:
            ids[i : i + 2] = [256 + ranks[ids[i], ids[i + 1]]]
            i = 0
        else:
            i += 1
    return ids
""",
        "the one with the lowest rank goes first",
    ),
    (
        "1.6",
        "highest rank first",
        """
def encode_piece(piece, ranks):
    ids = list(piece)
    while True:
        known = [(ranks[p], i) for i, p in enumerate(zip(ids, ids[1:])) if p in ranks]
        if not known:
            return ids
        rank, i = max(known)
        ids[i : i + 2] = [256 + rank]
""",
        "the lowest goes first",
    ),
    (
        "1.6",
        "one merge only",
        """
def encode_piece(piece, ranks):
    ids = list(piece)
    known = [(ranks[p], i) for i, p in enumerate(zip(ids, ids[1:])) if p in ranks]
    if known:
        rank, i = min(known)
        ids[i : i + 2] = [256 + rank]
    return ids
""",
        "you stopped after one merge",
    ),
    (
        "1.6",
        "walks through all merges",
        """
def encode_piece(piece, ranks):
    ids = list(piece)
    for pair, rank in ranks.items():
        i = 0
        while i < len(ids) - 1:
            if (ids[i], ids[i + 1]) == pair:
                ids[i : i + 2] = [256 + rank]
            i += 1
    return ids
""",
        "walks through all of ranks",
    ),
    (
        "1.6",
        "each merge at one place only",
        """
def encode_piece(piece, ranks):
    ids, done = list(piece), set()
    while True:
        known = [(ranks[p], i) for i, p in enumerate(zip(ids, ids[1:])) if p in ranks]
        known = [(rank, i) for rank, i in known if rank not in done]
        if not known:
            return ids
        rank, i = min(known)
        done.add(rank)
        ids[i : i + 2] = [256 + rank]
""",
        "still rank 0, at another place",
    ),
    (
        "1.6",
        "numbers the merges of the piece",
        """
def encode_piece(piece, ranks):
    ids, new_id = list(piece), 256
    while True:
        known = [pair for pair in zip(ids, ids[1:]) if pair in ranks]
        if not known:
            return ids
        best, i = min(known, key=lambda pair: ranks[pair]), 0
        while i < len(ids) - 1:
            if (ids[i], ids[i + 1]) == best:
                ids[i : i + 2] = [new_id]
            i += 1
        new_id += 1
""",
        "makes the id 256 + r",
    ),
    (
        "1.7",
        "decodes token by token",
        """
def decode(ids, token_bytes):
    return "".join(token_bytes[i].decode("utf-8", errors="replace") for i in ids)
""",
        "join the bytes first",
    ),
    (
        "1.7",
        "drops what is no text",
        """
def decode(ids, token_bytes):
    return b"".join(token_bytes[i] for i in ids).decode("utf-8", errors="ignore")
""",
        "the lone byte was dropped",
    ),
    (
        "1.7",
        "stops at what is no text",
        """
def decode(ids, token_bytes):
    return b"".join(token_bytes[i] for i in ids).decode("utf-8")
""",
        "must become U+FFFD, not an error",
    ),
    (
        "1.7",
        "reads Latin-1",
        """
def decode(ids, token_bytes):
    return b"".join(token_bytes[i] for i in ids).decode("latin-1")
""",
        "they are UTF-8",
    ),
    (
        "1.7",
        "takes -1 for the last token",
        """
def decode(ids, token_bytes):
    if any(i >= len(token_bytes) for i in ids):
        raise ValueError("no such id")
    return b"".join(token_bytes[i] for i in ids).decode("utf-8", errors="replace")
""",
        "negative numbers from its end",
    ),
    (
        "1.7",
        "leaves unknown ids to the list",
        """
def decode(ids, token_bytes):
    if any(i < 0 for i in ids):
        raise ValueError("no such id")
    return b"".join(token_bytes[i] for i in ids).decode("utf-8", errors="replace")
""",
        "must raise ValueError, yours raised IndexError",
    ),
    (
        "1.8",
        "single spaces become parts",
        """
def split_spaces(text, longest=31):
    import re

    return [part for part in re.split(f"( {{1,{longest}}})", text) if part]
""",
        "a single space is ordinary text",
    ),
    (
        "1.8",
        "runs without a limit",
        """
def split_spaces(text, longest=31):
    import re

    return [part for part in re.split("(  +)", text) if part]
""",
        "a run is longer than `longest`",
    ),
    (
        "1.8",
        "the last space goes to the word",
        """
def split_spaces(text, longest=31):
    import re

    return [part for part in re.split(f"( {{2,{longest}}}(?= |$))", text) if part]
""",
        "left to the word after it",
    ),
    (
        "1.8",
        "shortest first",
        """
def split_spaces(text, longest=31):
    import re

    return [part for part in re.split("(  )", text) if part]
""",
        "take the longest first",
    ),
    (
        "1.8",
        "empty parts",
        """
def split_spaces(text, longest=31):
    import re

    return re.split(f"( {{2,{longest}}})", text)
""",
        "no part may be empty",
    ),
    (
        "1.8",
        "31 written in",
        """
def split_spaces(text, longest=31):
    import re

    return [part for part in re.split("( {2,31})", text) if part]
""",
        "`longest` is an argument",
    ),
    (
        "1.8",
        "takes tabs and newlines for spaces",
        """
def split_spaces(text, longest=31):
    import re

    return [part for part in re.split(rf"(\\s{{2,{longest}}})", text) if part]
""",
        "a newline was taken for a space",
    ),
    (
        "1.8",
        "a left-over space is a part",
        """
def split_spaces(text, longest=31):
    import re

    parts = re.split("(  +)", text)
    cut = []
    for i, part in enumerate(parts):
        step = longest if i % 2 else max(1, len(part))
        cut += [part[j : j + step] for j in range(0, len(part), step)]
    return cut
""",
        "a single space left over",
    ),
    (
        "1.9",
        "counts all equal places",
        """
def surviving_tokens(prompt, completion, encode):
    return sum(a == b for a, b in zip(encode(prompt), encode(prompt + completion)))
""",
        "behind the first difference",
    ),
    (
        "1.9",
        "takes all tokens of the prompt",
        """
def surviving_tokens(prompt, completion, encode):
    return len(encode(prompt))
""",
        "all tokens of the prompt",
    ),
    (
        "1.9",
        "compares sets",
        """
def surviving_tokens(prompt, completion, encode):
    return len(set(encode(prompt)) & set(encode(prompt + completion)))
""",
        "behind the first difference",
    ),
    (
        "1.9",
        "encodes the completion alone",
        """
def surviving_tokens(prompt, completion, encode):
    count = 0
    for a, b in zip(encode(prompt), encode(prompt) + encode(completion)):
        if a != b:
            break
        count += 1
    return count
""",
        "all tokens of the prompt",
    ),
    (
        "1.9",
        "index of the last agreement",
        """
def surviving_tokens(prompt, completion, encode):
    last = 0
    for i, (a, b) in enumerate(zip(encode(prompt), encode(prompt + completion))):
        if a != b:
            break
        last = i
    return last
""",
        "one too few",
    ),
    (
        "1.10",
        "a special token is cut into bytes",
        """
def encode_with_special(text, special_tokens, allowed, encode):
    return encode(text)
""",
        "cut into bytes like ordinary text",
    ),
    (
        "1.10",
        "every special token counts, allowed or not",
        """
def encode_with_special(text, special_tokens, allowed, encode):
    import re

    names = sorted(special_tokens, key=len, reverse=True)
    ids = []
    for part in re.split("(" + "|".join(map(re.escape, names)) + ")", text):
        if part:
            ids += [special_tokens[part]] if part in special_tokens else encode(part)
    return ids
""",
        "that is the injection",
    ),
    (
        "1.10",
        "the shorter token wins",
        """
def encode_with_special(text, special_tokens, allowed, encode):
    import re

    if not allowed:
        return encode(text)
    ids = []
    for part in re.split("(" + "|".join(map(re.escape, sorted(allowed, key=len))) + ")", text):
        if part:
            ids += [special_tokens[part]] if part in allowed else encode(part)
    return ids
""",
        "take the longer",
    ),
    (
        "1.10",
        "encodes letter by letter",
        """
def encode_with_special(text, special_tokens, allowed, encode):
    names = sorted(allowed, key=len, reverse=True)
    ids, i = [], 0
    while i < len(text):
        found = next((name for name in names if text.startswith(name, i)), None)
        ids += [special_tokens[found]] if found else encode(text[i])
        i += len(found) if found else 1
    return ids
""",
        "the whole stretch between two special tokens",
    ),
    (
        "1.10",
        "drops tokens that are not allowed",
        """
def encode_with_special(text, special_tokens, allowed, encode):
    import re

    names = sorted(special_tokens, key=len, reverse=True)
    ids = []
    for part in re.split("(" + "|".join(map(re.escape, names)) + ")", text):
        if part in special_tokens:
            ids += [special_tokens[part]] if part in allowed else []
        elif part:
            ids += encode(part)
    return ids
""",
        "text of a token that is not allowed was dropped",
    ),
    (
        "1.10",
        "encodes empty stretches",
        """
def encode_with_special(text, special_tokens, allowed, encode):
    import re

    if not allowed:
        return encode(text)
    ids = []
    names = sorted(allowed, key=len, reverse=True)
    for part in re.split("(" + "|".join(map(re.escape, names)) + ")", text):
        ids += [special_tokens[part]] if part in allowed else encode(part)
    return ids
""",
        "leave such stretches out",
    ),
    (
        "1.10",
        "forgets the text after the last token",
        """
def encode_with_special(text, special_tokens, allowed, encode):
    names = sorted(allowed, key=len, reverse=True)
    ids, start, i = [], 0, 0
    while i < len(text):
        found = next((name for name in names if text.startswith(name, i)), None)
        if found is None:
            i += 1
            continue
        ids += encode(text[start:i]) if start < i else []
        ids.append(special_tokens[found])
        start = i = i + len(found)
    return ids
""",
        "the text after the last special token was lost",
    ),
    (
        "1.10",
        "only the first special token",
        """
def encode_with_special(text, special_tokens, allowed, encode):
    found = [name for name in sorted(allowed, key=len, reverse=True) if name in text]
    if not found:
        return encode(text)
    name = min(found, key=text.index)
    before, _, after = text.partition(name)
    ids = encode(before) if before else []
    return ids + [special_tokens[name]] + (encode(after) if after else [])
""",
        "only the first special token was found",
    ),
    (
        "1.11",
        "no end_of_text",
        CORPUS
        + """
def tokenize_corpus(documents, vocab_size, split, end_of_text):
    texts = [split(document) for document in documents]
    merges = merges_of(Counter(piece for text in texts for piece in text), vocab_size)
    return merges, [i for text in texts for piece in text for i in ids_of(piece, merges)]
""",
        "end_of_text is missing",
    ),
    (
        "1.11",
        "end_of_text between documents only",
        CORPUS
        + """
def tokenize_corpus(documents, vocab_size, split, end_of_text):
    texts = [split(document) for document in documents]
    merges = merges_of(Counter(piece for text in texts for piece in text), vocab_size)
    ids = []
    for text in texts:
        ids += [end_of_text] if ids else []
        ids += [i for piece in text for i in ids_of(piece, merges)]
    return merges, ids
""",
        "it follows the last too",
    ),
    (
        "1.11",
        "end_of_text before each document",
        CORPUS
        + """
def tokenize_corpus(documents, vocab_size, split, end_of_text):
    texts = [split(document) for document in documents]
    merges = merges_of(Counter(piece for text in texts for piece in text), vocab_size)
    ids = []
    for text in texts:
        ids += [end_of_text] + [i for piece in text for i in ids_of(piece, merges)]
    return merges, ids
""",
        "stands before each document",
    ),
    (
        "1.11",
        "an id of its own for end_of_text",
        CORPUS
        + """
def tokenize_corpus(documents, vocab_size, split, end_of_text):
    texts = [split(document) for document in documents]
    merges = merges_of(Counter(piece for text in texts for piece in text), vocab_size)
    ids = []
    for text in texts:
        ids += [i for piece in text for i in ids_of(piece, merges)] + [256 + len(merges)]
    return merges, ids
""",
        "make no id of your own",
    ),
    (
        "1.11",
        "counts end_of_text among the ids",
        CORPUS
        + """
def tokenize_corpus(documents, vocab_size, split, end_of_text):
    texts = [split(document) for document in documents]
    merges = merges_of(Counter(piece for text in texts for piece in text), vocab_size - 1)
    ids = []
    for text in texts:
        ids += [i for piece in text for i in ids_of(piece, merges)] + [end_of_text]
    return merges, ids
""",
        "vocab_size does not count end_of_text",
    ),
    (
        "1.11",
        "leaves empty documents out",
        CORPUS
        + """
def tokenize_corpus(documents, vocab_size, split, end_of_text):
    texts = [split(document) for document in documents if document]
    merges = merges_of(Counter(piece for text in texts for piece in text), vocab_size)
    ids = []
    for text in texts:
        ids += [i for piece in text for i in ids_of(piece, merges)] + [end_of_text]
    return merges, ids
""",
        "an empty document was left out",
    ),
    (
        "1.11",
        "joins the documents",
        CORPUS
        + """
def tokenize_corpus(documents, vocab_size, split, end_of_text):
    pieces = split("".join(documents))
    merges = merges_of(Counter(pieces), vocab_size)
    return merges, [i for piece in pieces for i in ids_of(piece, merges)] + [end_of_text]
""",
        "documents were joined",
    ),
    (
        "1.11",
        "joins the documents by a text",
        CORPUS
        + """
def tokenize_corpus(documents, vocab_size, split, end_of_text):
    marker = "<|endoftext|>"
    texts = [split(document) for document in marker.join(documents).split(marker)]
    merges = merges_of(Counter(piece for text in texts for piece in text), vocab_size)
    ids = []
    for text in texts:
        ids += [i for piece in text for i in ids_of(piece, merges)] + [end_of_text]
    return merges, ids
""",
        "became the id end_of_text",
    ),
    (
        "1.11",
        "trains on each document by itself",
        CORPUS
        + """
def tokenize_corpus(documents, vocab_size, split, end_of_text):
    texts = [split(document) for document in documents]
    merges = []
    for text in texts:
        merges += merges_of(Counter(text), vocab_size)
    ids = []
    for text in texts:
        ids += [i for piece in text for i in ids_of(piece, merges)] + [end_of_text]
    return merges, ids
""",
        "trained on by itself",
    ),
    (
        "1.11",
        "trains on whole documents",
        CORPUS
        + """
def tokenize_corpus(documents, vocab_size, split, end_of_text):
    documents = list(documents)
    texts = [split(document) for document in documents]
    merges = merges_of(Counter(documents), vocab_size)
    ids = []
    for text in texts:
        ids += [i for piece in text for i in ids_of(piece, merges)] + [end_of_text]
    return merges, ids
""",
        "merges cross pieces",
    ),
    (
        "1.11",
        "trains on each different piece once",
        CORPUS
        + """
def tokenize_corpus(documents, vocab_size, split, end_of_text):
    texts = [split(document) for document in documents]
    merges = merges_of(dict.fromkeys((p for text in texts for p in text), 1), vocab_size)
    ids = []
    for text in texts:
        ids += [i for piece in text for i in ids_of(piece, merges)] + [end_of_text]
    return merges, ids
""",
        "every different piece was counted once",
    ),
    (
        "1.11",
        "counts a piece once in each document",
        CORPUS
        + """
def tokenize_corpus(documents, vocab_size, split, end_of_text):
    texts = [split(document) for document in documents]
    merges = merges_of(Counter(piece for text in texts for piece in set(text)), vocab_size)
    ids = []
    for text in texts:
        ids += [i for piece in text for i in ids_of(piece, merges)] + [end_of_text]
    return merges, ids
""",
        "counted once in each document",
    ),
    (
        "1.11",
        "stops at pairs that occur once",
        CORPUS
        + """
def tokenize_corpus(documents, vocab_size, split, end_of_text):
    texts = [split(document) for document in documents]
    merges = merges_of(Counter(piece for text in texts for piece in text), vocab_size, 2)
    ids = []
    for text in texts:
        ids += [i for piece in text for i in ids_of(piece, merges)] + [end_of_text]
    return merges, ids
""",
        "at pairs that occur once",
    ),
    (
        "1.11",
        "encodes by the longest match",
        CORPUS
        + """
def tokenize_corpus(documents, vocab_size, split, end_of_text):
    texts = [split(document) for document in documents]
    merges = merges_of(Counter(piece for text in texts for piece in text), vocab_size)
    tokens = {bytes([byte]): byte for byte in range(256)}
    texts_of = list(tokens)
    for left, right in merges:
        texts_of.append(texts_of[left] + texts_of[right])
        tokens[texts_of[-1]] = len(tokens)
    ids = []
    for text in texts:
        for piece in text:
            data = piece.encode()
            while data:
                size = next(n for n in range(len(data), 0, -1) if data[:n] in tokens)
                ids.append(tokens[data[:size]])
                data = data[size:]
        ids.append(end_of_text)
    return merges, ids
""",
        "the lowest rank goes first",
    ),
    (
        "1.11",
        "encodes whole documents",
        CORPUS
        + """
def tokenize_corpus(documents, vocab_size, split, end_of_text):
    documents = list(documents)
    texts = [split(document) for document in documents]
    merges = merges_of(Counter(piece for text in texts for piece in text), vocab_size)
    ids = []
    for document in documents:
        ids += ids_of(document, merges) + [end_of_text]
    return merges, ids
""",
        "must not join two pieces",
    ),
    (
        "1.11",
        "writes each different piece once",
        CORPUS
        + """
def tokenize_corpus(documents, vocab_size, split, end_of_text):
    texts = [split(document) for document in documents]
    merges = merges_of(Counter(piece for text in texts for piece in text), vocab_size)
    different = dict.fromkeys(piece for text in texts for piece in text)
    return merges, [i for piece in different for i in ids_of(piece, merges)] + [end_of_text]
""",
        "each different piece stands once",
    ),
    (
        "1.11",
        "cuts each document twice",
        CORPUS
        + """
def tokenize_corpus(documents, vocab_size, split, end_of_text):
    documents = list(documents)
    pieces = Counter(piece for document in documents for piece in split(document))
    merges = merges_of(pieces, vocab_size)
    ids = []
    for document in documents:
        ids += [i for piece in split(document) for i in ids_of(piece, merges)] + [end_of_text]
    return merges, ids
""",
        "cut each of them once",
    ),
    (
        "1.11",
        "goes through an iterator twice",
        CORPUS
        + """
def tokenize_corpus(documents, vocab_size, split, end_of_text):
    pieces = Counter(piece for document in documents for piece in split(document))
    merges = merges_of(pieces, vocab_size)
    ids = []
    for document in documents:
        ids += [i for piece in split(document) for i in ids_of(piece, merges)] + [end_of_text]
    return merges, ids
""",
        "an iterator can be gone through once",
    ),
    (
        "1.11",
        "returns a list for each document",
        CORPUS
        + """
def tokenize_corpus(documents, vocab_size, split, end_of_text):
    texts = [split(document) for document in documents]
    merges = merges_of(Counter(piece for text in texts for piece in text), vocab_size)
    return merges, [
        [i for piece in text for i in ids_of(piece, merges)] + [end_of_text] for text in texts
    ]
""",
        "one list for all of them is asked",
    ),
    (
        "1.11",
        "returns the ids alone",
        CORPUS
        + """
def tokenize_corpus(documents, vocab_size, split, end_of_text):
    texts = [split(document) for document in documents]
    merges = merges_of(Counter(piece for text in texts for piece in text), vocab_size)
    ids = []
    for text in texts:
        ids += [i for piece in text for i in ids_of(piece, merges)] + [end_of_text]
    return ids
""",
        "two lists are asked",
    ),
    (
        "1.11",
        "fails when nothing is left",
        CORPUS
        + """
def tokenize_corpus(documents, vocab_size, split, end_of_text):
    texts = [split(document) for document in documents]
    occurrences = Counter(piece for text in texts for piece in text)
    encoded = {piece: list(piece.encode()) for piece in occurrences}
    merges = []
    while 256 + len(merges) < vocab_size:
        counts = Counter()
        for piece, ids in encoded.items():
            for pair in zip(ids, ids[1:]):
                counts[pair] += occurrences[piece]
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        for ids in encoded.values():
            join(ids, best, 256 + len(merges))
        merges.append(best)
    return merges, [i for t in texts for i in [*(i for p in t for i in encoded[p]), end_of_text]]
""",
        "when no pair is left training must stop",
    ),
    (
        "1.11",
        "ties go to the pair met first",
        CORPUS
        + """
def tokenize_corpus(documents, vocab_size, split, end_of_text):
    texts = [split(document) for document in documents]
    occurrences = Counter(piece for text in texts for piece in text)
    encoded = {piece: list(piece.encode()) for piece in occurrences}
    merges = []
    while 256 + len(merges) < vocab_size:
        counts = Counter()
        for piece, ids in encoded.items():
            for pair in zip(ids, ids[1:]):
                counts[pair] += occurrences[piece]
        if not counts:
            break
        best = max(counts, key=counts.get)
        for ids in encoded.values():
            join(ids, best, 256 + len(merges))
        merges.append(best)
    return merges, [i for t in texts for i in [*(i for p in t for i in encoded[p]), end_of_text]]
""",
        "ties went to the pair met first",
    ),
]
