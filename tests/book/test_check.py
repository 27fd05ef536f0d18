"""The checker of the built site, on small sites with one planted fault each."""

from pathlib import Path

import pytest

from book.check import check

PAGE = (
    '<!DOCTYPE html><html lang="en"><head><title>t</title>{}</head><body><h1>T</h1>{}</body></html>'
)
GOOD_BODY = """
<p id="here">Text</p> <a href="other.html#there">other</a> <a href="#here">here</a>
<a href="https://arxiv.org/abs/2306.11644">the paper</a> <a href="mailto:a@b.c">mail</a>
<a href="sub%20folder/notes.txt">notes</a> <a href="?q=x#top">top</a>
<img src="dot.png" alt="a dot" srcset="dot.png 1x, dot.png 2x">
<img src="data:image/png;base64,AA==" alt="another"> <div style="background:url(dot.png)"></div>
<script>var half = 1 // 2
document.body.dataset.theme = "light";</script>
"""
GOOD_HEAD = """<link rel="stylesheet" href="style.css?v=1"><script src="own.js"></script>
<link rel="canonical" href="https://example.org/"><style>p { background: url('dot.png') }</style>"""


def make_site(folder: Path, body: str = "", head: str = "", css: str = "") -> Path:
    """A site of two pages without a fault, but for what is added."""
    (folder / "sub folder").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE.format(GOOD_HEAD + head, GOOD_BODY + body))
    (folder / "other.html").write_text(PAGE.format("", '<p><a name="there"></a></p>'))
    (folder / "style.css").write_text("p { background: url(dot.png) }" + css)
    for name in ("dot.png", "own.js", "sub folder/notes.txt"):
        (folder / name).write_text("")
    return folder


def test_a_sound_site_has_no_faults_and_all_is_counted(tmp_path):
    report = check(make_site(tmp_path / "site"))
    assert report.faults == ()
    # 6 links to follow; loaded: 4 addresses of the two images, 2 of styles, a sheet, a script
    assert (report.pages, report.images, report.links) == (2, 2, 14)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('<a href="missing.html">x</a>', "missing.html: there is no such file"),
        ('<a href="other.html#gone">x</a>', "other.html#gone: the page has no such anchor"),
        ('<a href="#gone">x</a>', "#gone: the page has no such anchor"),
        ('<a href="../outside.html">x</a>', "../outside.html leads out of the site"),
        ('<a href="/index.html">x</a>', "/index.html begins with /"),
        ('<a href="sub folder/">x</a>', "sub folder/: there is no such file"),
        ('<a href="file:///etc/hosts">x</a>', "file:///etc/hosts: of no use offline"),
        ('<img src="dot.png">', "image without alt text: dot.png"),
        ('<img src="dot.png" alt=" ">', "image without alt text: dot.png"),
        ('<img src="gone.png" alt="x">', "gone.png: there is no such file"),
        ('<img src="dot.png" alt="x" srcset="dot.png 1x, gone.png 2x">', "gone.png: there is no"),
        ('<img src="https://a.example/b.png" alt="x">', "loads https://a.example/b.png from the"),
        ('<script src="https://a.example/b.js"></script>', "loads https://a.example/b.js from the"),
        ('<script src="//a.example/b.js"></script>', "loads //a.example/b.js from the network"),
        ("<script>fetch('https://a.example')</script>", "a script names an address of the network"),
        ('<p onclick="open(`//a.example`)">x</p>', "a script names an address of the network"),
        ('<iframe src="http://a.example/"></iframe>', "loads http://a.example/ from the network"),
        ('<p style="background:url(https://a.example)">', "loads https://a.example from the"),
        ("<style>@import 'https://a.example/b.css';</style>", "loads https://a.example/b.css from"),
        ("<h1>again</h1>", "2 <h1>: a page has one"),
    ],
)
def test_a_planted_fault_is_named_with_its_page(tmp_path, body, message):
    [fault] = check(make_site(tmp_path / "site", body)).faults
    assert fault.startswith("index.html, line ")
    assert message in fault


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ('<link rel="stylesheet" href="https://a.example/b.css">', "loads https://a.example/b.css"),
        ('<link rel="preconnect" href="//a.example">', "loads //a.example from the network"),
        ('<link rel="icon" href="gone.ico">', "gone.ico: there is no such file"),
    ],
)
def test_a_planted_fault_in_the_head_is_named(tmp_path, head, message):
    [fault] = check(make_site(tmp_path / "site", head=head)).faults
    assert message in fault


def test_a_style_sheet_is_checked_from_where_it_lies(tmp_path):
    css = "@font-face { src: url('https://a.example/f.woff') } a { background: url(gone.png) }"
    first, second = check(make_site(tmp_path / "site", css=css)).faults
    assert first == "style.css: loads https://a.example/f.woff from the network"
    assert second == "style.css: gone.png: there is no such file"


def test_a_page_without_a_language_or_heading_is_named(tmp_path):
    site = make_site(tmp_path / "site")
    (site / "third.html").write_text("<html><body><p>x</p></body></html>")
    assert check(site).faults == (
        "third.html, line 1: 0 <h1>: a page has one",
        "third.html, line 1: <html> has no lang attribute",
    )


def test_the_line_of_a_fault_is_that_of_its_element(tmp_path):
    site = make_site(tmp_path / "site")
    (site / "other.html").write_text(PAGE.format("", '\n\n<a name="there" href="gone.html">x</a>'))
    assert check(site).faults == ("other.html, line 3: gone.html: there is no such file",)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no page: build the book first"):
        check(tmp_path)
