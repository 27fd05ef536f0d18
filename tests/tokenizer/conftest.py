"""Shared by the tokenizer's tests: a small corpus, tokenizers trained on it, Unicode's tables."""

import json
import unicodedata
from collections import defaultdict
from pathlib import Path

import pytest
import regex
import tiktoken
import tokenizers
from hypothesis import strategies as st
from tokenizers import Regex, normalizers

from phi1_lib.tokenizer import END_OF_TEXT, Tokenizer
from phi1_lib.tokenizer.byte_map import to_printable
from tests.tokenizer.families import FAMILIES

CORPUS = [
    '''def mean(values):
    """Return the mean of a list."""
    total = 0
    for value in values:
        total += value
    return total / len(values)
''',
    """class Stack:
    def __init__(self):
        self.items = []

    def push(self, item):
        self.items.append(item)

    def pop(self):
        if not self.items:
            raise IndexError("it's empty, isn't it?")
        return self.items.pop()
""",
    "for (i = 0; i < 10; i++) {\n\tif (x[i] == 42) {\n\t\treturn 1000000;\n\t}\n}\n",
    "# Prix : 12,50 €. Größe: 3 m². Имя, 名前, اسم, 이름. naïve café \U0001f600\n" * 3,
]


@pytest.fixture(scope="session")
def corpus():
    return CORPUS


@pytest.fixture(scope="session")
def tokenizer():
    """430 ids: bytes, merges, `<|endoftext|>` and a second special token that begins like it."""
    return Tokenizer.train(CORPUS, 430, special_tokens=(END_OF_TEXT, "<|endoftext|>|"))


@pytest.fixture(scope="session")
def whitespace_tokenizer(tokenizer):
    return tokenizer.with_whitespace_tokens()


# ---- Unicode's tables ---------------------------------------------------------------------------


@pytest.fixture(scope="session")
def every_character():
    """All of Unicode but the surrogates, which no text holds."""
    return [chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]


def _by_tokenizers(character_class: str, text: str) -> set[str]:
    others = normalizers.Replace(Regex(f"[^{character_class}]+"), "")
    return set(others.normalize_str(text))


def _by_tiktoken(character_class: str, text: str) -> set[str]:
    single_bytes = {bytes([byte]): byte for byte in range(256)}
    # tiktoken leaves out what the pattern does not match.
    matched = tiktoken.Encoding(
        "class",
        pat_str=f"[{character_class}]+",
        mergeable_ranks=single_bytes,
        special_tokens={},
    ).encode_ordinary(text)
    return set(bytes(matched).decode())


@pytest.fixture(scope="session")
def class_tables(every_character):
    """Per class of GPT-2's regular expression, and assigned: its characters by each library."""
    text = "".join(every_character)
    return {
        name: {
            "regex": set(regex.findall(f"[{name}]", text)),
            "tokenizers": _by_tokenizers(name, text),
            "tiktoken": _by_tiktoken(name, text),
        }
        for name in (r"\p{L}", r"\p{N}", r"\s", r"\P{Cn}")
    }


@pytest.fixture(scope="session")
def disagreements(class_tables):
    """Per other library: the characters that it puts into another class than `regex` does."""
    return {
        library: set().union(
            *(
                tables["regex"] ^ tables[library]
                for name, tables in class_tables.items()
                if name != r"\P{Cn}"
            )
        )
        for library in ("tokenizers", "tiktoken")
    }


@pytest.fixture(scope="session")
def agreeing(every_character, disagreements):
    """The characters that all three libraries put into the same classes."""
    odd = disagreements["tokenizers"] | disagreements["tiktoken"]
    return [char for char in every_character if char not in odd]


@pytest.fixture(scope="session")
def agreeing_character(agreeing):
    """A Hypothesis strategy: any code point on which the Unicode tables agree.

    Drawn evenly from all of them, from each category (so that marks and numbers are not rare beside
    100,000 ideographs) and from each stretch of 64 code points (so that small scripts are not).
    """
    categories, stretches = defaultdict(list), defaultdict(list)
    for char in agreeing:
        category = unicodedata.category(char)
        categories[category].append(char)
        if category not in ("Cn", "Co"):
            stretches[ord(char) // 64].append(char)
    ways = [agreeing], list(categories.values()), list(stretches.values())
    return _shown_by_name(
        st.one_of(
            st.builds(
                lambda group, place, groups=groups: groups[group][place % len(groups[group])],
                st.integers(0, len(groups) - 1),
                st.integers(0, len(agreeing) - 1),
            )
            for groups in ways
        )
    )


def _shown_by_name(strategy: st.SearchStrategy) -> st.SearchStrategy:
    """The strategy, without the megabytes that it is written out with when a test fails."""

    @st.composite
    def agreeing(draw):
        return draw(strategy)

    return agreeing()


FRAGMENTS = [
    *(" ", "  ", " " * 4, " " * 33, "\n", "\r\n", "\t\t", "\u00a0", "\u3000", "\x1c", "\x85", "\0"),
    *("'s", "'LL", "'ve", "it's", "return", " self", "x1", "3.14", "²", "e\u0301", "été", "def "),
    *("👩\u200d👩\u200d👧", "👍🏽", "🇫🇷🇩", "❤\ufe0f", "\u200d", "\ufe0f", "1\ufe0f\u20e3"),
    *(END_OF_TEXT, "<|endoftext|>|", "<|endof", "text|>", "|"),
]


@pytest.fixture(scope="session")
def agreeing_text(agreeing_character):
    """A Hypothesis strategy: texts over all code points on which the Unicode tables agree."""
    character = st.one_of(agreeing_character, st.integers(32, 126).map(chr))
    part = st.one_of(
        st.sampled_from(FRAGMENTS),
        character,
        st.lists(character, min_size=2, max_size=5).map("".join),
        st.builds(str.__mul__, character, st.integers(2, 40)),
        st.sampled_from([word for text in FAMILIES.values() for word in text.split(" ")]),
    )
    return _shown_by_name(st.lists(part, max_size=20).map("".join))


# ---- the same vocabulary in other libraries -----------------------------------------------------


@pytest.fixture(scope="session")
def read_by_tokenizers(tmp_path_factory):
    """Save a tokenizer of ours and read the file with the `tokenizers` library."""

    def read(tokenizer: Tokenizer) -> tokenizers.Tokenizer:
        path = tmp_path_factory.mktemp("saved") / "tokenizer.json"
        tokenizer.save(path)
        return tokenizers.Tokenizer.from_file(str(path))

    return read


def write_two_files(tokenizer: Tokenizer, folder: Path) -> tuple[Path, Path]:
    """Write GPT-2's two files."""
    written = [to_printable(tokenizer.token_bytes(i)) for i in range(tokenizer.vocab_size)]
    vocab, merges = folder / "vocab.json", folder / "merges.txt"
    vocab.write_text(json.dumps({token: i for i, token in enumerate(written)}))
    pairs = [f"{written[left]} {written[right]}\n" for left, right in tokenizer.merges]
    merges.write_text("#version: 0.2\n" + "".join(pairs), encoding="utf-8")
    return vocab, merges


@pytest.fixture
def two_files(corpus, tmp_path):
    """A small vocabulary, and GPT-2's two files with it, `<|endoftext|>` last."""
    trained = Tokenizer.train(corpus, 300, (END_OF_TEXT,))
    return trained, *write_two_files(trained, tmp_path)


@pytest.fixture(scope="session")
def vocab_and_merges(request):
    """Paths of GPT-2's vocab.json and merges.txt, which the project does not ship."""
    folder = request.config.getoption("--gpt2-vocab", default=None)
    if folder is None:
        pytest.skip("GPT-2's vocabulary files are not here; give their folder with --gpt2-vocab")
    return Path(folder) / "vocab.json", Path(folder) / "merges.txt"
