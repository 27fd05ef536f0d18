"""Shared by the tokenizer's tests: a small corpus, tokenizers trained on it, GPT-2's files."""

from pathlib import Path

import pytest
import regex
import tokenizers
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers

from phi1_lib.tokenizer import END_OF_TEXT, Tokenizer

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


def _characters_of(class_of_regex: str, text: str) -> set[str]:
    """The characters of text that Hugging Face's regular expressions put into the class."""
    cut = pre_tokenizers.Split(Regex(f"[^{class_of_regex}]+"), "removed")
    found: set[str] = set()
    for _, (start, end) in cut.pre_tokenize_str(text):
        found.update(text[start:end])
    return found


@pytest.fixture(scope="session")
def every_character():
    """All of Unicode but the surrogates, which no text holds."""
    return [chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]


@pytest.fixture(scope="session")
def class_tables(every_character):
    """Per character class of GPT-2's regular expression: (regex's table, tokenizers' table)."""
    text = "".join(every_character)
    return {
        name: (set(regex.findall(f"[{name}]", text)), _characters_of(name, text))
        for name in (r"\p{L}", r"\p{N}", r"\s", r"\P{Cn}")
    }


@pytest.fixture(scope="session")
def disagreeing(class_tables):
    """Characters that the two tables put into different classes."""
    return set().union(
        *(ours ^ theirs for name, (ours, theirs) in class_tables.items() if name != r"\P{Cn}")
    )


@pytest.fixture(scope="session")
def agreeing(every_character, disagreeing):
    return [char for char in every_character if char not in disagreeing]


@pytest.fixture(scope="session")
def agreeing_character(agreeing):
    """A Hypothesis strategy: any code point on which both Unicode tables agree."""
    return st.integers(0, len(agreeing) - 1).map(agreeing.__getitem__)


@pytest.fixture
def as_hugging_face(tmp_path):
    """Save a tokenizer of ours and read the file with the `tokenizers` library."""

    def convert(tokenizer: Tokenizer) -> tokenizers.Tokenizer:
        tokenizer.save(tmp_path / "tokenizer.json")
        return tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))

    return convert


@pytest.fixture(scope="session")
def gpt2_files(request):
    """Paths of GPT-2's vocab.json and merges.txt, which the project does not ship."""
    folder = request.config.getoption("--gpt2-vocab", default=None)
    if folder is None:
        pytest.skip("GPT-2's vocabulary files are not here; give their folder with --gpt2-vocab")
    return Path(folder) / "vocab.json", Path(folder) / "merges.txt"
