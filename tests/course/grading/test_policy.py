"""What an exercise may use, found in the text. Every case was judged by hand."""

import pytest

from phi1_lib.course.grading.policy import (
    Rule,
    course_imports,
    foreign_lines,
    graded_functions,
    top_imports,
    violation,
)

ALLOWED = frozenset({"torch"})
RULE = Rule("1.4", frozenset({"f"}))


def found(text: str, rule: Rule = RULE) -> str | None:
    return violation(text, rule, ALLOWED)


FINE = {
    "standard library": "import json, math as m\nfrom collections import Counter\ndef f(): m",
    "what the course imports": "import torch\nfrom torch.nn import functional as F\ndef f(): F",
    "inside": "def f():\n    import torch.nn.functional as F\n    return F",
    "used by nobody": "import tokenizers\ndef f(): pass",
    "used by another": "import tokenizers\ndef g(): return tokenizers\ndef f(): pass",
    "inside another": "def g():\n    import tokenizers\ndef f(): pass",
    "only when run": "def f(): pass\nif __name__ == '__main__':\n    import tokenizers\n    f()",
    "only for types": "if TYPE_CHECKING:\n    import tokenizers\ndef f(x: 'tokenizers.T'): pass",
    "model.eval": "def f(model): return model.eval()",
    "re.compile": "import re\nX = re.compile('a')\ndef f(): return X",
    "a compile of its own": "from re import compile\ndef f(): return compile('a')",
    "a parameter called eval": "def f(eval): return eval(1)",
    "no Python": "def f(:",
    "nothing": "",
    "a table of another's": "import tokenizers\nA = {}\nB = len(A) + tokenizers.x\ndef f(): A",
    "named like a module": "def f(tokenizers): return tokenizers",
}


@pytest.mark.parametrize("name", FINE)
def test_what_is_allowed(name):
    assert found(FINE[name]) is None


IMPORTS = {
    "plain": ("import tokenizers\ndef f(): return tokenizers.x", 1, "tokenizers"),
    "from": ("import os\nfrom tokenizers import Tokenizer as T\ndef f(): T", 2, "tokenizers"),
    "deep": ("import a.b.c as d\ndef f(): d", 1, "a.b.c"),
    "second of two": ("import os, tokenizers\ndef f(): tokenizers", 1, "tokenizers"),
    "inside": ("def f():\n    import tokenizers", 2, "tokenizers"),
    "inside an inner function": ("def f():\n    def g():\n        import a\n", 3, "a"),
    "by a helper": ("def f(): return g()\ndef g():\n    import a", 3, "a"),
    "by two helpers": ("import a\nf = lambda: g()\ng = lambda: h()\ndef h(): a", 1, "a"),
    "by a class": ("class A:\n    def m(self):\n        import a\nx = A()\ndef f(): x", 3, "a"),
    "by an alias": ("import a\nb = a.c\ndef f(): return b", 1, "a"),
    "by a decorator": ("import a\n@a.cache\ndef f(): pass", 1, "a"),
    "by a default": ("import a\ndef f(x=a.b): pass", 1, "a"),
    "as the answer": ("from a import f", 1, "a"),
    "in a try": ("try:\n    import a\nexcept ImportError:\n    a = None\ndef f(): a", 2, "a"),
    "in a with": ("with open('x') as y:\n    import a\ndef f(): a", 2, "a"),
    "a star": ("from a import *\ndef f(): pass", 1, "a"),
    "by global": ("def g():\n    global h\n    import a\n    h = a\ng()\ndef f(): h", 3, "a"),
    "the library": ("from phi1_lib import attention\ndef f(): attention", 1, "phi1_lib.attention"),
    "the solutions": ("from solutions.ch01_x import f", 1, "solutions.ch01_x"),
    "relative": ("from . import f", 1, "."),
    "relative module": ("from ..solutions import f", 1, "..solutions"),
    "redefined": ("import a\nf = a.f\ndef f(): pass", 1, "a"),
}


@pytest.mark.parametrize("name", IMPORTS)
def test_an_import_is_named_with_line_and_remedy(name):
    text, line, module = IMPORTS[name]
    assert found(text) == (
        f"line {line} imports {module}; exercise 1.4 asks you to write it: remove the import"
    )


REACHING = {
    "importlib": ("import importlib\ndef f(): importlib", "importlib"),
    "import_module": ("from importlib import import_module as i\ndef f(): i", "importlib"),
    "__import__": ("def f(): return __import__('a')", "__import__"),
    "exec": ("def f(): exec('import a')", "exec"),
    "eval": ("X = eval('1')\ndef f(): X", "eval"),
    "sys.modules": ("import sys\ndef f(): return sys.modules['a']", "modules"),
    "a package's sys": ("import torch\ndef f(): torch.sys.modules['a']", "modules"),
    "from sys": ("from sys import modules\ndef f(): modules", "importlib"),
    "ctypes": ("def f():\n    import ctypes", "ctypes"),
    "builtins": ("import builtins\ndef f(): builtins.exec('1')", "builtins"),
    "when loaded": ("def f(): pass\nglobals()['f'] = 1", "globals"),
    "a loop when loaded": ("def f(): pass\nfor x in eval('[]'): pass", "eval"),
    "an attribute set": ("def f(): pass\nf.a = exec('1')", "exec"),
    "f_globals": ("def f(): return (lambda: 0).__globals__", "__globals__"),
}


@pytest.mark.parametrize("name", REACHING)
def test_ways_around_are_named(name):
    text, what = REACHING[name]
    message = found(text)
    assert message and what in message and "which hides what is used" in message


SOFTMAX = Rule("2.1", frozenset({"softmax"}), forbids=frozenset({"softmax"}))


@pytest.mark.parametrize(
    "text",
    [
        "import torch\ndef softmax(x): return torch.softmax(x, -1)",
        "import torch\ndef softmax(x): return x.softmax(-1)",
        "import torch\ndef softmax(x):\n    return torch.nn.functional.softmax(x)",
        "from torch.nn.functional import softmax",
        "from torch import softmax as s\ndef softmax(x): return s(x)",
        "import torch\ndef softmax(x): return getattr(torch, 'softmax')(x)",
        "import torch\ndef softmax(x): return g(x)\ndef g(x): return x.softmax(0)",
        "import torch\nsoftmax = torch.softmax",
    ],
)
def test_forbidden_names(text):
    message = found(text, SOFTMAX)
    assert message and "uses softmax; exercise 2.1 asks you to do without it" in message


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import torch\ndef softmax(x): return torch._softmax(x, -1, False)", "_softmax"),
        ("import torch\ndef softmax(x): return torch._safe_softmax(x, -1)", "_safe_softmax"),
        ("from torch import _softmax as s\ndef softmax(x): return s(x, -1, False)", "_softmax"),
        ("from torch import *\ns = softmax\ndef softmax(x): return s(x, -1)", "softmax"),
        ("import torch\ndef softmax(x): return getattr(torch, 'soft' + 'max')(x)", "getattr"),
        ("def softmax(x): return getattr(x, 'soft' + 'max')(-1)", "getattr"),
        ("import operator\ndef softmax(x): operator.attrgetter(f'{x}max')(x)", "attrgetter"),
        ("from operator import *\ndef softmax(x): methodcaller('%s' % 1)(x)", "methodcaller"),
        ("import torch\ndef softmax(x): return vars(torch.nn)['soft' + 'max'](x)", "vars"),
        ("import torch\ndef softmax(x): return torch.__dict__['soft' + 'max'](x)", "__dict__"),
        ("import torch\nT = {}\n_ = T.update(s=torch.softmax)\ndef softmax(x): T", "softmax"),
        ("import torch\nT = {}\nclass A:\n    T[0] = torch.softmax\ndef softmax(x): T", "softmax"),
        ("import torch\nclass A:\n    softmax = torch.softmax\ndef softmax(x): A", "softmax"),
        (
            "class A:\n    def softmax(self, x): return x.softmax(0)\n"
            "def softmax(x): return A().softmax(x)",
            "softmax",
        ),
    ],
)
def test_forbidden_names_by_detours(text, what):
    assert f"uses {what}" in (found(text, SOFTMAX) or "")


@pytest.mark.parametrize(
    "text",
    [
        "def softmax(x):\n    'softmax'\n    return x.exp()",
        "from torch import *\ndef softmax(x): return exp(x)",
        "class A:\n    def softmax(self, x): return x\n    def g(self, x): return self.softmax(x)\n"
        "def softmax(x): return A().g(x)",
        "class A:\n    @staticmethod\n    def softmax(x): return x\n"
        "def softmax(x): return A.softmax(x)",
        "class A:\n    def softmax(self, x): return x\ndef softmax(x): return A().softmax(x)",
        "import operator\ndef softmax(x): operator.attrgetter('shape')(x), getattr(x, 'T', 0)",
        "def _softmax(x): return x\ndef softmax(x): return _softmax(x)",
        "import torch\ndef softmax(x): return getattr(torch, 'exp')(x)",
        "import torch\ndef softmax(x):\n    safe_softmax = x - 1\n    return safe_softmax.exp()",
        "import torch\nA = {'torch': 1}\nB = torch.softmax\ndef softmax(x): return A, torch",
    ],
)
def test_a_learners_own_names_are_no_detours(text):
    assert found(text, SOFTMAX) is None


def test_what_is_nested_too_deeply_to_look_at_is_refused():
    """It may load: what is too deep depends on how deep the caller is."""
    text = "import torch\ndef softmax(x): return torch.softmax(x)\na = " + "-" * 300_000 + "1"
    assert "nested too deeply" in (found(text, SOFTMAX) or "")
    assert found("def f(:") is None


def test_the_exercise_itself_may_have_the_forbidden_name():
    text = "def softmax(x):\n    'softmax of x'\n    return softmax(x - 1) if x else x.exp()"
    assert found(text, SOFTMAX) is None
    other = "def softmax(x): return x\ndef g(x): return x.softmax(0)"
    assert found(other, SOFTMAX) is None


def test_a_mark_may_allow_a_module():
    text = "from phi1_lib.attention import attend\ndef f(): attend"
    rule = Rule("2.5", frozenset({"f"}), allows=frozenset({"phi1_lib.attention"}))
    assert found(text) and found(text, rule) is None
    assert found("import phi1_lib.attention.fused as f", rule) is None
    assert found("import phi1_lib.attentions as f", rule)
    assert found("from phi1_lib import model\ndef f(): model", rule)


def test_what_the_course_imports(tmp_path):
    for folder in ("exercises", "solutions"):
        (tmp_path / folder).mkdir()
    grader = tmp_path / "exercises" / "test_ch01_x.py"
    grader.write_text("import pytest\nimport torch\nfrom phi1_lib import model\n")
    assert course_imports(grader) == {"torch"}
    solution = tmp_path / "solutions" / "ch01_x.py"
    solution.write_text(
        "from phi1_lib.config import A\nimport numpy.linalg\ndef f():\n    import a\n"
    )
    assert course_imports(grader) == {"phi1_lib.config", "numpy"}
    assert top_imports("") == frozenset()


def test_which_functions_an_exercise_is_about():
    grader = """
def check(submission, n):
    return submission.helper(n)

def test_a(submission):
    submission.f(1)
    other.g(1)

def test_b(submission):
    check(submission, 2)
"""
    assert graded_functions(grader) == {"test_a": {"f"}, "test_b": {"helper"}}


def test_lines_whose_imports_may_fail():
    text = "import os\nimport a\nif x:\n    from b import c\nimport torch\ndef f():\n    import d\n"
    assert foreign_lines(text, ALLOWED) == [2, 4]
    assert foreign_lines("def (", ALLOWED) == []
