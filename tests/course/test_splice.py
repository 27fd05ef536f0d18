"""A cell's function put into an exercise file: what changes, and that nothing else does.

The oracle is the expected text, written out, and Python itself, which runs the result.
"""

import pytest

from phi1_lib.course.splice import (
    left_in_notebook,
    needed_from_file,
    restore,
    splice,
    unknown_names,
)

FILE = '''"""Exercises."""

import math

from collections import Counter

GIVEN = 10  # given


def double(n):
    """Exercise 1.1: Twice.

        double(2) -> 4
    """
    raise NotImplementedError("Exercise 1.1")


def triple(n):   # two  spaces stay
    """Exercise 1.2: Thrice."""
    raise NotImplementedError("Exercise 1.2")
'''
DOUBLE = '''def double(n):
    """Exercise 1.1: Twice.

        double(2) -> 4
    """
'''
STUB = DOUBLE + '    raise NotImplementedError("Exercise 1.1")\n'
NAME = "exercises/ch01_small.py"


def put(cell, text=FILE, functions=("double",), others=("triple", "GIVEN")):
    return splice(text, cell, functions, others, NAME)


def run(text):
    names = {}
    exec(compile(text, "file", "exec"), names)
    return names


def test_only_the_function_changes():
    cell = "def double(n):\n    # why\n    return 2 * n  # here\n    # last\n\n\nprint(double(2))\n"
    new = DOUBLE + "    # why\n    return 2 * n  # here\n    # last\n"
    assert put(cell) == FILE.replace(STUB, new)


def test_own_docstring_decorators_and_the_second_time():
    cell = "import functools\n@functools.cache\ndef double(n):\n    'Mine.'\n    return n + n"
    once = put(cell)
    assert "@functools.cache\ndef double(n):\n    'Mine.'\n    return n + n\n" in once
    assert "from collections import Counter\nimport functools\n" in once
    assert put(cell, once) == once
    assert run(once)["double"](4) == 8
    # The decorator goes when the next version has none.
    assert "cache" not in put("def double(n): return 2 * n", once).replace("import functools", "")


@pytest.mark.parametrize(
    ("cell", "body"),
    [
        ("def double(n): return 2 * n", "    return 2 * n\n"),
        ("def double(n): m = n; return 2 * m", "    m = n; return 2 * m\n"),
        ("def double(n): return len('é' * n) * 2  # é", "    return len('é' * n) * 2  # é\n"),
        (
            "def double(\n    n,\n):\n\n    # first\n    return 2 * n",
            "\n    # first\n    return 2 * n\n",
        ),
    ],
)
def test_the_docstring_of_the_file_goes_below_any_signature(cell, body):
    text = put(cell)
    assert run(text)["double"].__doc__ == run(FILE)["double"].__doc__
    assert run(text)["double"](3) == 6
    assert body in text


def test_docstring_takes_the_indentation_of_the_new_body():
    text = put("def double(n):\n  return 2 * n\n")
    assert '\n  """Exercise 1.1: Twice.\n' in text
    assert run(text)["double"](3) == 6


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_mark_stay(newline, mark):
    given = mark + FILE.replace("\n", newline)
    new = DOUBLE + "    return 2 * n\n"
    wanted = mark + FILE.replace(STUB, new).replace("\n", newline)
    assert put("def double(n):\n    return 2 * n\n", given) == wanted


def test_characters_that_only_look_like_line_ends():
    given = FILE.replace("# given", "# \x0c \u2028 \x1c given")
    assert put("def double(n):\n    return 2 * n\n", given) == given.replace(
        STUB, DOUBLE + "    return 2 * n\n"
    )


def test_no_newline_at_the_end_of_the_file():
    text = put("def triple(n):\n    return 3 * n", FILE[:-1], ("triple",), ("double",))
    assert run(text)["triple"](2) == 6
    assert text.startswith(FILE.partition("def triple")[0])


def test_helpers_and_what_they_read_come_along_once():
    cell = (
        "import math, random\nfrom collections import Counter, deque\n"
        "TWO = 2\nn = 5\nprint(n)\n\ndef helper(n):\n    return TWO * n\n\n"
        "def double(n):\n    return helper(n)\n\nAFTER = double(n)\n"
    )
    once = put(cell)
    assert run(once)["double"](4) == 8
    assert "n = 5" not in once and "AFTER" not in once  # `n` inside is a parameter
    assert once.count("import math") == 1
    assert "Counter\nimport random\nfrom collections import deque\n" in once
    assert left_in_notebook(cell, ["double"]) == [5, 6, 14]
    assert put(cell, once) == once
    twice = put(cell.replace("TWO * n", "n * TWO"), once)
    assert twice == once.replace("TWO * n", "n * TWO")


def test_what_stands_after_the_function_comes_after_it():
    cell = (
        "def double(n):\n    return n + TABLE[0]\n\nTABLE = [step(1)]\ndef step(n):\n    return n\n"
    )
    cell = cell.replace("TABLE = [step(1)]\n", "") + "TABLE = [step(1)]\n"
    assert run(put(cell))["double"](1) == 2


def test_several_functions_of_one_exercise():
    cell = "def triple(n):\n    return n + double(n)\n\nK = 2\ndef double(n):\n    return K * n\n"
    text = put(cell, functions=("double", "triple"), others=("GIVEN",))
    assert run(text)["triple"](2) == 6
    assert "Twice" in run(text)["double"].__doc__


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("def double(n):\n    return 2 * n +\n", "this cell, line 3: invalid syntax: return 2"),
        ("!ls\ndef double(n):\n    return 2 * n\n", "this cell, line 2: invalid syntax: !ls"),
        (
            "def double(n):\n    return 1\nreturn 2\n",
            "this cell, line 4: 'return' outside function",
        ),
        ("def doubel(n):\n    return 2 * n\n", "does not define double, .* it defines doubel"),
        ("double = 3", "does not define double, .* it defines no function"),
        ("def double(n):\n    return n\ndef triple(n):\n    return 1", "line 4 .* defines triple"),
        ("GIVEN = 3\ndef double(n):\n    return GIVEN", "line 2 .* defines GIVEN"),
        ("def max(n):\n    return n\ndef double(n):\n    return max(n)", "meaning in Python"),
        ("from a import triple\ndef double(n):\n    return 1", "gives triple another meaning"),
        ("import random as math\ndef double(n):\n    return 1", "gives math another meaning"),
        ("from torch import sum\ndef double(n):\n    return 1", "gives sum another meaning"),
        ("from math import *\ndef double(n):\n    return 1", "import what you need by name"),
        ("from __future__ import annotations\ndef double(n):\n    return 1", "cannot go into"),
    ],
)
def test_refused_cells(cell, message):
    with pytest.raises(ValueError, match=message):
        put(cell)


def test_a_helper_that_another_exercise_uses_is_not_changed_under_it():
    first = "def helper(n):\n    return 2 * n\ndef double(n):\n    return helper(n)\n"
    shared = put(first)
    both = put("def triple(n):\n    return helper(n) + n", shared, ("triple",), ("double",))
    assert put(first, both) == both  # the same helper again is no change
    with pytest.raises(ValueError, match="changes helper of .*, which triple uses too"):
        put(first.replace("2 * n", "3 * n"), both)
    assert "3 * n" in put(first.replace("2 * n", "3 * n"), shared)


def test_same_package_imports_are_no_clash():
    text = put("import os.path\ndef double(n):\n    return 2", FILE.replace("math", "os"))
    assert "import os.path\n" in text


def test_a_file_that_does_not_parse_and_one_without_the_function():
    with pytest.raises(ValueError, match=r"exercises/ch01_small.py, line 10: .*: def double"):
        put("def double(n):\n    return 2", FILE.replace("double(n):", "double(n:"))
    with pytest.raises(ValueError, match="no function double at its left margin"):
        put("def double(n):\n    return 2", FILE.replace("double", "other"))


def test_restoring_is_exact_and_spares_the_others():
    after = put("HELP = 2\ndef double(n):\n    return HELP * n\n")
    assert restore(after, FILE, after, ["double"], NAME) == FILE
    later = put("def triple(n):\n    return 3 * n", after, ("triple",), ("double",))
    back = run(restore(later, FILE, after, ["double"], NAME))
    assert back["triple"](2) == 6
    with pytest.raises(NotImplementedError):
        back["double"](2)


def test_restoring_brings_a_changed_helper_back():
    first = put("def helper(n):\n    return 2 * n\ndef double(n):\n    return helper(n)\n")
    second = put("def helper(n):\n    return 9 * n\ndef double(n):\n    return helper(n)\n", first)
    later = second.replace("# given", "# by hand")
    assert restore(later, first, second, ["double"], NAME) == first.replace("# given", "# by hand")


def test_names_that_the_file_does_not_know():
    text = put("def double(n):\n    return np.sum([math.pi, len(str(n)), GIVEN, later()])\n")
    assert unknown_names(text, ["double"], NAME) == ["later", "np"]


def test_what_a_cell_takes_from_the_file_comes_in_order_and_only_where_it_lacks():
    text = FILE.replace("GIVEN = 10", "GIVEN = math.floor(10.5)")
    cell = "def double(n: Counter):\n    return triple(n) + GIVEN\n"
    found = needed_from_file(text, cell, {"Counter"}, NAME)
    assert found[:2] == ["import math\n", "GIVEN = math.floor(10.5)  # given\n"]
    assert found[2].startswith("def triple(n):") and len(found) == 3
    assert needed_from_file(FILE, "def double(n):\n    return n\n", (), NAME) == []
    assert needed_from_file(FILE, "GIVEN = 3\nlater(GIVEN)\n", (), NAME) == []
