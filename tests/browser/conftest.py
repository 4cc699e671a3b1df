"""A real browser on the real platform. Pages opened in it must stay free of errors, dialogs and blocked content."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.servers.platform import Platform

UPLOADED = "/api/v1/files/"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# Not for the whole session: while Playwright runs, its event loop would keep other tests from using the database.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert path, "Chromium is needed for these tests: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class Watcher:
    """Collects what must not happen on a page."""

    def __init__(self, page: Page) -> None:
        self.problems: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        page.on("dialog", self._dialog)

    def _console(self, message: ConsoleMessage) -> None:
        # What an uploaded page tries in its frame is blocked, and the browser says so: that is how it should be.
        if UPLOADED in message.location["url"] or UPLOADED in message.text:
            return
        if message.type == "error" or "Content Security Policy" in message.text:
            self.problems.append(f"console: {message.text}")

    def _dialog(self, dialog: Any) -> None:
        if dialog.type == "alert":
            self.problems.append(f"dialog: {dialog.message}")
        dialog.accept()


@pytest.fixture
def visitor(chromium: Browser, live_platform: Platform) -> Iterator[Page]:
    """A page of somebody who has not signed in."""
    context = chromium.new_context(base_url=live_platform.url, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(20_000)
    watcher = Watcher(page)
    yield page
    context.close()
    assert watcher.problems == []


@pytest.fixture
def page(visitor: Page, live_platform: Platform) -> Page:
    """A page of the administrator, signed in by the form."""
    visitor.goto("/login")
    visitor.fill("input[name=username]", live_platform.user)
    visitor.fill("input[name=password]", live_platform.password)
    visitor.click("form button")
    visitor.wait_for_url(f"{live_platform.url}/")
    return visitor


class LoggedRun:
    """A run on the live platform and short ways of logging to it."""

    def __init__(self, platform: Platform, name: str) -> None:
        self.http = requests.Session()
        self.http.headers["Authorization"] = f"Bearer {platform.token}"
        self.api = f"{platform.url}/api/v1"
        made = self._sent("POST", f"/projects/{platform.project}/runs/", json={"name": name})
        self.uuid, self.id = made["uuid"], made["sys_id"]
        self.path = f"/{platform.project}/e/{self.id}"
        self._seq = 0

    def log(self, *operations: dict[str, Any]) -> dict[str, Any]:
        self._seq += 1
        body = {"writer": self.uuid, "seq": self._seq, "operations": list(operations)}
        answer = self._sent("POST", f"/runs/{self.uuid}/operations/", json=body)
        assert answer["errors"] == []
        return answer

    def append(self, path: str, values: list[Any]) -> None:
        self.log({"op": "append", "path": path, "values": values})

    def say(self, path: str, pieces: list[str]) -> None:
        """Log text to a string series, as a client does with what a script prints."""
        self.log({"op": "append", "path": path, "type": "string_series", "values": pieces})

    def assign(self, path: str, value: Any) -> None:
        self.log({"op": "assign", "path": path, "value": value})

    def upload(self, path: str, content: bytes, **query: Any) -> None:
        self._sent("PUT", f"/runs/{self.uuid}/files/", params={"path": path, **query}, data=content)

    def change(self, **fields: Any) -> None:
        self._sent("PATCH", f"/runs/{self.uuid}/", json=fields)

    def _sent(self, method: str, address: str, **body: Any) -> dict[str, Any]:
        response = self.http.request(method, self.api + address, timeout=30, **body)
        assert response.ok, response.text
        return response.json() if response.content else {}


@pytest.fixture
def run(live_platform: Platform, request: pytest.FixtureRequest) -> LoggedRun:
    return LoggedRun(live_platform, request.node.name[:80])


def picture(shade: int, size: int = 28) -> bytes:
    """A small PNG of one grey."""
    stream = io.BytesIO()
    Image.new("L", (size, size), shade).save(stream, "PNG")
    return stream.getvalue()
