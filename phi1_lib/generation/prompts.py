"""phi-1's prompt format: the signature of a function and its docstring, to be continued.

Source: "Textbooks Are All You Need" (arXiv 2306.11644), section 2.2 (CodeExercises are docstrings
of functions to be completed); the model card of microsoft/phi-1 calls it the code format.
"""

import ast
from textwrap import indent

# The example of the model card of microsoft/phi-1 (huggingface.co/microsoft/phi-1, section "Sample
# Code"), to the letter: it indents by three spaces.
PRINT_PRIME = '''def print_prime(n):
   """
   Print all primes between 1 and n
   """'''


def function_prompt(signature: str, docstring: str) -> str:
    '''Return a prompt that asks for the body of a function.

        >>> print(function_prompt("def double(x: int) -> int", "Return twice x."))
        def double(x: int) -> int:
            """Return twice x."""

    It ends at the closing quotes, without a newline. Inside a document a newline and the
    indentation after it can be one token, and a prompt that ends in the newline alone splits it.

    Args:
        signature: `def name(arguments) -> type`, with or without the colon at its end.
        docstring: what the function does; several lines are indented and the quotes close on a
            line of their own.

    Raises:
        ValueError: no signature of a Python function, or a docstring that is empty or does not
            stand between three double quotes.
    '''
    header, text = signature.strip().removesuffix(":") + ":", docstring.strip()
    try:
        [function] = ast.parse(header + " pass").body
    except (SyntaxError, ValueError):
        function = None
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
        raise ValueError(f"signature={signature!r}: must be like 'def name(argument: int) -> int'")
    if not text or '"""' in text or text.endswith(('"', "\\")):
        raise ValueError(f"docstring={docstring!r}: must be a text that fits between three quotes")
    closing = '\n"""' if "\n" in text else '"""'
    return f"{header}\n" + indent(f'"""{text}{closing}', "    ")
