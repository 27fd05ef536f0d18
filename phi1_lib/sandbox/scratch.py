"""Temporary folders that a program nobody has read may write into."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch_folder(prefix: str = "phi1-sandbox-") -> Iterator[Path]:
    """A temporary folder, removed afterwards whatever was put into it."""
    folder = tempfile.mkdtemp(prefix=prefix)
    try:
        yield Path(folder)
    finally:
        remove_folder(folder)


def remove_folder(folder: str | Path) -> None:
    """Remove a folder whatever a program has put into it; what cannot be removed stays."""
    try:
        shutil.rmtree(folder)
    except (OSError, RecursionError):
        # Folders without permissions, or nested too deep for rmtree.
        subprocess.run(["chmod", "-R", "u+rwx", folder], check=False, capture_output=True)
        subprocess.run(["rm", "-rf", folder], check=False, capture_output=True)
