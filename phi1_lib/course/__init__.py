"""What only the classroom needs: checking exercises, figures, executing chapters, JupyterLab."""

from phi1_lib.course.checking import check

__all__ = ["check"]
