"""What a notebook keeps of an output that is also a live widget.

A widget is dead without its kernel: JupyterLab then shows "Error displaying widget: model not
found", even where the same output also holds a page that needs no kernel. So a notebook is saved
without such an output's widget format, and everyone who opens it sees the page.
"""

from typing import Any

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
LASTING = "text/html"


def drop_widgets(outputs: list[dict]) -> None:
    """Remove in place the widget format of each output that also has a page.

    Args:
        outputs: of one notebook cell, as nbformat has them.
    """
    for output in outputs:
        data = output.get("data", {})
        if LASTING in data:
            data.pop(WIDGET_VIEW, None)


def before_saving(model: dict[str, Any], **_: Any) -> None:
    """Clean what JupyterLab is about to save; `lab/jupyter_server_config.py` names this function.

    The open tab keeps its live widgets: only the file is without.

    Args:
        model: of the contents manager, changed in place.
    """
    if model["type"] == "notebook":
        for cell in model["content"]["cells"]:
            drop_widgets(cell.get("outputs", []))
