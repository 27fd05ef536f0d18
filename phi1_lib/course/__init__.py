"""What only the classroom needs: checking exercises, figures, executing chapters, JupyterLab.

In a chapter, `%load_ext phi1_lib.course` defines `%check`, `%%solve`, `%hint`, `%solution` and
`%progress` (`magics.py`), and `use` is imported from here.
"""

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from phi1_lib.course.twins import use

__all__ = ["load_ipython_extension", "unload_ipython_extension", "use"]


def load_ipython_extension(shell: "InteractiveShell") -> None:
    """Define the magics, and start the process that checks, so that the first check is quick."""
    from phi1_lib.course.checks import warm_judge
    from phi1_lib.course.magics import CourseMagics

    shell.register_magics(CourseMagics)
    with contextlib.suppress(OSError):  # the first check says what is wrong
        warm_judge().start()


def unload_ipython_extension(shell: "InteractiveShell") -> None:
    """End the process that checks."""
    from phi1_lib.course.checks import warm_judge

    warm_judge().close()


def __getattr__(name: str):
    """`use`, when it is asked for: this package's tools start without it."""
    if name != "use":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from phi1_lib.course.twins import use

    return use
