"""Sphinx's settings for the site; `book/build.py` copies this file beside the sources."""

from pathlib import Path

project = "phi1"
author = "phi1 course authors"
copyright = author  # no year: two builds of one tree are the same
extensions = ["myst_nb", "book.pages"]
templates_path = ["_templates"]
exclude_patterns = ["conf.py", "solutions", "exercises/test_*"]

nb_execution_mode = "off"  # the committed outputs are shown
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

# MathJax's files lie in _static, put there by book/build.py: no page loads from the network.
mathjax_path = "mathjax/tex-chtml.js"
mathjax3_config = {"options": {"enableMenu": False}}  # it would load parts that are not there

html_theme = "furo"
html_title = "phi1: rebuild phi-1"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_copy_source = False
html_use_index = False  # an index of Python names would be empty
html_domain_indices = False
html_search_scorer = str(Path(__file__).with_name("scorer.js"))
html_show_search_summary = False  # they are fetched, which a browser refuses to a page from a file
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
