"""The same ids from Hugging Face's `tokenizers`, whose Rust threads take all cores.

On one core it is no faster than this library's Python, which has most pieces of a corpus in its
cache (`benchmarks/results/tokenizer.json`); threads need no second copy of the tokenizer.

The two can differ in one way only: what is a letter, a number or whitespace depends on the version
of Unicode that a package carries, and theirs is another than ours. So every new character is
looked up in both tables once, and a text with a character on which they disagree is left to us.
"""

from collections.abc import Sequence

import regex
import tokenizers
from tokenizers import Regex, pre_tokenizers

_CLASSES = (r"\p{L}", r"\p{N}", r"\s")  # those that GPT-2's expression asks for


class RustEncoder:
    """The Rust encoder of a vocabulary, for the texts on which it gives our ids."""

    def __init__(self, tokenizer_json: str) -> None:
        """Take the text of a `tokenizer.json`."""
        self._encoder = tokenizers.Tokenizer.from_str(tokenizer_json)
        self._encoder.encode_special_tokens = True  # special text is ordinary text
        self._same = {chr(code) for code in range(128)}
        self._different: set[str] = set()

    def agrees(self, text: str) -> bool:
        """Whether both Unicode tables put every character of the text into the same classes."""
        if text.isascii():
            return True
        characters = set(text)
        new = characters - self._same - self._different
        if new:
            different = differing(new)
            self._different |= different
            self._same |= new - different
        return characters.isdisjoint(self._different)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode texts that `agrees` accepts, on all cores; special text is ordinary text."""
        encodings = self._encoder.encode_batch_fast(texts, add_special_tokens=False)
        return [encoding.ids for encoding in encodings]


def differing(characters: set[str]) -> set[str]:
    """Those of the characters that `regex` and `tokenizers` put into different classes."""
    text = "".join(characters)
    found: set[str] = set()
    for name in _CLASSES:
        ours = set(regex.findall(f"[{name}]", text))
        others_removed = pre_tokenizers.Split(Regex(f"[^{name}]+"), "removed")
        theirs = {
            char
            for _, (start, end) in others_removed.pre_tokenize_str(text)
            for char in text[start:end]
        }
        found |= ours ^ theirs
    return found
