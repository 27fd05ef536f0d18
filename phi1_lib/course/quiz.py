"""Ten questions on what the course assumes, with a place to learn each thing that is missing.

`prerequisites()` shows the questions; `check_prerequisites({1: "b", 2: "?", ...})` says which
answers are right and, for the others, what to read and before which chapter. It marks answers, not
people: there is no score to reach. Nothing is loaded from anywhere; the links are for reading.
"""

import html
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from IPython.display import display

from phi1_lib.course.html_table import LEFT, table

UNKNOWN = "?"
RIGHT, NOT_YET, OPEN = "right", "not yet", "open"
_CODE = "font-family:monospace;margin:0.4em 0 0.4em 1em"  # not every page styles <pre>
_CHOICES = "display:flex;flex-wrap:wrap;gap:0.2em 2em"  # in a row where there is room


@dataclass(frozen=True)
class Question:
    """One question, its choices (a, b, c, ...) and where to read when the answer is not known.

    chapter: the first chapter that leans on it.
    source, url: a free text, with the section that treats this.
    prose: the choices are sentences, not what a program prints.
    """

    topic: str
    text: str
    code: str
    choices: tuple[str, ...]
    right: str
    chapter: int
    source: str
    url: str
    prose: bool = False

    @property
    def letters(self) -> str:
        """The letters of the choices: abcd."""
        return "abcdefgh"[: len(self.choices)]


QUESTIONS = (
    Question(
        "functions",
        "What does this print?",
        "def double(items):\n"
        "    for i in range(len(items)):\n"
        "        items[i] = 2 * items[i]\n"
        "\n"
        "numbers = [1, 2]\n"
        "result = double(numbers)\n"
        "print(numbers, result)",
        ("[1, 2] [2, 4]", "[2, 4] [2, 4]", "[2, 4] None", "[1, 2] None"),
        "c",
        1,
        "The Python Tutorial, “Defining Functions”",
        "https://docs.python.org/3/tutorial/controlflow.html#defining-functions",
    ),
    Question(
        "comprehensions and dictionaries",
        "What does this print?",
        'sizes = {word: len(word) for word in ["if", "return", "with"]}\n'
        "print(max(sizes, key=sizes.get))",
        ("6", "return", "with", "('return', 6)"),
        "b",
        1,
        "The Python Tutorial, “List Comprehensions” and “Dictionaries”",
        "https://docs.python.org/3/tutorial/datastructures.html#list-comprehensions",
    ),
    Question(
        "generators",
        "What does this print?",
        "squares = (n * n for n in range(4))\nprint(sum(squares), sum(squares))",
        ("14 14", "30 30", "14 0", "an error: a generator has no sum"),
        "c",
        1,
        "The Python Tutorial, “Iterators”, “Generators” and “Generator Expressions”",
        "https://docs.python.org/3/tutorial/classes.html#iterators",
    ),
    Question(
        "bytes and text",
        "What does this print?",
        'print(len("é"), len("é".encode("utf-8")))',
        ("1 2", "1 1", "2 2", "2 1"),
        "a",
        1,
        "Python's Unicode HOWTO, “Introduction to Unicode”",
        "https://docs.python.org/3/howto/unicode.html",
    ),
    Question(
        "classes",
        "What does this print?",
        "class Scale:\n"
        "    def __init__(self, factor):\n"
        "        self.factor = factor\n"
        "\n"
        "    def __call__(self, x):\n"
        "        return self.factor * x\n"
        "\n"
        "layer = Scale(3)\n"
        "print(layer(5))",
        ("3", "an error: an object is not a function", "None", "15"),
        "d",
        2,
        "The Python Tutorial, “A First Look at Classes”; Python's data model, “Emulating callable "
        "objects”",
        "https://docs.python.org/3/tutorial/classes.html#a-first-look-at-classes",
    ),
    Question(
        "shapes and broadcasting",
        "What does this print?",
        "import torch\nprint((torch.ones(3, 1) + torch.ones(4)).shape)",
        (
            "torch.Size([3, 4])",
            "torch.Size([4, 3])",
            "torch.Size([3, 1])",
            "an error: 3 and 4 do not fit",
        ),
        "a",
        2,
        "NumPy's user guide, “Broadcasting” (PyTorch follows the same rules)",
        "https://numpy.org/doc/stable/user/basics.broadcasting.html",
    ),
    Question(
        "matrix products",
        "What does this print?",
        "import torch\nprint(torch.tensor([[1, 2]]) @ torch.tensor([[3], [4]]))",
        (
            "tensor([[3, 8]])",
            "tensor([[11]])",
            "tensor([[3, 4], [6, 8]])",
            "an error: the shapes differ",
        ),
        "b",
        2,
        "Dive into Deep Learning, section 2.3, “Linear Algebra”",
        "https://d2l.ai/chapter_preliminaries/linear-algebra.html",
    ),
    Question(
        "gradients",
        "After these lines `x.grad` holds 6. What does that say?",
        "import torch\nx = torch.tensor(3.0, requires_grad=True)\ny = x**2\ny.backward()",
        (
            "y is 6 at this place",
            "y is smallest where x is 6",
            "6 small steps of x bring y to 0",
            "if x grows by a little, y grows by about 6 times that little",
        ),
        "d",
        2,
        "Dive into Deep Learning, sections 2.4, “Calculus”, and 2.5, “Automatic Differentiation”",
        "https://d2l.ai/chapter_preliminaries/calculus.html",
        prose=True,
    ),
    Question(
        "logarithms and probability",
        "One model gives the true next word the probability 1/2, another 1/8. The loss is the "
        "negative logarithm of that probability. How do the two losses compare?",
        "",
        (
            "the second is 4 times the first",
            "the second is 3 times the first",
            "the second is the first plus 8",
            "that hangs on the base of the logarithm",
        ),
        "b",
        2,
        "OpenStax, College Algebra 2e, section 6.5, “Logarithmic Properties”",
        "https://openstax.org/books/college-algebra-2e/pages/6-5-logarithmic-properties",
        prose=True,
    ),
    Question(
        "paths",
        "A terminal stands in the folder course/chapters. Which path leads to the file "
        "course/exercises/ch01_tokenizer.py?",
        "",
        (
            "exercises/ch01_tokenizer.py",
            "/exercises/ch01_tokenizer.py",
            "../exercises/ch01_tokenizer.py",
            "./exercises/ch01_tokenizer.py",
        ),
        "c",
        14,
        "Software Carpentry, The Unix Shell, “Navigating Files and Directories”",
        "https://swcarpentry.github.io/shell-novice/02-filedir.html",
    ),
)


def prerequisites() -> None:
    """Display the ten questions with their choices."""
    items = "".join(_question_html(question) for question in QUESTIONS)
    markup = f'<ol style="max-width:46em;padding-left:2.5em;line-height:1.5">{items}</ol>'
    display({"text/html": markup, "text/plain": "\n\n".join(_questions_text())}, raw=True)


def check_prerequisites(answers: Mapping[int, str]) -> None:
    """Display for each answer whether it is right, and for each gap what to read.

    Args:
        answers: a letter for the number of each question; "?" (or no entry) for "I don't know".
    """
    try:
        statuses = assess(answers)
    except ValueError as error:
        print(error)
        return
    rows = list(zip(range(1, len(QUESTIONS) + 1), QUESTIONS, statuses, strict=True))
    lines = [f"{number:>2}  {status:<8} {question.topic}" for number, question, status in rows]
    for number, (_, question, status) in enumerate(rows):
        if status != RIGHT:
            lines[number] += f"\n    {question.source}\n    {question.url}"
    verdict = summary(statuses)
    heads = ("", "about", "your answer", "where to read")
    head = "".join(f'<th scope="col" style="{LEFT}">{name}</th>' for name in heads)
    page = table([head, *(_row_html(*row) for row in rows)])
    text = "\n".join([verdict, *lines])
    markup = f"<p>{html.escape(verdict)}</p>\n{page}"
    display({"text/html": markup, "text/plain": text}, raw=True)


def assess(answers: Mapping[int, str]) -> list[str]:
    """Return for each question "right", "not yet", or "open" where nothing was answered.

    Raises:
        ValueError: there is no question of that number, or no choice of that letter.
    """
    for number in answers:
        if number not in range(1, len(QUESTIONS) + 1):
            raise ValueError(
                f"there is no question {number!r}: their numbers are 1 to {len(QUESTIONS)}"
            )
    statuses = []
    for number, question in enumerate(QUESTIONS, start=1):
        letter = str(answers.get(number, UNKNOWN)).strip().lower().rstrip(").")
        if letter not in {UNKNOWN, "", *question.letters}:
            raise ValueError(
                f"the answer to question {number} is {answers[number]!r}: write one of "
                f'{", ".join(question.letters)}, or "?" if you do not know'
            )
        known = RIGHT if letter == question.right else NOT_YET
        statuses.append(OPEN if letter in {UNKNOWN, ""} else known)
    return statuses


def summary(statuses: list[str]) -> str:
    """Return what the statuses mean for the next chapters, in a sentence or two."""
    right = statuses.count(RIGHT)
    if statuses.count(OPEN) == len(statuses):
        return 'Nothing is answered yet: put a letter in place of each "?" and run the cell again.'
    if right == len(statuses):
        return f"{right} of {right} right: nothing that the chapters assume is missing."
    gaps: dict[int, list[str]] = {}
    for question, status in zip(QUESTIONS, statuses, strict=True):
        if status != RIGHT:
            gaps.setdefault(question.chapter, []).append(question.topic)
    reading = "; ".join(
        f"before chapter {chapter:02d}: {', '.join(topics)}"
        for chapter, topics in sorted(gaps.items())
    )
    return f"{right} of {len(statuses)} right. To read {reading}."


def _questions_text() -> Iterator[str]:
    for number, question in enumerate(QUESTIONS, start=1):
        code = f"\n\n{textwrap.indent(question.code, '    ')}" if question.code else ""
        choices = [
            f"    {letter}) {choice}"
            for letter, choice in zip(question.letters, question.choices, strict=True)
        ]
        yield "\n".join([f"{number}. {question.text}{code}\n", *choices])


def _question_html(question: Question) -> str:
    code = f'<pre style="{_CODE}">{html.escape(question.code)}</pre>' if question.code else ""
    escaped = [html.escape(choice) for choice in question.choices]
    shown = escaped if question.prose else [f"<code>{choice}</code>" for choice in escaped]
    pairs = zip(question.letters, shown, strict=True)
    choices = "".join(f"<span>{letter}) {choice}</span>" for letter, choice in pairs)
    text = html.escape(question.text).replace("`x.grad`", "<code>x.grad</code>")
    return f'<li style="margin-bottom:1em">{text}{code}<div style="{_CHOICES}">{choices}</div></li>'


def _row_html(number: int, question: Question, status: str) -> str:
    source = ""
    if status != RIGHT:
        source = f'<a href="{html.escape(question.url)}">{html.escape(question.source)}</a>'
    mark = f"<b>{status}</b>" if status == NOT_YET else status
    values = (html.escape(question.topic), mark, source)
    cells = "".join(f'<td style="{LEFT}">{value}</td>' for value in values)
    return f'<th scope="row" style="{LEFT}">{number}</th>{cells}'
