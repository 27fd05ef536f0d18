"""The course as a static site: `python -m book` (or `make book`) builds and checks it.

Needs the packages of the extra `book` (Sphinx, myst-nb, furo, MathJax's files) and no network,
neither to build nor to read. The chapters are shown with their committed outputs; nothing is run.
"""
