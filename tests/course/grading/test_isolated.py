"""Isolated submissions: the same rows as in process, and hostile ones that cost only themselves.

The oracle for honest code is plain pytest in one process. A hostile submission is one that lies,
patches, ends the process, writes into the grader's channel or never ends; each must fail with a
message for a person, and the judge must go on: all jobs of a kind run in one judging process.
"""

import runpy
from pathlib import Path

import pytest

from tests.course.grading.run_jobs import run_jobs

ROOT = Path(__file__).parents[3]

GRADER = """
import contextlib
import itertools
import pytest
import torch


class Lookup(dict):
    def __iter__(self):
        pytest.fail("you walked through the table", pytrace=False)


@pytest.mark.exercise("1.1", points=2)
def test_doubles(submission):
    assert submission.double(2) == 4, "double(2) is 4"


@pytest.mark.exercise("1.1")
def test_doubles_a_tensor(submission):
    found = submission.double(torch.ones(2))
    assert isinstance(found, torch.Tensor), f"a {type(found).__name__} is no tensor"
    assert torch.allclose(found, torch.full((2,), 2.0)), "wrong numbers"


@pytest.mark.exercise("1.2")
def test_calls(submission):
    seen = []

    def step(n):
        seen.append(n)
        return n + 1

    assert submission.call(step, 3) == 4, "call(step, 3) is step(3)"
    assert seen == [3], f"step was called with {seen}"


@pytest.mark.exercise("1.3")
def test_walks(submission):
    assert list(itertools.islice(submission.walk(iter("abc")), 5)) == ["a", "b", "c"], "walk"


@pytest.mark.exercise("1.4")
def test_looks_up(submission):
    assert submission.look(Lookup(a=1), "a") == 1, "look"
    assert submission.look(Lookup(a=1), "b") is None, "look"


@pytest.mark.exercise("1.5")
def test_fills(submission):
    rows, sums = [3, [1]], {}
    assert submission.fill(rows, sums) is None, "fill returns nothing"
    assert rows == [3, [1, 2]] and sums == {"n": 2}, f"{rows} and {sums}"


@pytest.mark.exercise("1.6")
def test_objects(submission):
    counter = submission.Counter(3)
    assert [counter.up(), counter.up(), counter.value, len(counter)] == [4, 5, 5, 5]
    with pytest.raises(ValueError, match="not below 0"):
        submission.Counter(-1)


@pytest.mark.exercise("1.7")
def test_forgives(submission):
    with contextlib.suppress(Exception):  # a grader that overlooks what happened
        submission.anything()
"""
HONEST = """
class Counter:
    def __init__(self, value):
        if value < 0:
            raise ValueError("not below 0")
        self.value = value

    def up(self):
        self.value += 1
        return self.value

    def __len__(self):
        return self.value


def double(n):
    return 2 * n


def call(step, n):
    return step(n)


def walk(parts):
    for part in parts:
        yield part


def look(table, key):
    return table.get(key)


def fill(rows, sums):
    rows[1].append(2)
    sums["n"] = 2


def anything():
    raise ValueError("forgiven")
"""


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("course")
    (folder / "exercises").mkdir()
    conftest = (ROOT / "exercises" / "conftest.py").read_text()
    (folder / "exercises" / "conftest.py").write_text(conftest)
    (folder / "exercises" / "test_ch01_small.py").write_text(GRADER)
    (folder / "solutions").mkdir()
    (folder / "solutions" / "ch01_small.py").write_text("import torch\n" + HONEST + "SECRET = 42\n")
    return folder


def job(course: Path, name: str, text: str, *options: str) -> dict:
    folder = course / "handed_in" / name.replace(" ", "_").replace("/", "_")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ch01_small.py").write_text(text)
    grader = str(course / "exercises" / "test_ch01_small.py")
    return {"grader": grader, "folder": str(folder), "options": [*options]}


@pytest.fixture(scope="module")
def results(course) -> dict[tuple[str, str], dict]:
    """Results by (how, name of the submission), all from one judging process."""
    jobs = {}
    slow = ("--isolated", "--test-seconds", "60")
    for name, text in MISTAKES.items():
        jobs["plain", name] = job(course, name, HONEST + text)
        jobs["isolated", name] = job(course, name, HONEST + text, *slow)
    jobs["isolated", "leaves for good"] = job(course, "left", HONEST + LEAVES, *slow)
    for name, (text, _) in HOSTILE.items():
        text = HONEST + text.replace("@COURSE", str(course))
        jobs["hostile", name] = job(course, name, text, *slow, "--exercise", "1.1")
    for name, (text, number) in ESCAPES.items():
        text = f"{HONEST}{ESCAPE}{text}    return {RIGHT[number]}\n"
        jobs["escape", name] = job(course, name, text, *slow, "--exercise", number)
    for name, (text, number) in ENDLESS.items():
        options = ["--isolated", "--test-seconds", "0.7", "--exercise", number]
        jobs["endless", name] = job(course, name, HONEST + text, *options)
    options = [*slow, "--all-seconds", "3"]
    jobs["slow", "right"] = job(course, "slow", "import time\ntime.sleep(1.2)\n" + HONEST, *options)
    jobs["last", "right"] = job(course, "right", HONEST, *slow)
    return dict(zip(jobs, run_jobs([*jobs.values()]), strict=True))


# --- The same rows -----------------------------------------------------------------------------

# Honest mistakes, over the whole small course.
MISTAKES = {
    "right": "",
    "raises": "def double(n):\n    return n / 0\n",
    "a key error": "def double(n):\n    return {}['a b']\n",
    "its own error": "class MyError(KeyError):\n    pass\ndef double(n):\n    raise MyError('m')\n",
    "a group of errors": "def double(n):\n    raise ExceptionGroup('two', [ValueError('a')])\n",
    "its own assert": "def double(n):\n    assert n == 7, 'mine'\n",
    "recursion": "def double(n):\n    return double(n)\n",
    "leaves": "import sys\ndef double(n):\n    sys.exit(0)\n",
    "not written": "def double(n):\n    raise NotImplementedError('Exercise 1.1')\n",
    "missing": "del double\n",
    "wrong type": "def double(n):\n    return str(n)\n",
    "a generator": "def double(n):\n    yield n\n",
    "syntax": "def double(n)\n",
    "fails when loaded": "1 / 0\n",
    "wrong arguments": "def double():\n    return 4\n",
    "calls twice": "def call(step, n):\n    step(n)\n    return step(n)\n",
    "calls wrongly": "def call(step, n):\n    return step(n, n)\n",
    "walks through": "def look(table, key):\n    return [v for k, v in table if k == key][0]\n",
    "catches all": "def look(table, key):\n    try:\n        list(table)\n    except Exception:\n"
    "        return 1\n",
    "fills wrongly": "def fill(rows, sums):\n    rows.clear()\n    sums[0] = rows\n",
    "a library": "import tokenizers\ndef double(n):\n    return tokenizers.double(n)\n",
    "unused library": "import tokenizers\nfrom transformers import AutoTokenizer as T\n",
    "reaches around": "def double(n):\n    return eval('2 * n')\n",
}


def seen(result: dict) -> list[tuple[str, str, str]]:
    assert result["rows"], result["printed"]
    return [(row["test"], row["status"], row["message"]) for row in result["rows"]]


@pytest.mark.parametrize("name", MISTAKES)
def test_honest_code_gets_the_same_rows_as_in_one_process(results, name):
    plain, isolated = results["plain", name], results["isolated", name]
    assert seen(isolated) == seen(plain)
    assert isolated["exit"] == plain["exit"]


def test_what_the_rows_say(results):
    """One spot check a kind, written by hand, so that both ways cannot be wrong together."""

    def rows(name: str) -> list[dict]:
        return [row for row in results["isolated", name]["rows"] if row["status"] != "passed"]

    def messages(name: str) -> list[str]:
        return [row["message"] for row in rows(name)]

    line = HONEST.count("\n") + 2
    assert messages("right") == []
    where = f"(line {line} of ch01_small.py: return n / 0)"
    assert messages("raises")[0] == f"ZeroDivisionError: division by zero {where}"
    assert messages("a key error")[0] == (
        f"KeyError: 'a b' (line {line} of ch01_small.py: return {{}}['a b'])"
    )
    assert messages("its own assert")[0] == (
        f"AssertionError: mine (line {line} of ch01_small.py: assert n == 7, 'mine')"
    )
    assert messages("leaves")[0].startswith("your code ended the Python process")
    assert messages("missing")[0].startswith("ch01_small.py has no double: ")
    assert messages("walks through") == ["you walked through the table"]
    assert messages("catches all") == ["you walked through the table"]
    assert [row["status"] for row in rows("not written")] == ["not written yet"] * 2
    library = rows("a library")
    assert {row["exercise"] for row in library} == {"1.1"}
    assert library[0]["message"].endswith(
        "imports tokenizers; exercise 1.1 asks you to write it: remove the import"
    )
    assert messages("unused library") == []


def test_a_slow_file_keeps_what_it_earned_in_its_time(results):
    rows = results["slow", "right"]["rows"]
    assert [row["status"] for row in rows[:2]] == ["passed", "passed"]
    assert {row["status"] for row in rows[2:]} == {"failed"}
    assert rows[-1]["message"].startswith("not run: the file's tests before this one took all")


def test_rows_say_how_it_was_confined(results):
    plain, isolated = results["plain", "right"], results["isolated", "right"]
    assert {row["sandbox"] for row in plain["rows"]} == {""}
    assert {row["sandbox"] for row in isolated["rows"]} <= {"landlock+seccomp", "rlimits"}
    assert all(row["seconds"] >= 0 for row in isolated["rows"])


# --- Hostile -----------------------------------------------------------------------------------

LEAVES = "import os\ndef anything():\n    os._exit(0)\n"
FORGE = """
import json, os
def forge(message):
    data = message if isinstance(message, bytes) else json.dumps(message).encode()
    os.write(3, len(data).to_bytes(4, "big") + data)
    return 0
"""
# What `double` does, and a fragment of the first message.
HOSTILE = {
    "equal to all": (
        "class A:\n    __eq__ = lambda self, other: True\n    __hash__ = None\n"
        "def double(n):\n    return A()\n",
        "double(2) is 4",
    ),
    "an equal int": (
        "class A(int):\n    __eq__ = lambda self, other: True\n    __hash__ = int.__hash__\n"
        "def double(n):\n    return A(3)\n",
        "double(2) is 4",
    ),
    "a tensor class of its own": (
        "import torch\nclass A(torch.Tensor):\n    @classmethod\n"
        "    def __torch_function__(cls, function, types, args=(), kwargs=None):\n"
        "        return True\n"
        "def double(n):\n    return 4 if isinstance(n, int) else torch.ones(2).as_subclass(A)\n",
        "wrong numbers",
    ),
    "patched checks": (
        "import torch, pytest\ntorch.allclose = lambda *a, **k: True\npytest.fail = print\n"
        "def double(n):\n    return n\n",
        "double(2) is 4",
    ),
    "os._exit": ("import os\ndef double(n):\n    os._exit(0)\n", "ended the Python process"),
    "os._exit when loaded": ("import os\nos._exit(0)\n", "ended the Python process"),
    "sys.exit in an except": (
        "import sys\ndef double(n):\n    raise SystemExit\n",
        "ended the Python process",
    ),
    "segfault": (
        "import faulthandler\ndef double(n):\n    faulthandler._sigsegv()\n",
        "crashed the Python process (SIGSEGV)",
    ),
    "kills itself": (
        "import os\ndef double(n):\n    os.kill(os.getpid(), 9)\n",
        "was stopped (SIGKILL)",
    ),
    "memory": ("def double(n):\n    return bytearray(9 << 30)\n", "MemoryError"),
    "forks": (
        "import os\ndef double(n):\n    while os.fork() or True:\n        pass\n",
        "Error",
    ),
    "writes everywhere": (
        "import os\ndef double(n):\n    for d in range(64):\n        try:\n"
        "            os.write(d, b'passed' * 99)\n        except OSError:\n            pass\n"
        "    return 4\n",
        "wrote to the grader's channel",
    ),
    "closes everything": (
        "import os\ndef double(n):\n    os.closerange(0, 64)\n    return 4\n",
        "",
    ),
    "forges garbage": (FORGE + "def double(n):\n    return forge(b'[[[')\n", "grader's channel"),
    "forges depth": (
        FORGE + "def double(n):\n    return forge(b'[' * 9000 + b']' * 9000)\n",
        "grader's channel",
    ),
    "forges a deep value": (
        FORGE + "def double(n):\n"
        "    return forge(b'{\"return\":' + b'[\"l\",' * 900 + b'1' + b']' * 900 + b'}')\n",
        "grader's channel",
    ),
    "forges a length": (
        "import os\ndef double(n):\n    os.write(3, b'\\xff' * 8)\n",
        "grader's channel",
    ),
    "forges an empty reply": (FORGE + "def double(n):\n    return forge({})\n", "grader's channel"),
    "forges a handle": (
        FORGE + "def double(n):\n    return forge({'return': ['h', 'x', 5, {}]})\n",
        "grader's channel",
    ),
    "forges the judge's object": (
        FORGE + "def double(n):\n    return forge({'return': ['o', 0]})\n",
        "grader's channel",
    ),
    "forges a tensor": (
        FORGE + "def double(n):\n"
        "    return forge({'return': ['T', 'float32', [1 << 30], 'AAAA', False]})\n",
        "grader's channel",
    ),
    "forges an object array": (
        FORGE + "def double(n):\n"
        "    return forge({'return': ['A', 'O', [1], 'AAAAAAAAAAA=', False]})\n",
        "grader's channel",
    ),
    "forges an error": (
        FORGE + "def double(n):\n    return forge({'raise': {'kinds': [], 'line': []}})\n",
        "grader's channel",
    ),
    "forges the judge's error": (
        FORGE + "def double(n):\n    return forge({'raise': {'judge': 7, 'line': 1}})\n",
        "grader's channel",
    ),
    "forges a change": (
        FORGE + "def double(n):\n"
        "    return forge({'return': 4, 'changed': [[5, 1], ['__class__', 2]]})\n",
        "grader's channel",
    ),
    "forges a call": (
        FORGE + "def double(n):\n    return forge({'op': 'call', 'on': 0, 'args': 1})\n",
        "grader's channel",
    ),
    "raises a skip": (
        "class Skipped(BaseException):\n    pass\ndef double(n):\n    raise Skipped('skip')\n",
        "Skipped: skip",
    ),
    "raises an interrupt": (
        "def double(n):\n    raise KeyboardInterrupt('stop')\n",
        "KeyboardInterrupt: stop",
    ),
    "an error without words": (
        "class E(Exception):\n    def __str__(self):\n        return 1 / 0\n"
        "def double(n):\n    raise E\n",
        "E: E",
    ),
    "a strangely named error": (
        "def double(n):\n    raise type('a\\nb' * 99, (Exception,), {})('x')\n",
        "Exception: x",
    ),
    "ten million items": ("def double(n):\n    return list(range(10**7))\n", "300,000 items"),
    "ten million numbers": (
        "import torch\ndef double(n):\n    return torch.zeros(10**7)\n",
        "too large to be graded",
    ),
    "a long text": ("def double(n):\n    return 'x' * 10**8\n", "MiB to send"),
    "a list in itself": (
        "def double(n):\n    a = []\n    a.append(a)\n    return a\n",
        "60 levels deep",
    ),
    "a large integer": ("def double(n):\n    return 10**9999\n", "double(2) is 4"),
    "the solutions": (
        "def double(n):\n    return open('@COURSE/solutions/ch01_small.py').read()\n",
        "PermissionError",
    ),
    "the solutions' folder": (
        "import os\ndef double(n):\n    return os.listdir('@COURSE')\n",
        "PermissionError",
    ),
    "the processes": (
        "import os\ndef double(n):\n    return open(f'/proc/{os.getppid()}/environ').read()\n",
        "Error",
    ),
    "a hidden import": (
        "def double(n):\n    f = double.__getattribute__('__glo' + 'bals__')\n"
        "    return f['__builtins__']['__imp' + 'ort__']('tokenizers')\n",
        "tokenizers",
    ),
    "the library": (
        "def double(n):\n    f = double.__getattribute__('__glo' + 'bals__')\n"
        "    return f['__builtins__']['__imp' + 'ort__']('phi1_lib')\n",
        "phi1_lib",
    ),
}
# Ways from an object of the judge's to its module: the answer is right only if one succeeds.
ESCAPE = (
    FORGE
    + """
def receive():
    size = int.from_bytes(os.read(3, 4), "big")
    return json.loads(os.read(3, size))

def escape(op, *args):
    forge({"op": op, "on": 0, "args": ["l", *args], "kwargs": ["d"]})
    return "raise" not in receive()

"""
)
ESCAPES = {
    "a function's globals": ("def call(step, n):\n    f = 'attribute', '__globals__'\n", "1.2"),
    "a function's class": ("def call(step, n):\n    f = 'attribute', '__class__'\n", "1.2"),
    "a function's length": ("def call(step, n):\n    f = 'len',\n", "1.2"),
    "an unknown operation": ("def call(step, n):\n    f = '__reduce__',\n", "1.2"),
    "an iterator's class": ("def walk(parts):\n    f = 'attribute', '__class__'\n", "1.3"),
    "a table's class": ("def look(table, key):\n    f = 'attribute', '_refuse'\n", "1.4"),
    "a table to be filled": ("def look(table, key):\n    f = 'call', 'x'\n", "1.4"),
}
RIGHT = {"1.2": "step(n) if escape(*f) else 0", "1.3": "iter('abc') if escape(*f) else ''"}
RIGHT |= {"1.4": "table.get(key) if escape(*f) else 0"}
# These wait for the time limit.
ENDLESS = {
    "an endless loop": ("def double(n):\n    while True:\n        pass\n", "1.1"),
    "an endless sleep": ("import time\ndef double(n):\n    time.sleep(99)\n", "1.1"),
    "a loop without end when loaded": ("while True:\n    pass\n", "1.1"),
    "callbacks without end": (
        "def call(step, n):\n    while True:\n        step(n)\n",
        "1.2",
    ),
    "an endless iterator": (
        "def walk(parts):\n    for part in iter(lambda: 1, 2):\n        pass\n    yield 1\n",
        "1.3",
    ),
    "colliding keys": (
        "def double(n):\n    return {i * (2**61 - 1) + 1 for i in range(100_000)}\n",
        "1.1",
    ),
    "colliding keys, forged": (
        FORGE + "def double(n):\n"
        "    keys = [['i', hex(i * (2**61 - 1) + 1)] for i in range(1, 90_000)]\n"
        "    return forge({'return': ['s', *keys]})\n",
        "1.1",
    ),
    "a length that never comes": (
        "import os, time\n"
        "def double(n):\n    os.write(3, bytes([0, 0, 0, 9]))\n    time.sleep(99)\n",
        "1.1",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_code_fails_with_a_message(results, name):
    rows = results["hostile", name]["rows"]
    assert rows, results["hostile", name]["printed"]
    failed = [row["message"] for row in rows if row["status"] == "failed"]
    assert failed and HOSTILE[name][1] in failed[0], rows
    assert len(failed[0]) < 600 and "Traceback" not in failed[0]


@pytest.mark.parametrize("name", ENDLESS)
def test_endless_code_is_stopped_and_the_exercise_not_run_again(results, name):
    rows = results["endless", name]["rows"]
    assert rows and {row["status"] for row in rows} == {"failed"}
    assert rows[0]["message"] == "your code was not done after 0.7 s: does a loop never end?"
    what = "an earlier check of this exercise ran out of time"
    if name == "a loop without end when loaded":
        what = "the file itself ran out of time, outside of any function"
    for row in rows[1:]:
        assert row["message"] == f"not run: {what}"


@pytest.mark.parametrize("name", ESCAPES)
def test_the_judges_objects_lead_nowhere(results, name):
    (row,) = results["escape", name]["rows"]
    assert row["status"] == "failed"
    assert row["message"] in ("call(step, 3) is step(3)", "walk", "look")


def test_a_lost_process_fails_even_a_grader_that_overlooks_it(results):
    rows = {row["exercise"]: row for row in results["isolated", "leaves for good"]["rows"]}
    assert rows["1.7"]["status"] == "failed"
    assert rows["1.7"]["message"].startswith("your code ended the Python process")
    assert rows["1.6"]["status"] == "passed"


def test_the_judge_goes_on(results):
    assert {row["status"] for row in results["last", "right"]["rows"]} == {"passed"}


# --- The course's own exercises ----------------------------------------------------------------

STEMS = [path.stem for path in sorted((ROOT / "solutions").glob("ch*.py"))]
EVERY = 5  # one wrong answer in so many; in process all are graded elsewhere


@pytest.fixture(scope="module")
def chapters(tmp_path_factory) -> list[tuple[str, dict, dict]]:
    """(what, result in process, result isolated) of solutions, stubs and some wrong answers."""
    jobs: dict[str, dict] = {}
    folder = tmp_path_factory.mktemp("chapters")

    def add(name: str, stem: str, text: str, *options: str) -> None:
        place = folder / str(len(jobs))
        place.mkdir()
        (place / f"{stem}.py").write_text(text, encoding="utf-8")
        grader = str(ROOT / "exercises" / f"test_{stem}.py")
        jobs[name] = {"grader": grader, "folder": str(place), "options": ["--seed", "1", *options]}

    for stem in STEMS:
        solution = (ROOT / "solutions" / f"{stem}.py").read_text(encoding="utf-8")
        add(f"solution {stem}", stem, solution)
        wrong = runpy.run_path(str(ROOT / "tests" / "wrong_answers" / f"{stem}.py"))
        for number, name, code, _ in wrong["WRONG_ANSWERS"][::EVERY]:
            add(f"{number} {name}", stem, f"{solution}\n\n{code}", "--exercise", number)
    options = ["--isolated", "--test-seconds", "60"]
    isolated = [dict(job, options=[*job["options"], *options]) for job in jobs.values()]
    results = run_jobs([*jobs.values(), *isolated])
    return [(name, results[i], results[i + len(jobs)]) for i, name in enumerate(jobs)]


def test_the_courses_exercises_get_the_same_rows_isolated(chapters):
    assert len(chapters) > 20
    for name, plain, isolated in chapters:
        assert seen(isolated) == seen(plain), name
        passed = {row["status"] for row in isolated["rows"]} == {"passed"}
        assert passed == name.startswith("solution"), name
