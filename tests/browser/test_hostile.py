"""What people log is text on every page: it never becomes markup, script or a way into the site."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import LoggedRun
from tests.servers.platform import Platform

CANARY = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>{{7*7}}"
TABS = ["overview", "charts", "images", "metadata", "logs", "files", "checkpoints", "source", "system"]
HOSTILE_PAGE = b"""<!doctype html><title>hostile</title><h1>report</h1>
<script>alert(3); parent.document.title = "taken"; localStorage.x = document.cookie;</script>
<img src="x" onerror="alert(4)"><form action="/logout" method="post" target="_top"><button>press</button></form>
<meta http-equiv="refresh" content="0; url=/logout">"""
HOSTILE_PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(5)</script></svg>'


@pytest.fixture
def hostile(run: LoggedRun) -> LoggedRun:
    """A run with the canary in every field that can be written."""
    run.change(name=CANARY, description=CANARY, tags=[CANARY])
    run.assign(f"parameters/{CANARY}", CANARY)
    run.append(f"metrics/{CANARY}", [1.0, 2.0])
    run.append(f"monitoring/{CANARY}/cpu", [1.0, 2.0])
    run.say("monitoring/abc/stdout", [CANARY, "\n"])
    run.upload(f"files/{CANARY}", CANARY.encode(), extension="txt", name=CANARY)
    run.upload("files/table", f"{CANARY},b\n1,{CANARY}\n".encode(), extension="csv")
    run.upload("files/page", HOSTILE_PAGE, extension="html")
    run.upload("files/drawing", HOSTILE_PICTURE, extension="svg")
    run.upload("source_code/files", CANARY.encode(), extension="py", member="a<b>.py")
    run.upload("images/odd", HOSTILE_PICTURE, step=0, extension="svg", name=CANARY, description=CANARY)
    return run


def test_the_canary_stays_text_on_every_page(page: Page, live_platform: Platform, hostile: LoggedRun):
    pages = [f"{hostile.path}/{tab}" for tab in TABS]
    pages += [f"{hostile.path}/files?path=files/table", f"{hostile.path}/files?path=files/drawing"]
    for address in [f"/{live_platform.project}/", "/", *pages]:
        page.goto(address)
        page.wait_for_load_state("networkidle")
        assert page.locator("img[src='x'], script:not([src])").count() == 0
    page.goto(f"{hostile.path}/overview")
    expect(page.locator("[data-run-name]")).to_have_text(CANARY)


def test_an_uploaded_page_runs_nothing_and_reaches_nothing(page: Page, hostile: LoggedRun):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{hostile.path}/files?path=files/page")
    frame = page.frame_locator("iframe.preview-frame")
    expect(frame.locator("h1")).to_have_text("report")
    page.wait_for_load_state("networkidle")
    assert "taken" not in page.title()
    assert not [address for address in asked if address.endswith("/logout")]
    assert page.evaluate("localStorage.length") == 0
    page.goto("/account/tokens")
    expect(page.locator("h1")).to_have_text("API tokens")


def test_an_uploaded_page_opened_by_itself_is_only_a_download(page: Page, hostile: LoggedRun):
    page.goto(f"{hostile.path}/files?path=files/page")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename.endswith(".html")
