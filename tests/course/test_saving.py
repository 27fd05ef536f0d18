"""What a saved notebook keeps of widgets, on models as JupyterLab's contents manager gives them."""

import nbformat
import pytest
from jupyter_server.services.contents.largefilemanager import LargeFileManager

from phi1_lib.course.saving import WIDGET_VIEW

HOOK = "phi1_lib.course.saving.before_saving"  # as lab/jupyter_server_config.py names it
VIEW = {"model_id": "0123", "version_major": 2, "version_minor": 0}


def _saved(root, data: dict) -> list[dict]:
    """Save one output with the hook, and read back the formats that the file holds."""
    cell = nbformat.v4.new_code_cell("show()")
    cell.outputs = [nbformat.v4.new_output("display_data", data=data)]
    model = {
        "type": "notebook",
        "format": "json",
        "content": nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# T"), cell]),
    }
    manager = LargeFileManager(root_dir=str(root), pre_save_hook=HOOK)
    manager.save(model, "chapter.ipynb")
    (output,) = nbformat.read(root / "chapter.ipynb", as_version=4).cells[1].outputs
    return output.data


def test_a_file_keeps_the_page_and_not_the_widget(tmp_path):
    data = {"text/html": "<b>page</b>", "text/plain": "page", WIDGET_VIEW: VIEW}
    assert _saved(tmp_path, data) == {"text/html": "<b>page</b>", "text/plain": "page"}


@pytest.mark.parametrize(
    "data",
    [
        {"text/plain": "IntSlider(value=0)", WIDGET_VIEW: VIEW},
        {"text/html": "<b>page</b>", "text/plain": "page"},
    ],
    ids=["a widget alone", "no widget"],
)
def test_other_outputs_are_saved_as_they_are(data, tmp_path):
    assert _saved(tmp_path, data) == data


def test_other_files_are_saved_as_they_are(tmp_path):
    manager = LargeFileManager(root_dir=str(tmp_path), pre_save_hook=HOOK)
    manager.save({"type": "file", "format": "text", "content": "x = 1\n"}, "ch01.py")
    assert (tmp_path / "ch01.py").read_text() == "x = 1\n"
