"""The first cut: GPT-2's regular expression. Merges never cross the pieces it makes."""

import regex

# Source: `self.pat` in OpenAI's GPT-2 `encoder.py`. Alternatives are tried from left to right.
GPT2_PATTERN = (
    r"'s|'t|'re|'ve|'m|'ll|'d"  # English contractions
    r"| ?\p{L}+"  # letters, with the one space before them
    r"| ?\p{N}+"  # digits and other numbers, likewise
    r"| ?[^\s\p{L}\p{N}]+"  # everything else that is not whitespace, likewise
    r"|\s+(?!\S)"  # whitespace, leaving its last character to the word that follows
    r"|\s+"  # a single whitespace character before a word that could not take it
)
_FIND_PIECES = regex.compile(GPT2_PATTERN).findall


def pretokenize(text: str) -> list[str]:
    """Cut text into pieces; joined, they are the text again.

    `"x = 10"` gives `["x", " =", " 10"]`.

    What counts as a letter, number or whitespace is Unicode's table in the version that the
    `regex` package carries. Another implementation with another version differs on the code points
    that the older of the two does not know yet; `tests/tokenizer/test_unicode_tables.py` lists
    them for Hugging Face's `tokenizers`.
    """
    return _FIND_PIECES(text)


def reject_lone_surrogates(text: str, name: str = "the text") -> None:
    """Refuse text that is not Unicode: a half of a UTF-16 pair has no bytes in UTF-8.

    Raises:
        ValueError: there is one; the message says which and where.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{name} holds a lone surrogate (U+{ord(text[error.start]):04X}) at index "
            f"{error.start}; it is not Unicode text: read it with errors='replace', or leave it out"
        ) from None
