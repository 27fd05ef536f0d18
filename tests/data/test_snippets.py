"""Snippets. Oracles: the file's own lines, and `ast` on real files of the standard library."""

import ast
import gc
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phi1_lib.data.documents import Document
from phi1_lib.data.snippets import split_snippets

STDLIB = Path(sysconfig.get_path("stdlib"))
REAL_FILES = ["heapq.py", "textwrap.py", "statistics.py", "argparse.py", "json/decoder.py"]


def document(text):
    return Document(text, "d/1.0/m.py", "local", "MIT", {"path": "m.py"})


def texts(text, **options):
    return [snippet.text for snippet in split_snippets(document(text), **options)]


def assert_covers(text, snippets, max_lines):
    """Every line that is not blank is in exactly one snippet, and texts are the lines they name."""
    lines = text.split("\n")
    covered = []
    for snippet in snippets:
        first, last = snippet.meta["first"], snippet.meta["last"]
        assert snippet.id == f"d/1.0/m.py:{first}-{last}"
        assert snippet.text == "\n".join(lines[first - 1 : last]) + "\n"
        assert last - first + 1 <= max_lines
        assert lines[first - 1].strip()
        assert lines[last - 1].strip()
        covered += range(first, last + 1)
    assert covered == sorted(set(covered)), "a line is in two snippets, or they are out of order"
    missing = set(range(1, len(lines) + 1)) - set(covered)
    assert not any(lines[i - 1].strip() for i in missing), "a line is in no snippet"


@pytest.mark.parametrize("name", REAL_FILES)
@pytest.mark.parametrize("max_lines", [1, 7, 60])
def test_every_line_of_real_files_is_in_exactly_one_snippet(name, max_lines):
    text = (STDLIB / name).read_text(encoding="utf-8")
    assert_covers(text, split_snippets(document(text), max_lines), max_lines)


@pytest.mark.parametrize("name", REAL_FILES)
def test_each_short_definition_of_real_files_is_whole_and_alone(name):
    text = (STDLIB / name).read_text(encoding="utf-8")
    snippets = split_snippets(document(text), max_lines=60)
    short = 0
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno < 40:
            short += 1
            home = [s for s in snippets if s.meta["first"] <= node.lineno <= s.meta["last"]]
            assert home[0].meta["last"] >= node.end_lineno
            (only,) = ast.parse(home[0].text).body
            assert only.name == node.name
    assert short or name == "argparse.py"


LINE = st.sampled_from(
    [
        "",
        "",
        "x = 1",
        "# comment",
        "    # inner",
        "def f():",
        "    pass",
        "@f",
        "class A:",
        '"""',
        ")",
    ]
)


@given(st.lists(LINE, max_size=40), st.integers(1, 9))
@settings(max_examples=300, deadline=None)
def test_every_line_of_any_text_is_in_exactly_one_snippet(lines, max_lines):
    text = "\n".join(lines)
    assert_covers(text, split_snippets(document(text), max_lines), max_lines)


def test_decorators_and_comments_stay_with_their_definition():
    assert texts(
        "import a\n\n\n# About f.\n@a.b\n@a.c\ndef f():\n    return 1\n    # still f\n"
        "\n\nclass A:\n    x = 1\n# about y\ny = 2\nz = 3\n"
    ) == [
        "import a\n",
        "# About f.\n@a.b\n@a.c\ndef f():\n    return 1\n    # still f\n",
        "class A:\n    x = 1\n",
        "# about y\ny = 2\nz = 3\n",
    ]


def test_a_definition_inside_a_string_is_no_definition():
    text = 'TEMPLATE = """\ndef f():\n    pass\n\nclass A:\n    pass\n"""\nx = 1\n'
    assert texts(text) == [text]


def test_meta_and_licence_of_the_file_are_kept():
    (snippet,) = split_snippets(document("x = 1\n"))
    assert snippet.meta == {"path": "m.py", "first": 1, "last": 1}
    assert (snippet.source, snippet.license) == ("local", "MIT")


@pytest.mark.parametrize(
    "text",
    ["print 'python 2'\n\nx = 1\n", "x = '\0'\n", "-" * 100_000 + "1\n"],
    ids=["Python 2", "null byte", "nested too deeply"],
)
def test_what_does_not_parse_is_still_split(text):
    assert "".join(texts(text)) == text


def test_long_definitions_are_cut_at_the_least_indented_blank_border():
    text = (
        "class A:\n"
        "    def f(self):\n"
        "        x = 1\n"
        "\n"
        "        return x\n"
        "\n"
        "    def g(self):\n"
        "        y = 2\n"
        "\n"
        "        return y\n"
    )
    first, second = texts(text, max_lines=9)
    assert first.endswith("return x\n")
    assert second.startswith("    def g(self)")


def test_of_equal_borders_the_last_is_taken():
    assert texts("a = 1\n\n" * 5, max_lines=8) == ["a = 1\n\n" * 3 + "a = 1\n", "a = 1\n"]


def test_code_without_blank_lines_is_cut_at_the_limit():
    assert texts("x = 1\n" * 5, max_lines=2) == ["x = 1\n" * 2, "x = 1\n" * 2, "x = 1\n"]


def test_a_file_without_text_has_no_snippets():
    assert texts("") == texts("\n \n") == []


@pytest.mark.parametrize("text", ["x = 1\n", "x = \n"])
def test_the_garbage_collector_is_left_as_it_was(text):
    assert gc.isenabled()
    texts(text)
    assert gc.isenabled()
    gc.disable()
    try:
        texts(text)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_max_lines_is_checked():
    with pytest.raises(ValueError, match="max_lines=0: must be at least 1"):
        texts("x = 1\n", max_lines=0)
