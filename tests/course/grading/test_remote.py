"""A submission in a confined process, seen from the judge: calls, changes, callbacks, its end.

Oracle: the same code in this process.
"""

import os
import tempfile
from pathlib import Path

import pytest
import torch

from phi1_lib.course.grading.codec import CodecError
from phi1_lib.course.grading.proxies import RemoteSubmission
from phi1_lib.course.grading.remote import ConfinementError, Session, fork_server
from phi1_lib.course.grading.source import SubmissionError
from phi1_lib.sandbox import confine

TEXT = """
import os
import torch

def same(x, *, twice=False):
    return [x, x] if twice else x

def gradient(x):
    w = torch.ones(3, requires_grad=True)
    ((w * x).sum() ** 2).backward()
    return w.grad

def trained():
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    layer(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    return layer.bias

def change(x):
    if isinstance(x, dict):
        x["new"] = x.pop("old", 0)
    elif isinstance(x, list):
        x[0].append(1)
        x[1] = 2
    elif isinstance(x, set):
        x.add(9)
    elif isinstance(x, torch.Tensor):
        x += 1
    else:
        x.extend(b"!")

def adder(n):
    return lambda x: x + n

def apply(f, *args):
    return f(*args)

def catch(f):
    try:
        return f()
    except KeyError as error:
        return f"caught {error}"

def deep(f, n):
    return f(n)

class Node:
    def __init__(self, value):
        self.value = value

def value_of(node):
    return node.value

def write():
    try:
        with open("scratch.txt", "w") as file:
            file.write("mine")
    except OSError as error:
        kind = type(error).__name__
    return os.getcwd(), os.getpid(), kind, os.listdir()
"""


@pytest.fixture(scope="module")
def session():
    session = Session("ch01_x.py", TEXT, seconds=120)
    yield session
    session.close()


@pytest.fixture(scope="module")
def remote(session):
    return RemoteSubmission(session)


def test_values_both_ways(remote):
    for value in (None, 2**70, "née", [(1, {2: b"x"})], {3}, float("inf"), range(3)):
        assert remote.same(value) == value and type(remote.same(value)) is type(value)
    assert remote.same(1, twice=True) == [1, 1]
    assert torch.equal(remote.same(torch.eye(3)), torch.eye(3))


def test_torch_works_confined(remote):
    assert torch.equal(remote.gradient(torch.ones(3)), torch.full((3,), 6.0))
    torch.manual_seed(0)  # what the process was started with
    layer = torch.nn.Linear(3, 2)
    layer(torch.ones(4, 3)).sum().backward()
    expected = layer.bias - 0.1 * layer.bias.grad
    assert torch.allclose(remote.trained(), expected)


def test_changes_of_arguments_are_written_back(remote):
    inner: list = []
    outer = [inner, 0]
    table, members, data = {"old": 5}, {1}, bytearray(b"a")
    base = torch.zeros(2, 2)
    for argument in (outer, table, members, data, base[0]):
        assert remote.change(argument) is None
    assert outer == [[1], 2] and outer[0] is inner
    assert table == {"new": 5} and members == {1, 9} and data == b"a!"
    assert base.tolist() == [[1.0, 1.0], [0.0, 0.0]]


def test_functions_go_both_ways(remote):
    add = remote.adder(3)
    assert add(4) == 7 and remote.apply(add, 5) == 8
    assert remote.apply(lambda x: x * 2, 5) == 10
    assert remote.same(len) is len  # the judge's own comes back as itself
    assert remote.apply(remote.apply, lambda: 6) == 6


def test_errors_of_the_judges_functions(remote):
    class OwnError(Exception):
        pass

    def fails(error):
        def function(*_):
            raise error

        return function

    with pytest.raises(OwnError) as caught:
        remote.apply(fails(OwnError("mine")))
    assert caught.value.learner_line == TEXT.splitlines().index("    return f(*args)") + 1
    assert remote.catch(fails(KeyError("k"))) == "caught 'k'"
    with pytest.raises(pytest.fail.Exception, match="no check"):
        remote.catch(fails(pytest.fail.Exception("no check")))


def test_objects_of_the_submission(remote):
    node = remote.Node(7)
    assert type(node).__name__ == "Node" and node.value == 7 and bool(node)
    assert remote.value_of(node) == 7
    assert node != remote.Node(7) and node == node  # noqa: PLR0124
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        node.other  # noqa: B018
    with pytest.raises(AttributeError, match="ch01_x.py has no absent"):
        remote.absent  # noqa: B018


def test_what_a_grader_cannot_pass(remote):
    with pytest.raises(CodecError, match="cannot pass a object to an isolated submission"):
        remote.same(object())


def test_a_graders_class_exposes_what_it_lists(remote):
    class Coder:
        exposes = ("code",)
        secret = 5

        def code(self, x):
            return x + 1

    assert remote.same(Coder().code(1)) == 2
    session = Session("ch01_x.py", "def f(c): return c.code(1)\ndef g(c): return c.secret\n")
    try:
        other = RemoteSubmission(session)
        assert other.f(Coder()) == 2
        with pytest.raises(Exception, match="not in tuple"):
            other.g(Coder())
    finally:
        session.close()


def test_calls_back_and_forth_have_a_bound():
    session = Session("ch01_x.py", TEXT, seconds=60)
    remote = RemoteSubmission(session)
    try:

        def down(n):
            return 0 if n == 0 else 1 + remote.deep(down, n - 1)

        assert remote.deep(down, 5) == 5
        with pytest.raises(SubmissionError, match="grader's channel"):
            remote.deep(down, 99)
        with pytest.raises(SubmissionError):  # and it stays lost
            remote.same(1)
    finally:
        session.close()


def test_its_folder_and_process_end_with_it():
    session = Session("ch01_x.py", TEXT, seconds=60)
    folder, pid, kind, inside = RemoteSubmission(session).write()
    assert pid == session.child.pid and Path(folder).is_dir()
    if session.child.level == confine.STRONG:  # else a file that stays empty
        assert (kind, inside) == ("PermissionError", [])
    session.close()
    assert not Path(folder).exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_no_confined_process_is_no_fault_of_the_submissions(monkeypatch, tmp_path):
    def none(*args, **kwargs):
        raise OSError("no memory")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(fork_server(), "start", none)
    with pytest.raises(ConfinementError, match="no confined process can be made here: no memory"):
        Session("ch01_x.py", TEXT)
    assert not any(tmp_path.iterdir())


def test_no_session_leaves_something_for_the_next():
    text = "import torch\nx = getattr(torch, 'mine', 0)\ntorch.mine = 1\ndef f(): return x\n"
    for _ in range(2):
        session = Session("ch01_x.py", text, seconds=60)
        assert RemoteSubmission(session).f() == 0
        session.close()
