"""Lets plain `pytest exercises` grade; what it does is in phi1_lib/course/grading/plugin.py."""

from importlib.util import find_spec

import pytest

PLUGIN = "phi1_lib.course.grading.plugin"


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    for package in ("phi1_lib", "torch"):
        if find_spec(package) is None:
            raise pytest.UsageError(
                f"{package} is not installed for this Python: run `make lab` first, "
                "then `.venv/bin/python -m pytest exercises`"
            )
    pluginmanager.import_plugin(PLUGIN)
