"""The site in a real browser, opened as files, with nothing but files allowed to load.

Chromium is the oracle for what a reader sees: pictures that change, formulas, search, a phone.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="no sphinx found: make test installs it")
pytest.importorskip("playwright", reason="no playwright found: make test installs it")

from playwright.sync_api import Browser, Page, Request, Route, sync_playwright  # noqa: E402

from tests.browser.driver import FLAGS, find_chromium  # noqa: E402

pytestmark = pytest.mark.skipif(
    find_chromium() is None, reason="no Chromium found: apt-get install chromium"
)

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
# The page itself, and the column of text, which the theme lets scroll on a phone.
TOO_WIDE = """() => [...document.querySelectorAll("html, .content")]
    .filter(box => box.scrollWidth > box.clientWidth)
    .map(box => `${box.tagName}: ${box.scrollWidth} of ${box.clientWidth} px`)"""
SHOWN = """figure => [...figure.querySelectorAll("img")]
    .filter(image => image.offsetWidth > 0).map(image => image.alt)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A desktop page; the test fails when it asked for anything but files, or a script failed."""
    context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce")
    found = context.new_page()
    faults: list[str] = []

    def allow_files_only(route: Route) -> None:
        if route.request.url.startswith(("file:", "data:")):
            route.continue_()
        else:
            faults.append(f"asked the network for {route.request.url}")
            route.abort()

    def note_failure(request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # a click may leave a page before it is loaded
            faults.append(f"failed to load {request.url}: {request.failure}")

    context.route("**/*", allow_files_only)
    found.on("requestfailed", note_failure)

    found.on("pageerror", lambda error: faults.append(f"script error: {error}"))
    yield found
    context.close()
    assert faults == []


def open_page(page: Page, site: tuple[Path, list[str]], name: str) -> None:
    page.goto(f"{site[0].as_uri()}/{name}")


def test_every_slider_moves_by_keyboard_and_shows_another_picture(page, site):
    sliders = 0
    for chapter in sorted((site[0] / "chapters").glob("*.html")):
        open_page(page, site, f"chapters/{chapter.name}")
        for slider in page.locator("input[type=range]").all():
            figure = slider.locator("xpath=ancestor::figure")
            slider.wait_for(state="visible")
            [before] = figure.evaluate(SHOWN)
            slider.focus()
            page.keyboard.press("ArrowRight")
            [after] = figure.evaluate(SHOWN)
            assert after != before
            page.keyboard.press("ArrowLeft")
            assert figure.evaluate(SHOWN) == [before]
            sliders += 1
    assert sliders >= 2


def test_formulas_are_typeset_with_fonts_of_the_site(page, site):
    open_page(page, site, "chapters/02_attention.html")
    page.wait_for_selector("mjx-container")
    page.wait_for_function("MathJax.startup.promise.then(() => true)")
    page.evaluate("document.fonts.ready.then(() => true)")
    formulas = page.locator("span.math, div.math")
    assert formulas.count() == page.locator("mjx-container").count() > 10
    assert page.locator("mjx-merror").count() == 0
    loaded = page.evaluate(
        "[...document.fonts].filter(f => f.status == 'loaded').map(f => f.family)"
    )
    assert any("MJX" in family for family in loaded), "the formulas' fonts did not load"


def test_the_search_finds_a_word_and_puts_the_chapter_first(page, site):
    open_page(page, site, "index.html")
    page.get_by_role("textbox", name="Search").first.fill("rotary")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=rotary*")
    page.wait_for_selector("#search-results li a")
    page.wait_for_function("document.body.innerText.includes('Search finished')")
    results = page.locator("#search-results li > a")
    assert results.first.get_attribute("href").startswith("chapters/02_attention.html")
    assert any("model/rotary.html" in link.get_attribute("href") for link in results.all())
    results.first.click()
    assert page.locator("h1").inner_text().startswith("02 Attention")


def test_previous_and_next_lead_through_the_chapters(page, site):
    names = sorted(path.name for path in (site[0] / "chapters").glob("*.html"))
    open_page(page, site, "index.html")
    for name in names:
        page.locator("a.next-page").click()
        assert page.url.endswith(f"chapters/{name}")
    page.locator("a.prev-page").click()
    assert page.url.endswith(f"chapters/{names[-2]}")


def test_the_dark_theme_is_a_choice_that_stays(page, site):
    open_page(page, site, "chapters/00_welcome.html")
    brightness = "Math.max(...getComputedStyle(document.body).backgroundColor.match(/\\d+/g))"
    assert page.evaluate(brightness) > 200
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(brightness) < 60, "the page does not follow the system's dark theme"
    page.emulate_media(color_scheme="light")
    while page.evaluate("document.body.dataset.theme") != "dark":
        page.locator(".theme-toggle").filter(visible=True).first.click()
    open_page(page, site, "index.html")
    assert page.evaluate(brightness) < 60


def test_no_page_is_wider_than_a_phone(page, site):
    folder = site[0]
    page.set_viewport_size(PHONE)
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.html"))]
    source = [name for name in names if name.startswith("phi1_lib/")]
    wide = {}
    for name in [*(name for name in names if name not in source), *source[:1]]:
        open_page(page, site, name)
        if found := page.evaluate(TOO_WIDE):
            wide[name] = found
    # Pages of source differ in their article only: exchanging it saves a hundred page loads.
    for name in source:
        text = (folder / name).read_text(encoding="utf-8")
        article = re.search(r"<article.*</article>", text, re.DOTALL)[0]
        page.locator("article").evaluate("(old, text) => { old.outerHTML = text }", article)
        if found := page.evaluate(TOO_WIDE):
            wide[name] = found
    assert wide == {}


def test_no_page_is_wider_than_the_screen(page, site):
    wide = {}
    for name in ("chapters/02_attention.html", "exercises/ch02_attention.html"):
        open_page(page, site, name)
        for width in (768, 1020, 1100, 1280, 1320, 1600):  # on both sides of the theme's steps
            page.set_viewport_size({"width": width, "height": 900})
            if found := page.evaluate(TOO_WIDE):
                wide[name, width] = found
    assert wide == {}
