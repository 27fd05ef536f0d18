"""Statistics and words of snippets. Oracles: counts made by hand, `symtable`, scikit-learn."""

import ast
import builtins
import symtable
import sysconfig
from pathlib import Path

import numpy as np
import pytest

from phi1_lib.data.documents import Document
from phi1_lib.data.features import (
    STATISTICS,
    code_statistics,
    statistics_matrix,
    word_pieces,
)
from phi1_lib.data.snippets import split_snippets

STDLIB = Path(sysconfig.get_path("stdlib"))

FUNCTION = '''\
# Adds up.
def total(values, start: int = 0):
    """Add the values."""

    for value in values:
        if value > limit:
            start = start + abs(value)
    return start
'''


def approximately(expected):
    return pytest.approx(expected, rel=1e-12)


def test_layout_counts_lines_that_are_not_blank():
    found = code_statistics(FUNCTION)
    lengths = [10, 34, 25, 24, 25, 38, 16]
    assert found["lines"] == 7
    assert found["mean_line_length"] == approximately(sum(lengths) / 7)
    assert found["longest_line"] == 38
    assert found["first_indentation"] == 0
    assert found["mean_indentation"] == approximately((0 + 0 + 4 + 4 + 8 + 12 + 4) / 7)
    assert found["comment_share"] == approximately(1 / 7)


def test_words_are_counted_wherever_they_stand():
    found = code_statistics("import os\n\n# self and import\nx = self.y(self)\nreturn len(x)\n")
    assert found["import_per_line"] == approximately(2 / 4)
    assert found["self_per_line"] == approximately(3 / 4)
    assert found["return_per_line"] == approximately(1 / 4)
    # import os self and import x self y self return len x: 12 words, 8 different
    assert found["different_word_share"] == approximately(8 / 12)
    assert found["builtin_share"] == approximately(1 / 12)


def test_tree_statistics_of_a_function():
    found = code_statistics(FUNCTION)
    assert found["parses"] == 1
    assert found["one_function"] == 1
    assert (found["functions"], found["classes"], found["documented_share"]) == (1, 0, 1)
    assert found["nesting"] == 3  # the assignment stands in def, for, if
    assert found["docstring_share"] == approximately(len("Add the values.") / len(FUNCTION))
    assert found["annotated_share"] == approximately(1 / 2)
    assert found["free_names"] == 1  # limit; abs and int are builtins
    # read: values, value, limit, start, abs, value, start, int
    assert found["free_name_share"] == approximately(1 / 8)


@pytest.mark.parametrize(
    ("code", "free"),
    [
        ("import a.b\na.c()\n", 0),
        ("from m import f as g\ng(f)\n", 1),
        ("class C:\n    pass\nC()\nD()\n", 1),
        ("def f(x, *y, z=0, **k):\n    return x, y, z, k\n", 0),
        ("try:\n    pass\nexcept OSError as e:\n    print(e)\n", 0),
        ("[i for i in range(3) if j]\n", 1),
        ("with open(p) as q:\n    q.read()\n", 1),
        ("if (n := 3) > 2:\n    n\n", 0),
        ("match p:\n    case [a, *b]:\n        print(a, b)\n    case {**c}:\n        c\n", 1),
    ],
)
def test_free_names_are_read_but_not_made(code, free):
    assert code_statistics(code)["free_names"] == free


def free_names_by_symtable(code):
    """Names that Python itself finds to be global somewhere, and that nothing binds."""
    read, bound = set(), set()

    def visit(table):
        for symbol in table.get_symbols():
            made = symbol.is_assigned() or symbol.is_imported() or symbol.is_parameter()
            if made or symbol.is_namespace():
                bound.add(symbol.get_name())
            if symbol.is_referenced():
                read.add(symbol.get_name())
        for child in table.get_children():
            visit(child)

    visit(symtable.symtable(code, "snippet", "exec"))
    return read - bound - set(dir(builtins)) - {".0"}


@pytest.mark.parametrize("name", ["bisect.py", "heapq.py", "shlex.py", "statistics.py"])
def test_free_names_as_python_finds_them(name):
    document = Document((STDLIB / name).read_text(encoding="utf-8"), name, "local", "PSF-2.0")
    compared = 0
    for snippet in split_snippets(document):
        try:
            ast.parse(snippet.text)
            expected = free_names_by_symtable(snippet.text)
        except SyntaxError:
            continue  # a piece cut from a class, or "return" outside a function
        assert code_statistics(snippet.text)["free_names"] == len(expected), snippet.text
        compared += 1
    assert compared >= 5


def test_a_method_is_moved_to_the_margin():
    method = "    def f(self):\n        return self.x\n"
    found = code_statistics(method)
    assert (found["parses"], found["one_function"], found["first_indentation"]) == (1, 1, 4)


@pytest.mark.parametrize(
    "text", ["", "\n \n", "print 'two'\n", "\x00", "def f(:\n", "(" * 3_000, "\ud800 = 1\n"]
)
def test_any_text_has_the_same_statistics_and_no_error(text):
    found = code_statistics(text)
    assert tuple(found) == STATISTICS
    assert np.isfinite(list(found.values())).all()
    if text.strip():
        assert found["parses"] == 0


def test_shares_are_between_0_and_1_on_real_code():
    document = Document((STDLIB / "argparse.py").read_text("utf-8"), "argparse.py", "local", "PSF")
    for snippet in split_snippets(document):
        for name, value in code_statistics(snippet.text).items():
            assert value >= 0, name
            assert value <= 1 or not name.endswith("_share"), name


def test_matrix_has_one_row_for_each_text():
    matrix = statistics_matrix([FUNCTION, ""])
    assert matrix.shape == (2, len(STATISTICS))
    assert matrix.dtype == np.float32
    assert matrix[0] == pytest.approx(list(code_statistics(FUNCTION).values()), rel=1e-6)
    assert statistics_matrix([]).shape == (0, len(STATISTICS))


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("getMaxValue(max_value)", "getmaxvalue get max value max_value max value"),
        ("HTTPServer2_name", "httpserver2_name http server name"),
        ("x = 3", "x"),
        ("__init__", "__init__"),
        ("größeTest", "größetest größe test"),
    ],
)
def test_word_pieces(text, pieces):
    assert list(word_pieces(text)) == pieces.split()
