"""Exercises of chapter 01: the tokenizer.

Write your answers in place of each `raise NotImplementedError`, save the file, and run
`%check 1.1` in the chapter, or `pytest exercises --exercise 1.1` in a terminal.

A *pair* is a tuple of two token ids that stand side by side. Ids 0 to 255 are the 256 bytes.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

Pair = tuple[int, int]


def utf8_length(text: str) -> int:
    """Exercise 1.1: How many bytes?

    Return how many bytes `text` has in UTF-8, without `encode` and `bytes`. A character takes

        1 byte   below U+0080          2 bytes  from U+0080, below U+0800
        3 bytes  from U+0800, below U+10000    4 bytes  from U+10000

    `ord(character)` gives the code point, the number after U+ (which is written in hexadecimal).

        utf8_length("née") -> 4
    """
    # BEGIN SOLUTION 1.1
    # HINT: How many bytes does `a` take, how many `é`, how many `€`? Which number tells Python the
    #   three apart?
    # HINT: The plan: each character has one byte for certain, and one more for each of the three
    #   borders that its code point has reached. Reached means equal or above. Add up over the text.
    return sum(
        1 + (ord(char) >= 0x80) + (ord(char) >= 0x800) + (ord(char) >= 0x10000) for char in text
    )
    # END SOLUTION


def count_pairs(pieces: Mapping[tuple[int, ...], int]) -> dict[Pair, int]:
    """Exercise 1.2: Count the pairs of many pieces.

    `pieces` maps each different piece (a tuple of ids) to how often the text holds it. Return how
    often each pair occurs, inside pieces only. In (7, 7, 7) the pair (7, 7) occurs twice. Pairs
    that do not occur are left out.

        count_pairs({(1, 2, 1): 3, (1, 2): 1}) -> {(1, 2): 4, (2, 1): 3}
    """
    # BEGIN SOLUTION 1.2
    # HINT: How many pairs does a piece of n ids have? Write those of (7, 7, 7) on paper. What does
    #   it change if the text holds this piece twice?
    # HINT: The plan: begin with no counts. Go through the pieces with their numbers, and in each
    #   piece through the ids, each with its right neighbour. Add the piece's number to that pair,
    #   not 1. Return a plain dict.
    counts: Counter[Pair] = Counter()
    for piece, occurrences in pieces.items():
        for left, right in zip(piece, piece[1:], strict=False):
            counts[left, right] += occurrences
    return dict(counts)
    # END SOLUTION


def best_pair(counts: Mapping[Pair, int]) -> Pair:
    """Exercise 1.3: Choose the pair to merge.

    Return the pair with the highest count. Among equals, take the one whose left id is smaller;
    if these are equal too, the one whose right id is smaller. The order in which the pairs stand
    in `counts` plays no part. There is at least one pair.

        best_pair({(5, 2): 9, (3, 8): 9, (1, 1): 4}) -> (3, 8)
    """
    # BEGIN SOLUTION 1.3
    # HINT: Python compares two tuples from left to right, and looks at the second entry only when
    #   the first ones are equal. Which tuple could stand for a pair, so that the best pair has the
    #   smallest?
    # HINT: The plan: make a key of two entries for each pair. The first is its count, turned round
    #   so that a higher count comes first; the second is the pair itself, so that a tie goes to the
    #   smaller ids. Take the pair with the smallest key.
    return min(counts, key=lambda pair: (-counts[pair], pair))
    # END SOLUTION


def merge_pair(ids: Sequence[int], pair: Pair, new_id: int) -> list[int]:
    """Exercise 1.4: Merge without overlap.

    Return a new list in which each occurrence of `pair` is replaced by `new_id`, found from left
    to right. An id belongs to one occurrence at most. Leave `ids` unchanged.

        merge_pair([7, 7, 7, 1], (7, 7), 9) -> [9, 7, 1]
    """
    # BEGIN SOLUTION 1.4
    # HINT: In [7, 7, 7, 1] the first merge uses up two ids. At which index do you look next? And at
    #   which if nothing was merged?
    # HINT: The plan: a `for` loop always steps by one, so keep an index of your own in a `while`
    #   loop. If the pair begins here, write the new id and step past both halves; if not, copy one
    #   id and step by one. Ask what your code does at the last id, which has no right neighbour.
    merged = []
    i = 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) == tuple(pair):
            merged.append(new_id)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged
    # END SOLUTION


def train(
    texts: Sequence[str], vocab_size: int, split: Callable[[str], list[str]], min_count: int = 2
) -> list[Pair]:
    """Exercise 1.5: Train a tokenizer.

    Cut each text into pieces by `split(text)`, and each piece into its UTF-8 bytes. Then repeat:
    count all pairs inside pieces, choose the best (the rule of exercise 1.3), merge it in every
    piece (exercise 1.4) under the next free id: 256, 257, ... Stop when there are `vocab_size` ids,
    the 256 bytes included, or when the best pair occurs fewer than `min_count` times. Return the
    merged pairs in order.

        train(["aab aab"], 300, str.split) -> [(97, 97), (256, 98)]
    """
    # BEGIN SOLUTION 1.5
    # HINT: What has to be done once, before the first merge, and what again in every round? Read
    #   the task with this question and mark each sentence.
    # HINT: The plan: cut the texts and turn each piece into a list of byte values, once. Then in
    #   every round: count the pairs inside the pieces, and stop if there are none; choose the best,
    #   and stop if it occurs too rarely; note it; replace it in every piece. The next free id is
    #   256 plus the number of merges noted so far.
    # HINT: The shape: a list of pieces, a list of merges, and a `while` that compares 256 plus the
    #   number of merges with `vocab_size`. Two ways lead out of its middle. Your functions of 1.3
    #   and 1.4 fit as they are, once they pass; for 1.2 first count how often each piece occurs, as
    #   a tuple.
    pieces = [list(piece.encode("utf-8")) for text in texts for piece in split(text)]
    merges: list[Pair] = []
    while 256 + len(merges) < vocab_size:
        counts = Counter(pair for ids in pieces for pair in zip(ids, ids[1:], strict=False))
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        if counts[best] < min_count:
            break
        new_id = 256 + len(merges)
        merges.append(best)
        for n, ids in enumerate(pieces):
            merged: list[int] = []
            for token in ids:
                # The left half is the last one written: join them where they stand.
                if merged and (merged[-1], token) == best:
                    merged[-1] = new_id
                else:
                    merged.append(token)
            pieces[n] = merged
    return merges
    # END SOLUTION


def encode_piece(piece: bytes, ranks: Mapping[Pair, int]) -> list[int]:
    """Exercise 1.6: Encode by rank.

    `ranks` maps each pair that training merged to its place in the order: the first merge has rank
    0, and the merge of rank r makes the id 256 + r. Start from the piece's bytes. Again and again,
    look at the pairs that stand in the piece now, take the one with the lowest rank, and merge its
    occurrences (as in exercise 1.4), until no pair has a rank. Look pairs up in `ranks`; do not
    walk through it: phi-1's holds 50,000.

        encode_piece(b"aab", {(97, 98): 0, (97, 256): 1}) -> [257]
    """
    # BEGIN SOLUTION 1.6
    # HINT: A piece of six bytes has five pairs; `ranks` has 50,000. Which of the two do you go
    #   through? And when one merge is done, are the pairs of the piece still the same?
    # HINT: The plan: look at the neighbours as they stand now and keep those that have a rank. If
    #   none has, you are done. Otherwise merge the one with the lowest rank, wherever it stands in
    #   the piece, from left to right without overlap. Its new id follows from its rank. Then look
    #   afresh.
    # HINT: The shape: an endless loop with the `return` inside it. Its first line finds the known
    #   pairs, its second the best of them, and the rest is your loop of exercise 1.4. Keep no list
    #   of pairs from one round to the next.
    ids = list(piece)
    while True:
        known = [pair for pair in zip(ids, ids[1:], strict=False) if pair in ranks]
        if not known:
            return ids
        best = min(known, key=lambda pair: ranks[pair])
        merged, i = [], 0
        while i < len(ids):
            found = tuple(ids[i : i + 2]) == best
            merged.append(256 + ranks[best] if found else ids[i])
            i += 2 if found else 1
        ids = merged
    # END SOLUTION


def decode(ids: Sequence[int], token_bytes: Sequence[bytes]) -> str:
    """Exercise 1.7: Decode what a model wrote.

    `token_bytes[i]` holds the bytes of token i. Return the text of `ids`. One character may be
    spread over several tokens. Bytes that are no valid UTF-8 become the character U+FFFD, as
    `bytes.decode` does with `errors="replace"`. An id that does not exist, a negative one too,
    raises a ValueError.

        decode([1, 0], [b"b", b"a"]) -> "ab"
    """
    # BEGIN SOLUTION 1.7
    # HINT: The four bytes of 🙂 may be four tokens. Can any of them become text alone? And what
    #   does a Python list give you for the index -1?
    # HINT: The plan: look at all the ids first, and raise a ValueError that names the first one
    #   which is below 0 or past the end. Then put the bytes of all tokens together and turn them
    #   into text once, at the end, telling `bytes.decode` to replace what is not valid.
    for token_id in ids:
        if not 0 <= token_id < len(token_bytes):
            raise ValueError(f"no token has id {token_id}: ids go from 0 to {len(token_bytes) - 1}")
    return b"".join(token_bytes[token_id] for token_id in ids).decode("utf-8", errors="replace")
    # END SOLUTION


def split_spaces(text: str, longest: int = 31) -> list[str]:
    """Exercise 1.8: Take out the runs of spaces.

    phi-1's tokenizer takes runs of 2 to `longest` spaces out of the text before anything else sees
    it. Return the parts in order: each run of at least two spaces is a part of its own, and so is
    the text between two runs. Of a run longer than `longest`, the first `longest` spaces are one
    part, and so on with the rest; a single space that is left over belongs to the text after it,
    like any single space. No part is empty; joined, the parts are the text.

        split_spaces("if a:\\n    b = 1") -> ["if a:\\n", "    ", "b = 1"]
    """
    # BEGIN SOLUTION 1.8
    # HINT: Stand at one place of the text and count the spaces that begin there, up to `longest`.
    #   Which of these counts start a part of their own, and what happens to the character at the
    #   others?
    # HINT: The plan: keep the ordinary text that is not yet in a part. At every place count the run
    #   of spaces. Fewer than two: this character joins the ordinary text. Otherwise put the
    #   ordinary text into a part, if there is any, then the run, and step past it. At the end there
    #   may be ordinary text left.
    # HINT: The shape: a `while` over the index, with a second `while` inside that counts and stops
    #   at `longest`. A run of 32 spaces then gives a part of 31, and the next count is 1: the
    #   left-over space joins the ordinary text with no rule of its own.
    parts, ordinary, i = [], "", 0
    while i < len(text):
        run = 0
        while run < longest and text[i + run : i + run + 1] == " ":
            run += 1
        if run < 2:
            ordinary += text[i]
            i += 1
            continue
        parts += [ordinary, text[i : i + run]] if ordinary else [text[i : i + run]]
        ordinary = ""
        i += run
    return parts + [ordinary] if ordinary else parts
    # END SOLUTION


def surviving_tokens(prompt: str, completion: str, encode: Callable[[str], list[int]]) -> int:
    """Exercise 1.9: Does the prompt end where a token ends?

    A model saw whole texts in training; at use it sees the prompt's tokens alone. Return how many
    of the prompt's tokens, from the first on, also begin the tokens of `prompt + completion`. If
    that is all of them, the prompt ends at a token's border.

        surviving_tokens("a ", "b", encode) -> 1   # if " b" is one token, "a" another
    """
    # BEGIN SOLUTION 1.9
    # HINT: Which two texts do you encode? Put the two lists of ids side by side: up to where are
    #   they alike?
    # HINT: The plan: encode the prompt alone, and prompt and completion as one text. Walk along
    #   both lists together, count while the ids agree, and stop at the first that does not. An id
    #   that agrees again further on has not survived.
    alone, together = encode(prompt), encode(prompt + completion)
    survivors = 0
    for mine, theirs in zip(alone, together, strict=False):
        if mine != theirs:
            break
        survivors += 1
    return survivors
    # END SOLUTION


def encode_with_special(
    text: str,
    special_tokens: Mapping[str, int],
    allowed: Collection[str],
    encode: Callable[[str], list[int]],
) -> list[int]:
    """Exercise 1.10: Special tokens, only where allowed.

    `special_tokens` maps the text of each special token to its id; `encode` turns ordinary text
    into ids. Return the ids of `text`. Where the text of a special token named in `allowed` stands,
    its id stands; everything else, the text of other special tokens too, goes through `encode`,
    in stretches as long as possible. Where two allowed tokens begin at one place, the longer wins.
    Do not call `encode` with an empty text.

        encode_with_special("a<s>b", {"<s>": 300}, ["<s>"], encode)
            -> [*encode("a"), 300, *encode("b")]
        encode_with_special("a<s>b", {"<s>": 300}, [], encode) -> encode("a<s>b")
    """
    # BEGIN SOLUTION 1.10
    # HINT: At each place of the text, ask whether an allowed token begins there. What if two of
    #   them do? And what happens to the text that you have walked past?
    # HINT: The plan: put the allowed tokens in order, the longest first. Walk along the text and
    #   remember where the ordinary text began that you have not encoded yet. Where an allowed token
    #   stands, encode what waits, add the token's id and step past it. At the end encode what still
    #   waits.
    # HINT: The shape: two indices, one for the place you look at, one for where the waiting text
    #   begins. Right after a special token they are equal, and then nothing waits: `encode` must
    #   not be called. Only `allowed` says what to search for; `special_tokens` only gives the id.
    longest_first = sorted(allowed, key=len, reverse=True)
    ids: list[int] = []
    start = i = 0  # ordinary text waits from `start` on
    while i < len(text):
        found = next((token for token in longest_first if text.startswith(token, i)), None)
        if found is None:
            i += 1
            continue
        ids += encode(text[start:i]) if start < i else []
        ids.append(special_tokens[found])
        start = i = i + len(found)
    return ids + (encode(text[start:]) if start < len(text) else [])
    # END SOLUTION


def tokenize_corpus(
    documents: Iterable[str], vocab_size: int, split: Callable[[str], list[str]], end_of_text: int
) -> tuple[list[Pair], list[int]]:
    """Exercise 1.11: Tokenise nano's corpus.

    Train on all documents together, by the rule of exercise 1.5 with `min_count=1`: merge the best
    pair until there are `vocab_size` ids, or until no pair is left. Return the merges and one list
    of ids: the pieces of each document in their order, encoded by the rule of 1.6, and after each
    document, an empty one too, the id `end_of_text`. `vocab_size` does not count that id.

    A corpus says the same things again and again: its many pieces are few different ones. So go
    through `documents` once (they may come from an iterator), `split` each once, train on each
    different piece once, and encode it once. You may call your own functions.

        tokenize_corpus(["aab aab", ""], 300, str.split, 999)
            -> ([(97, 97), (256, 98)], [257, 257, 999, 999])
    """
    # BEGIN SOLUTION 1.11
    # HINT: If the corpus holds the piece " return" a thousand times, how often must you look at
    #   its pairs to count them, and how often must you encode it? What do you have to remember
    #   about the piece for that?
    # HINT: The plan: cut every document and keep its pieces. Count how often each different piece
    #   occurs. Train on the different pieces, where a pair counts as often as its piece occurs.
    #   Encode each different piece into a dictionary. Then go through the documents' pieces, write
    #   out the ids that the dictionary holds for each, and put `end_of_text` after every document.
    # HINT: Two details. Your function of 1.5 cuts the texts itself, so calling it would cut all of
    #   them again: take its loop over instead, with the counts of 1.2. And when the last merge is
    #   done, look at what training has made of each piece: has it not been encoded already?
    cut = [split(document) for document in documents]
    occurrences = Counter(piece for pieces in cut for piece in pieces)
    encoded = {piece: list(piece.encode("utf-8")) for piece in occurrences}
    merges: list[Pair] = []
    while 256 + len(merges) < vocab_size:
        counts: Counter[Pair] = Counter()
        for piece, ids in encoded.items():
            for pair in zip(ids, ids[1:], strict=False):
                counts[pair] += occurrences[piece]
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        for ids in encoded.values():
            i = 0
            while i < len(ids) - 1:
                if (ids[i], ids[i + 1]) == best:
                    ids[i : i + 2] = [256 + len(merges)]
                i += 1
        merges.append(best)
    # Encoding a piece would repeat these merges in this order: training has encoded them all.
    corpus: list[int] = []
    for pieces in cut:
        for piece in pieces:
            corpus += encoded[piece]
        corpus.append(end_of_text)
    return merges, corpus
    # END SOLUTION
