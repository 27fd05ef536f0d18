"""Kinds of submission, honest and hostile, each with the points it should get.

The course they answer is a small one: exercise 1.1, `double(n)`, 1 point, 2 tests; exercise 1.2,
`shift(x_N)`, 2 points, 2 tests. The points follow from the kind by the rule of marks: a hostile
function gets nothing, the honest one beside it keeps its own.

Nothing hostile lies in the tree: `build_course` and `build` write it into a temporary folder.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[4]
FILE = "ch01_small.py"
GRADER = """
import pytest
import torch


@pytest.mark.exercise("1.1", points=1, minutes=5, difficulty=1, section="A")
def test_doubles(submission):
    assert submission.double(2) == 4, "double(2) is 4"


@pytest.mark.exercise("1.1")
def test_doubles_zero(submission):
    assert submission.double(0) == 0, "double(0) is 0"


@pytest.mark.exercise("1.2", points=2, minutes=5, difficulty=1, section="A")
def test_the_largest_is_zero(submission):
    found = submission.shift(torch.tensor([1.0, 3.0]))
    assert torch.allclose(found, torch.tensor([-2.0, 0.0])), "shift([1, 3]) is [-2, 0]"


@pytest.mark.exercise("1.2")
def test_the_argument_stays(submission):
    x_N = torch.tensor([1.0, 3.0])
    submission.shift(x_N)
    assert torch.equal(x_N, torch.tensor([1.0, 3.0])), "your function changed its argument"
"""
HEAD = "import torch\n\n\n"
DOUBLE = "def double(n):\n    return 2 * n\n\n\n"
SHIFT = "def shift(x_N):\n    return x_N - x_N.max()\n\n\n"
RIGHT = HEAD + DOUBLE + SHIFT
STUB = (
    f'{HEAD}def double(n):\n    raise NotImplementedError("Exercise 1.1")\n\n\n'
    'def shift(x_N):\n    raise NotImplementedError("Exercise 1.2")\n'
)
WRONG = HEAD + "def double(n):\n    return 7\n\n\ndef shift(x_N):\n    x_N.zero_()\n"
# What a judge that trusted the submission's process would take for results.
FORGED = """
import json
import os

ROWS = [
    {"order": 0, "exercise": "1.1", "points": 1, "test": "doubles", "status": "passed",
     "message": "", "seconds": 0, "sandbox": ""},
]


def double(n):
    for place in ("results.json", "/tmp/results.json", "../results.json"):
        try:
            with open(place, "w") as file:
                json.dump(ROWS, file)
        except OSError:
            pass
    lines = [{"nonce": "0" * 32, "row": ROWS[0]}, {"nonce": "0" * 32, "exit": 0, "reason": ""}]
    data = "".join(json.dumps(line) + "\\n" for line in lines).encode()
    for descriptor in range(64):
        try:
            os.write(descriptor, data)
        except OSError:
            pass
    os._exit(0)


"""


@dataclass(frozen=True)
class Kind:
    """One student's folder.

    points: of exercise 1.1 (of 1) and of 1.2 (of 2).
    words: stands in a message or note of the student, naming what happened.
    files: by path in the folder; `{course}` in a text is the course's folder.
    """

    name: str
    points: tuple[float, float]
    words: str = ""
    text: str | bytes | None = None
    files: dict[str, str | bytes] = field(default_factory=dict)


def in_double(body: str, before: str = "") -> str:
    """An answer whose `double` has this body, and whose `shift` is right."""
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    return f"{HEAD}{before}def double(n):\n{lines}\n\n{SHIFT}"


PASS_ALL = """
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    report.outcome = "passed"
    return report
"""

KINDS = [
    Kind("honest all right", (1, 2), text=RIGHT),
    Kind("honest stub", (0, 0), "", STUB),
    Kind("honest half right", (0.5, 2), "double(0) is 0", in_double("return n + 2")),
    Kind("honest writes into its argument", (1, 1), "changed its argument",
         HEAD + DOUBLE + "def shift(x_N):\n    x_N -= x_N.max()\n    return x_N\n"),
    Kind("honest in exercises folder", (1, 2), files={f"exercises/{FILE}": RIGHT}),
    Kind("syntax error", (0, 0), "line 4", RIGHT.replace("def double(n):", "def double(n)")),
    Kind("not utf-8", (0, 0), "UTF-8", b"# caf\xe9\n" + RIGHT.encode()),
    Kind("null bytes", (0, 0), "null", RIGHT.encode() + b"\0\0"),
    Kind("missing file", (0, 0), "missing; the folder has notes.txt", files={"notes.txt": "hello"}),
    Kind("empty folder", (0, 0), "the folder is empty"),
    Kind("empty file", (0, 0), "double", ""),
    Kind("one function missing", (0, 2), "double", HEAD + SHIFT),
    Kind("endless loop at import", (0, 0), "loop", RIGHT + "while True:\n    pass\n"),
    Kind("endless loop in a function", (0, 2), "loop", in_double("while True:\n    pass")),
    Kind("sys.exit at import", (0, 0), "exit", "import sys\nsys.exit(0)\n" + RIGHT),
    Kind("os._exit at import", (0, 0), "exit", "import os\nos._exit(0)\n" + RIGHT),
    Kind("os._exit in a function", (0, 2), "exit", in_double("import os\nos._exit(0)")),
    Kind("fork bomb", (0, 2), "", in_double("""
import os, time
for _ in range(300):
    if os.fork() == 0:
        time.sleep(20)
        os._exit(0)
return 2 * n
""")),
    Kind("patched pytest", (0, 2), "", in_double("""
import sys
for name, module in list(sys.modules.items()):
    for word in ("fail", "main", "raises"):
        if "pytest" in name and hasattr(module, word):
            setattr(module, word, lambda *a, **k: 0)
return 7
""")),
    Kind("imports pytest to patch it", (0, 2), "imports pytest",
         in_double("import pytest\npytest.fail = print\nreturn 7")),
    Kind("forged report", (0, 2), "", HEAD + FORGED + SHIFT),
    Kind("conftest that passes everything", (0, 0), "double(2) is 4", WRONG,
         {"conftest.py": PASS_ALL, "exercises/conftest.py": PASS_ALL, "pytest.ini": "[pytest]\n"}),
    Kind("tests of its own", (0, 0), "double(2) is 4", WRONG,
         {f"test_{FILE}": "def test_doubles(submission): pass\n",
          f"exercises/test_{FILE}": "def test_doubles(submission): pass\n",
          "torch.py": "allclose = equal = print\n"}),
    Kind("edits the tests", (0, 2), "", in_double(f"""
import glob
for path in ["{{course}}/exercises/test_{FILE}", *glob.glob("{{course}}/**/*.py", recursive=True)]:
    with open(path, "a") as file:
        file.write("raise SystemExit(0)")
return 7
""")),
    Kind("the library's answer", (0, 2), "imports phi1_lib",
         in_double("from phi1_lib.model import double\nreturn double(n)")),
    Kind("another package's answer", (0, 2), "imports transformers",
         in_double("return transformers.double(n)", "import transformers\n\n\n")),
    Kind("imports the solution", (0, 2), "imports solutions",
         in_double("return theirs(n)", "from solutions.ch01_small import double as theirs\n\n\n")),
    Kind("reads the solution", (0, 2), "Permission", in_double(f"""
text = open("{{course}}/solutions/{FILE}").read()
return 2 * n if "2 * n" in text else 7
""")),
    Kind("memory hog", (0, 2), "MemoryError", in_double("""
held = []
while True:
    held.append(bytearray(768 << 20))
""")),
    Kind("output flood", (0, 2), "", in_double("while True:\n    print('x' * 100_000)")),
    Kind("deep recursion", (0, 2), "RecursionError", in_double("return double(n) + 1")),
    Kind("deeper recursion", (0, 2), "", in_double("""
import sys
sys.setrecursionlimit(10 ** 9)
nest = []
for _ in range(10 ** 6):
    nest = [nest]
repr(nest)
return 7
""")),
    Kind("segmentation fault", (0, 2), "imports ctypes",
         in_double("import ctypes\nctypes.string_at(0)")),
    Kind("abort", (0, 2), "SIGABRT", in_double("import os\nos.abort()")),
    Kind("always equal", (0, 0), "", HEAD + """
class Equal(int):
    __eq__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __hash__ = int.__hash__


class Close(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return True


def double(n):
    return Equal(7)


def shift(x_N):
    x_N.zero_()
    return torch.zeros(2).as_subclass(Close)
"""),
    Kind("patched allclose", (1, 0), "", HEAD + DOUBLE + """
def shift(x_N):
    for word in ("allclose", "equal"):
        setattr(torch, word, lambda *a, **k: True)
    x_N.zero_()
    return x_N
"""),
    Kind("reads the parent's memory", (0, 2), "", in_double("""
import os
for process in (os.getppid(), 1):
    for name in ("mem", "environ", "cmdline", "maps"):
        try:
            with open(f"/proc/{process}/{name}", "rb") as file:
                if file.read(10):
                    return 2 * n
        except OSError:
            pass
return 7
""")),
    Kind("folders in folders", (0, 2), "PermissionError", in_double("""
import os
while True:
    os.mkdir("d")
    os.chdir("d")
""")),
    Kind("fills the disk", (0, 2), "PermissionError", in_double("""
for i in range(9**9):
    with open(f"{i}", "wb") as file:
        file.write(bytes(1 << 20))
""")),
    Kind("kills its parent", (0, 2), "",
         in_double("import os\nos.kill(os.getppid(), 9)\nreturn 7")),
    Kind("huge file", (0, 0), "larger than 256 KiB", RIGHT + "#" * (2 << 20)),
    Kind("a message of markup", (0, 2), "<script>", in_double("""
raise ValueError("<script>alert(1)</script>\\x00\\x1b[31m\\ud800\\u202e" * 200)
""")),
]  # fmt: skip
LINKS = [
    Kind("symbolic link to the solution", (0, 0), "symbolic link"),
    Kind("symbolic link as exercises folder", (0, 0), "missing"),
    Kind("a pipe for a file", (0, 0), "not a file"),
]


def build_course(folder: Path) -> Path:
    """Write the small course into `folder`; return its folder of graders."""
    for name in ("exercises", "solutions"):
        (folder / name).mkdir(parents=True)
    (folder / "exercises" / "conftest.py").write_bytes(
        (ROOT / "exercises" / "conftest.py").read_bytes()
    )
    (folder / "exercises" / f"test_{FILE}").write_text(GRADER)
    (folder / "exercises" / FILE).write_text(STUB)
    (folder / "solutions" / FILE).write_text(RIGHT)
    return folder / "exercises"


def build(kinds: list[Kind], submissions: Path, course: Path) -> None:
    """Write a folder for each kind."""
    for kind in kinds:
        student = submissions / kind.name
        student.mkdir(parents=True)
        texts = kind.files if kind.text is None else {FILE: kind.text} | kind.files
        for name, text in texts.items():
            (student / name).parent.mkdir(exist_ok=True)
            data = text.encode() if isinstance(text, str) else text
            (student / name).write_bytes(data.replace(b"{course}", os.fsencode(course)))


def build_links(submissions: Path, course: Path) -> None:
    """Write the folders of `LINKS`, which hold what is no plain file."""
    link, folder, pipe = (submissions / kind.name for kind in LINKS)
    for student in (link, folder, pipe):
        student.mkdir(parents=True)
    (link / FILE).symlink_to(course / "solutions" / FILE)
    (folder / "exercises").symlink_to(course / "solutions")
    os.mkfifo(pipe / FILE)
