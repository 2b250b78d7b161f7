"""One browser for all tests of a report's page."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.report.browser import Browser, program


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A running Chromium; where there is none the tests are left out, but not where they count."""
    if program() is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium: apt-get install chromium")
    started = Browser(tmp_path_factory.mktemp("browser"))
    yield started
    started.close()
