"""phi-1's prompt format."""

import ast
import doctest
import inspect

import pytest

from phi1_lib.generation import PRINT_PRIME, function_prompt, prompts


def test_the_docstrings_examples():
    found = doctest.testmod(prompts)
    assert found.attempted == 1 and found.failed == 0


def test_the_model_cards_example():
    """Three spaces, and no newline after the closing quotes, as on the card."""
    assert PRINT_PRIME.split("\n") == [
        "def print_prime(n):",
        '   """',
        "   Print all primes between 1 and n",
        '   """',
    ]


@pytest.mark.parametrize("signature", ["def f(x: int = 3) -> dict[str, int]", "async def f(): "])
@pytest.mark.parametrize(
    "docstring", ["One line.", "Several.\n\n  - one\n  - two\n", "'x' \"y\" z"]
)
def test_it_is_the_beginning_of_a_function(signature, docstring):
    prompt = function_prompt(signature, docstring)
    assert prompt.endswith('"""') and "\n\n\n" not in prompt
    [function] = ast.parse(prompt + "\n    return 1\n").body
    assert function.name == "f"
    assert ast.get_docstring(function) == inspect.cleandoc(docstring)


def test_lines_are_indented_and_the_quotes_close_on_their_own():
    assert function_prompt("def f():", "One.\nTwo.").split("\n") == [
        "def f():",
        '    """One.',
        "    Two.",
        '    """',
    ]


@pytest.mark.parametrize(
    ("signature", "docstring", "message"),
    [
        ("f(x)", "Text.", "signature='f.x.': must be like 'def name"),
        ("def f(x", "Text.", "signature='def f.x'"),
        ("class A", "Text.", "signature='class A'"),
        ("x = 1\ndef f()", "Text.", "signature="),
        ("def f()", "", "docstring='': must be a text"),
        ("def f()", 'a """ b', "docstring="),
        ("def f()", 'says "yes"', "docstring="),
        ("def f()", "ends in \\", "docstring="),
    ],
)
def test_bad_arguments_are_refused(signature, docstring, message):
    with pytest.raises(ValueError, match=message):
        function_prompt(signature, docstring)
