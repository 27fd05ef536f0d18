"""A small course in three editions, and a learner's clone of the first: real git repositories."""

import hashlib
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

STUB = '''"""Exercises of chapter 02."""

import math


def softmax(scores):
    """Exercise 2.1: A softmax."""
    raise NotImplementedError("Exercise 2.1")


def broken(q, k):
    return q - k


def attention(q, k):
    """Exercise 2.4: Find the faults."""
    raise NotImplementedError("Exercise 2.4")
'''
SOLVED = STUB.replace('raise NotImplementedError("Exercise 2.1")', "return math.exp(scores)")


def notebook(*sources: str, outputs: str = "") -> str:
    """A notebook's text: a heading, then code cells; `outputs` is what each of them printed."""
    out = [{"output_type": "stream", "name": "stdout", "text": [outputs]}] if outputs else []
    code = {"cell_type": "code", "execution_count": 1 if outputs else None, "metadata": {}}
    cells = [{"cell_type": "markdown", "metadata": {}, "source": ["# A chapter"]}]
    cells += [{**code, "outputs": out, "source": source.splitlines(True)} for source in sources]
    return json.dumps(
        {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1
    )


EDITION_1 = {
    ".gitignore": "runs/\n.kept/\n*.new\n*.new.*\n",
    "Makefile": "lab:\n",
    "chapters/01_tokenizer.ipynb": notebook("x = 1", "print(x)"),
    "chapters/02_attention.ipynb": notebook("q = 1"),
    "constraints.txt": "torch==1\n",
    "data/a file with spaces é.txt": "one\n",
    "exercises/ch02_attention.py": STUB,
    "exercises/conftest.py": "",
    "phi1_lib/model.py": "width = 1\n",
    "phi1_lib/old/gone.py": "gone = 1\n",
    "phi1_lib/same.py": "same = 1\n",
}
EDITION_2 = {
    "Makefile": "lab:\n\ttrue\n",
    "chapters/01_tokenizer.ipynb": notebook("x = 2", "print(x)"),
    "chapters/02_attention.ipynb": notebook("q = 2"),
    "chapters/03_flash.ipynb": notebook("f = 2"),
    "constraints.txt": "torch==2\n",
    "data/a file with spaces é.txt": "two\n",
    "exercises/ch02_attention.py": STUB.replace("Find the faults", "Find the three faults"),
    "exercises/ch03_flash.py": "new = 2\n",
    "phi1_lib/model.py": "width = 2\n",
    "phi1_lib/old/gone.py": None,
}
EDITION_3 = {
    "chapters/02_attention.ipynb": notebook("q = 3"),
    "exercises/ch02_attention.py": STUB.replace("the faults", "the three faults").replace(
        "import math", "import cmath"
    ),
    "phi1_lib/model.py": "width = 3\n",
}


def git(folder: Path, *arguments: str) -> str:
    """Run git in `folder`; return what it prints."""
    run = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, f"git {arguments}: {run.stderr}"
    return run.stdout.removesuffix("\n")


def write(folder: Path, files: dict[str, str | None]) -> None:
    """Write files by path; None removes one."""
    for path, text in files.items():
        place = folder / path
        if text is None:
            place.unlink()
        else:
            if place.is_dir():
                shutil.rmtree(place)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text.encode())


def commit(folder: Path, message: str) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


@dataclass(frozen=True)
class Pair:
    """Where the course is published, and a learner's clone of its first edition."""

    origin: Path
    clone: Path

    def publish(self, edition: str) -> None:
        git(self.origin, "update-ref", "refs/heads/main", edition)

    def git(self, *arguments: str) -> str:
        return git(self.clone, *arguments)

    def read(self, path: str) -> str:
        return (self.clone / path).read_bytes().decode()

    def status(self) -> list[str]:
        """What `git status` lists, ignored files excluded."""
        lines = self.git("-c", "core.quotePath=off", "status", "--porcelain").splitlines()
        return [line.replace('"', "") for line in lines]

    def edition(self, files: dict[str, str | None]) -> str:
        """Commit one more edition on top of the newest in the origin, and publish it."""
        maker = self.origin.with_name("maker")
        if not maker.exists():
            git(self.origin, "clone", "--quiet", str(self.origin), str(maker))
        write(maker, files)
        commit(maker, "another edition")
        git(maker, "push", "--quiet", "origin", "HEAD:main")
        return git(maker, "rev-parse", "HEAD")


def contents(clone: Path) -> set[bytes]:
    """Contents of all files of the working tree, ignored ones too."""
    files = (
        p for p in clone.rglob("*") if p.is_file() and ".git" not in p.relative_to(clone).parts
    )
    return {path.read_bytes() for path in files}


def assert_nothing_lost(before: set[bytes], clone: Path) -> None:
    """Every content that was in the working tree is there still, or in a commit of HEAD's."""
    missing = before - contents(clone)
    listed = git(clone, "rev-list", "--objects", "HEAD").splitlines()
    commits = {line.split(" ")[0] for line in listed}
    for content in missing:
        blob = hashlib.sha1(b"blob %d\0%b" % (len(content), content)).hexdigest()
        assert blob in commits, f"lost: {content[:200]!r}"
