"""Building the site: its sources are laid out in a temporary folder, never in the tree.

The folder mirrors the tree, so that links between chapters, exercises and the library stay right:

    conf.py, index.md, _static/     from this folder
    README.md, chapters/*.ipynb     as they lie; a notebook's outputs are the committed ones
    exercises/chNN_topic.py         fresh stubs, whatever the learner's own files hold
    phi1_lib/**/*.py                each becomes a page of highlighted source
    LICENSE, benchmarks/results/    files to open
    solutions/, exercises/test_*    read for the tables of exercises, not published
    _static/mathjax/                the part of MathJax that the pages load
"""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from book.pages import library_index
from phi1_lib.course.stubs import write_stubs

HERE = Path(__file__).parent
COPIED = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "THIRD_PARTY.md", "LICENSE"),
    *("chapters/[0-9][0-9]_*.ipynb", "phi1_lib/**/*.py", "benchmarks/results/*.json"),
    *("solutions/ch*.py", "exercises/test_ch*.py"),
)
LAID_BESIDE = ".new."  # in the names of files that `phi1 update` could not merge
# The package holds every form of MathJax, 24 MB; pages need the TeX reader, the HTML writer, its
# fonts, and the extensions that a formula can ask for.
MATHJAX = ("tex-chtml.js", "output/chtml/fonts", "input/tex/extensions")


def build(root: Path, out: Path) -> list[str]:
    """Build the site of the course in `root`, put it in place of `out`, return Sphinx's warnings.

    Raises:
        ValueError: `out` is a folder that holds something else than a site.
        RuntimeError: Sphinx did not finish; `out` is left as it was.
    """
    if out.exists() and any(out.iterdir()) and not (out / "searchindex.js").exists():
        raise ValueError(f"{out} is not a book: name a new folder, or remove this one first")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".book-") as scratch:
        sources, site = Path(scratch, "sources"), Path(scratch, "site")
        lay_out(root, sources)
        warnings = _run_sphinx(sources, site, Path(scratch, "doctrees"))
        shutil.rmtree(out, ignore_errors=True)
        site.rename(out)
    return warnings


def lay_out(root: Path, sources: Path) -> None:
    """Write the site's sources, taken from the tree in `root`, into the new folder `sources`."""
    shutil.copytree(HERE, sources, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    shutil.copy(HERE / "conf.py", sources)
    for path in sorted(path for pattern in COPIED for path in root.glob(pattern)):
        if LAID_BESIDE in path.name:
            continue
        target = sources / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    write_stubs(sources / "solutions", sources / "exercises")
    (sources / "phi1_lib" / "index.md").write_text(library_index(root), encoding="utf-8")
    _copy_mathjax(sources / "_static" / "mathjax")


def _copy_mathjax(target: Path) -> None:
    # The package is itself a Sphinx extension, which would copy all of it.
    [package] = importlib.util.find_spec("sphinx-mathjax-offline").submodule_search_locations
    for name in MATHJAX:
        source = Path(package, "static", "mathjax", name)
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, target / name)


def _run_sphinx(sources: Path, site: Path, doctrees: Path) -> list[str]:
    """Run Sphinx in a process of its own and return its warnings, named by the tree's paths."""
    strict = ["-W", "--keep-going", "--quiet", "--no-color"]
    folders = ["-d", str(doctrees), str(sources), str(site)]
    run = subprocess.run(
        [sys.executable, "-m", "sphinx", *strict, "-b", "html", *folders],
        cwd=HERE.parent,  # conf.py names the package `book`
        stderr=subprocess.PIPE,
        text=True,
    )
    complaints = run.stderr.replace(f"{sources}/", "").splitlines()
    if not (site / "searchindex.js").exists():  # the last file that Sphinx writes
        raise RuntimeError("\n".join(["Sphinx did not finish; it said:", *complaints]))
    return [line for line in complaints if line.strip()]
