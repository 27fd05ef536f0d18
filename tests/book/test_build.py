"""Building the site: of a small course with planted faults, and of this tree."""

import hashlib
import json
import re
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="no sphinx found: make test installs it")

from book.__main__ import main  # noqa: E402
from book.build import build  # noqa: E402
from book.check import check  # noqa: E402
from book.pages import source_block  # noqa: E402

ROOT = Path(__file__).parents[2]


def text_of(page: Path) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", page.read_text(encoding="utf-8")))


def edit(chapter: Path, old: str, new: str) -> None:
    text = chapter.read_text(encoding="utf-8")
    assert old in text
    chapter.write_text(text.replace(old, new), encoding="utf-8")


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_course_becomes_the_same_site_each_time_and_its_links_lead_right(course, tmp_path):
    before = digests(course)
    out = tmp_path / "made" / "book"
    assert build(course, out) == []
    assert check(out).faults == ()
    assert digests(course) == before, "the build wrote into the tree"
    assert [path.name for path in out.parent.iterdir()] == ["book"], "the build left something"

    chapter = (out / "chapters" / "00_welcome.html").read_text(encoding="utf-8")
    for text, href in {
        "the file": "../phi1_lib/model/rotary.html",
        "all files": "../phi1_lib/index.html",
        "the exercises": "../exercises/ch00_welcome.html",
        "their folder": "../exercises/index.html",
        "a worked answer": "../exercises/index.html#worked-answers",
        "all answers": "../exercises/index.html#worked-answers",
        "README": "../README.html",
    }.items():
        link = rf'<a [^>]*href="{re.escape(href)}"[^>]*>(<[^>]*>)*{text}<'
        assert re.search(link, chapter), f"{text} does not lead to {href}"
    assert 'alt="a dot"' in chapter

    exercises = out / "exercises" / "ch00_welcome.html"
    text = text_of(exercises)
    assert "0.1 Double it double 2 5 1 of 3 By two" in text
    assert 'href="../chapters/00_welcome.html#by-two"' in exercises.read_text(encoding="utf-8")
    assert 'raise NotImplementedError("Exercise 0.1")' in text.replace("&quot;", '"')
    published = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert b"the secret" not in published, "a worked answer is on the site"
    assert b"my answer" not in published, "the learner's own answer is on the site"
    assert str(tmp_path).encode() not in published, "a path of this machine is on the site"

    # A second build, elsewhere and over an old site, is the same to the byte.
    again = tmp_path / "long" / "way" / "again"
    again.mkdir(parents=True)
    for name in ("stale.html", "searchindex.js"):
        (again / name).write_text("old")
    build(course, again)
    assert digests(again) == digests(out)


def test_faults_of_a_chapter_end_in_status_1_and_are_named(course, tmp_path, capsys, monkeypatch):
    chapter = course / "chapters" / "00_welcome.ipynb"
    edit(chapter, "../phi1_lib/model/rotary.py", "../phi1_lib/model/rotor.py")
    edit(chapter, 'alt=\\"a dot\\"', 'alt=\\"\\"')
    monkeypatch.setattr("book.__main__.ROOT", course)
    assert main(["--out", str(tmp_path / "book")]) == 1
    said = capsys.readouterr()
    assert "chapters/00_welcome.ipynb" in said.err
    assert "../phi1_lib/model/rotor.py" in said.err
    assert "chapters/00_welcome.html, line" in said.err
    assert "image without alt text" in said.err
    assert str(tmp_path) not in said.err
    assert "2 faults, 1 warnings" in said.out
    assert f"Open {tmp_path}/book/index.html" in said.out


def test_a_folder_that_is_no_site_is_never_replaced(tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    assert main(["--out", str(tmp_path / "mine")]) == 2
    assert "mine is not a book: name a new folder" in capsys.readouterr().err
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years"


def test_when_sphinx_cannot_finish_the_old_site_stays(course, tmp_path):
    out = tmp_path / "book"
    out.mkdir()
    (out / "searchindex.js").write_text("old")
    (course / "chapters" / "00_welcome.ipynb").write_text("{not json")
    with pytest.raises(RuntimeError, match="Sphinx did not finish"):
        build(course, out)
    assert digests(out).keys() == {"searchindex.js"}


def test_a_fence_is_longer_than_any_in_the_text():
    block = source_block('"""In ````text````."""\n')
    assert block.startswith("`````{code-block} python\n")
    assert block.endswith("\n`````\n")


def test_this_tree_builds_without_warnings_and_its_site_has_no_faults(site):
    folder, warnings = site
    assert warnings == []
    report = check(folder)
    assert report.faults == ()
    files = ["*.md", "chapters/*.ipynb", "phi1_lib/**/*.py", "solutions/ch*.py"]
    sources = [path.relative_to(ROOT) for pattern in files for path in ROOT.glob(pattern)]
    for source in sources:
        page = Path("exercises", source.name) if source.parts[0] == "solutions" else source
        assert (folder / page.with_suffix(".html")).is_file(), f"no page for {source}"
    # The pages beside: index, search, the lists of exercises and of files.
    assert report.pages == len(sources) + 4


def test_every_figure_of_a_chapter_is_on_its_page(site):
    for chapter in sorted((ROOT / "chapters").glob("*.ipynb")):
        cells = json.loads(chapter.read_text(encoding="utf-8"))["cells"]
        outputs = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
        pictures = sum("".join(data.get("text/html", "")).count("<img ") for data in outputs)
        page = (site[0] / "chapters" / chapter.name).with_suffix(".html")
        assert page.read_text(encoding="utf-8").count("<img ") == pictures
