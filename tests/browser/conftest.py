"""A browser against a running portal: Chromium from Debian, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.services import missing

os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # the tests ask the database beside Playwright's loop


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Ended with its module: Playwright keeps a loop running in this thread, in which no engine could run."""
    executable = shutil.which("chromium")
    if executable is None:
        missing("chromium (apt-get install -y --no-install-recommends chromium)")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    arguments += ["--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Any]:
    """A German browser window; a script error or a refused resource fails the test."""
    context = chromium.new_context(locale="de-AT", viewport={"width": 1440, "height": 900})
    window = context.new_page()
    errors: list[str] = []
    window.on("pageerror", lambda error: errors.append(str(error)))
    window.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield window
    context.close()
    assert errors == []
