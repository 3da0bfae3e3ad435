"""Shared by the tests of tasks: the inputs of a report."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.report import inputs

from fusemine.tasks.report.model import ReportInputs

Make = Callable[..., ReportInputs]


@pytest.fixture(scope="session")
def make() -> Make:
    """A function that makes the inputs of a report; anything named replaces what it would make."""
    return inputs.make


@pytest.fixture(scope="session")
def make_numbers() -> Make:
    """A function that makes the inputs of a report on a label that is a number."""
    return inputs.make_numbers
