"""The page of a class's grades in a real browser: what is in sight, on a screen and a phone.

Chromium is the oracle: it lays the page out, names of any length included.
"""

from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="no playwright found: make test installs it")

from playwright.sync_api import sync_playwright  # noqa: E402

from phi1_lib.course.grading.marks import ExerciseGrade, StudentGrade  # noqa: E402
from phi1_lib.course.grading.page import page  # noqa: E402
from phi1_lib.course.grading.reports import STRONGEST, Run  # noqa: E402
from tests.browser.driver import FLAGS, find_chromium  # noqa: E402

pytestmark = pytest.mark.skipif(
    find_chromium() is None, reason="no Chromium found: apt-get install chromium"
)

WINDOWS = [(1280, 900), (390, 844)]
EXERCISES = tuple(ExerciseGrade(f"1.{n}", 0.0, 2.0) for n in range(1, 31))
CLASS = [StudentGrade(name, EXERCISES) for name in ("Anna", "x" * 255)]
RUN = Run(0, STRONGEST, 10.0, 1024, ("ch01_tokenizer.py",), ())


@pytest.mark.parametrize("size", WINDOWS, ids=["screen", "phone"])
def test_a_long_name_hides_no_points_and_names_stay_in_sight(tmp_path: Path, size):
    (tmp_path / "grades.html").write_text(page(RUN, CLASS), encoding="utf-8")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        tab = chromium.new_page(viewport={"width": size[0], "height": size[1]})
        tab.goto((tmp_path / "grades.html").as_uri())
        first = tab.locator(".class tr:nth-child(2) td").nth(1).bounding_box()
        assert first["x"] + first["width"] <= size[0]
        assert tab.evaluate("document.documentElement.scrollWidth") <= size[0]
        tab.locator(".scroll").evaluate("box => box.scrollLeft = box.scrollWidth")
        assert tab.get_by_role("link", name="Anna").bounding_box()["x"] >= 0
        chromium.close()
