"""JupyterLab, started by the course's own command and driven in Chromium as a person would.

Waiting is done on JupyterLab's own promises and on what the page shows, never by sleeping; a wait
that runs out names what it waited for and saves a screenshot.
"""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Locator, Page, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",  # containers run as root, where Chromium's own sandbox refuses to start
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
WIDTH, HEIGHT = 1280, 900  # the smallest window in which a chapter must read well
WAIT_S = 30
START_S = 60
CHAPTER_S = 120
ADDRESS = re.compile(rb"http://127\.0\.0\.1:(\d+)/\S+token=(\w+)")

# Every script sees `app` (JupyterLab) and `panel` (the tab in front).
PREAMBLE = "const app = window.jupyterapp; const panel = app?.shell?.currentWidget;"


def find_chromium() -> str | None:
    """Return the path of a Chromium that this machine has, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextlib.contextmanager
def lab_server(course: Path, home: Path) -> Iterator[tuple[str, str]]:
    """Yield the address and the token of a JupyterLab on `course`, started as `make lab` does.

    Args:
        course: a copy of the course with its own `phi1_lib`.
        home: where the learner's progress and caches go.
    """
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {
        "PYTHONPATH": str(course),
        "XDG_DATA_HOME": str(home),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    command = [sys.executable, "-m", "phi1_lib.course.lab", "--no-browser"]
    command += ["--port=8888", "--LabApp.expose_app_in_browser=True"]
    with open(home / "lab.log", "w+b") as log:
        process = subprocess.Popen(
            command, cwd=course, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield _address(process, Path(log.name))
        finally:
            process.terminate()
            process.wait(30)


def _address(process: subprocess.Popen, log: Path) -> tuple[str, str]:
    """Wait until JupyterLab has printed its address and answers there."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
            break
        if found := ADDRESS.search(log.read_bytes()):
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", int(found[1]))).close()
                return f"http://127.0.0.1:{int(found[1])}", found[2].decode()
    raise AssertionError(f"JupyterLab did not come up:\n{log.read_text()}")


@contextlib.contextmanager
def chromium_page(profile: Path) -> Iterator[Page]:
    """Yield a page of a fresh Chromium whose profile lies in `profile`."""
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=find_chromium(),
            args=FLAGS,
            viewport={"width": WIDTH, "height": HEIGHT},
        )
        try:
            page = context.pages[0]
            page.set_default_timeout(WAIT_S * 1000)
            yield page
        finally:
            context.close()


class Lab:
    """One JupyterLab window; `address` and `token` from `lab_server`.

    Failures leave a screenshot in `shots`.
    """

    def __init__(self, page: Page, address: str, token: str, shots: Path) -> None:
        self.page, self.address, self.token, self.shots = page, address, token, shots

    # Waiting

    def run(self, what: str, body: str, argument: Any = None, seconds: float = WAIT_S) -> Any:
        """Run JavaScript that may `await`, and return what it returns.

        Args:
            what: what is waited for, for the message when the seconds run out.
            body: statements that see `app`, `panel` (the tab in front) and `argument`.
            argument: anything that JSON can say, or an element of the page.
            seconds: how long it may take.
        """
        # page.evaluate knows no time-out: race it.
        script = f"""async argument => {{ {PREAMBLE}
            const late = new Promise((_, no) => setTimeout(no, {seconds}e3, new Error("late")));
            return Promise.race([late, (async () => {{ {body} }})()]); }}"""
        with self._named(what):
            return self.page.evaluate(script, argument)

    def until(self, what: str, body: str, argument: Any = None) -> Any:
        """Wait until JavaScript statements return something true; see `run`."""
        with self._named(what):
            script = f"argument => {{ {PREAMBLE} {body} }}"
            return self.page.wait_for_function(script, arg=argument).json_value()

    def see(self, what: str, locator: Locator) -> Locator:
        """Wait until an element is visible, and return it."""
        with self._named(what):
            locator.wait_for(state="visible")
        return locator

    @contextlib.contextmanager
    def _named(self, what: str) -> Iterator[None]:
        try:
            yield
        except PlaywrightError as error:
            picture = self.shots / f"{re.sub(r'[^a-z0-9]+', '-', what.lower()).strip('-')}.png"
            self.page.screenshot(path=picture)
            dialogs = self.page.locator(".jp-Dialog").all_inner_texts()
            raise AssertionError(
                f"waited for {what}: {error.message.splitlines()[0]} "
                f"(open dialogs: {dialogs or 'none'}; screenshot: {picture})"
            ) from None

    # Notebooks

    def open_workspace(self) -> None:
        """Open what `make lab` opens, and wait until the README's page is drawn."""
        address = f"{self.address}/lab/workspaces/course/tree/README.md?token={self.token}"
        self.page.goto(address, wait_until="commit")
        self.until("the application", "return app")
        # The last thing that JupyterLab does on its way up: to follow the path in the address.
        self.run(
            "the README's path to be followed",
            "await new Promise(done => app.commands.commandExecuted.connect((_, command) => {"
            "if (command.id === 'filebrowser:open-path') command.result.then(done); }))",
        )
        self.see("the README's page", self.page.locator(".jp-MarkdownViewer h1"))

    def open(self, path: str, kernel: bool = True) -> None:
        """Open a notebook in a new tab, or show its tab."""
        self.run(
            f"{path} opening",
            "await app.commands.execute('docmanager:open', {path: argument[0], factory: 'Notebook',"
            " kernelPreference: argument[1] ? {} : {shouldStart: false, canStart: false}})",
            [path, kernel],
        )
        self.until_ready(path, kernel)

    def show(self, path: str) -> None:
        """Bring the open tab of a file to the front."""
        self.run(
            f"{path} in front",
            "for (const tab of app.shell.widgets('main')) "
            "if (tab.context?.path === argument) app.shell.activateById(tab.id)",
            path,
        )
        self.until(f"{path} in front", "return panel?.context?.path === argument", path)

    def until_ready(self, path: str, kernel: bool = True) -> None:
        """Wait until the notebook in front is `path`, drawn, its kernel idle."""
        self.until(f"{path} in front", "return panel?.context?.path === argument", path)
        # Cells are in the page before the notebook is loaded: only these promises tell.
        self.run(f"{path} loaded", "await panel.revealed; await panel.context.ready")
        if kernel:
            self.run(f"the session of {path}", "await panel.sessionContext.ready")
            self.until(
                f"an idle kernel of {path}",
                "return panel.sessionContext.session?.kernel?.status === 'idle'",
            )

    def run_all(self) -> None:
        """Run all cells of the notebook in front and wait until all are done."""
        command = "await app.commands.execute('notebook:run-all-cells')"
        self.run("all cells to run", command, seconds=CHAPTER_S)

    def run_new_cell(self, text: str) -> int:
        """Type `text` into a new cell at the end, run it, and return its number."""
        self.run(
            "a new cell at the end",
            "panel.content.activeCellIndex = panel.content.widgets.length - 1;"
            "await app.commands.execute('notebook:insert-cell-below');"
            "await panel.content.scrollToItem(panel.content.activeCellIndex);"
            "await app.commands.execute('notebook:enter-edit-mode')",
        )
        self.until(
            "the cursor in the new cell",
            "return panel.content.activeCell.node.contains(document.activeElement)"
            " && document.activeElement.isContentEditable",
        )
        self.page.keyboard.insert_text(text)
        typed = "return panel.content.activeCell.model.sharedModel.source === argument"
        self.until("the typed text in the cell", typed, text)
        self.run("the cell to run", "await app.commands.execute('notebook:run-cell')")
        return self.run("its number", "return panel.content.activeCellIndex")

    def cell(self, index: int) -> Locator:
        """The cell of a number, scrolled into view."""
        self.run(
            f"cell {index} in view",
            "panel.content.activeCellIndex = argument;"
            "await panel.content.scrollToItem(argument, 'start')",
            index,
        )
        panel = ".jp-NotebookPanel:not(.lm-mod-hidden)"
        return self.page.locator(f'{panel} .jp-Cell[data-windowed-list-index="{index}"]')

    def find(self, text: str) -> int:
        """The number of the first code cell whose source has `text`."""
        for index, cell in enumerate(self.cells()):
            if cell["cell_type"] == "code" and text in cell["source"]:
                return index
        raise AssertionError(f"no code cell has {text!r}")

    def cells(self) -> list[dict]:
        """The cells of the notebook in front, as they would be saved."""
        return self.run("the notebook's cells", "return panel.content.model.toJSON().cells")

    def close(self) -> None:
        """Close the tab in front as it is."""
        self.run("its tab to close", "await panel.context.revert(); panel.close()")

    def save_and_close(self) -> None:
        """Save the notebook in front, end its kernel and close its tab."""
        self.run(
            "the notebook to be saved",
            "await panel.context.save(); await panel.sessionContext.shutdown(); panel.close()",
        )
