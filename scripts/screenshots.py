"""Take pictures of every page of a running server, wide and narrow, light and dark, into ./screenshots.

    python scripts/screenshots.py --run TUT-1                 # server and sign-in from var/first-run.env
    python scripts/screenshots.py --run TUT-1 --readme all    # the README's pictures, into docs/images

Needs Chromium (Debian: apt-get install chromium). Messages of the browser's console are printed: there should be none.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
WIDTHS = {"wide": (1440, 900), "narrow": (390, 844)}
THEMES = ("light", "dark")
# name -> (page, query, width, theme)
README_PICTURES = {
    "runs-light": ("runs", "", "wide", "light"),
    "run-charts-light": ("charts", "?smoothing=0.6", "wide", "light"),
    "run-charts-dark": ("charts", "?smoothing=0.6", "wide", "dark"),
    "run-images-light": ("images", "", "wide", "light"),
    "run-overview-phone": ("overview", "", "narrow", "light"),
}
TABS = ("overview", "charts", "images", "metadata", "logs", "files", "checkpoints", "source", "system")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Server:
    url: str
    user: str
    password: str
    project: str


def main() -> None:
    options = read_options()
    server = read_server(options.env)
    shots = dict(pages_of(server, options.run))
    wanted = options.only.split(",") if options.only else list(shots)
    options.out.mkdir(exist_ok=True)
    with browser() as chromium:
        for theme in [] if options.readme else options.theme.split(","):
            for width in options.width.split(","):
                page = signed_in(chromium, server, theme, width)
                for name in wanted:
                    take(page, shots[name], options.out / f"{name}-{width}-{theme}.png", full=options.full)
                page.context.close()
        if options.readme:
            take_readme(chromium, server, shots, options.readme)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", type=Path, default=ROOT / "var" / "first-run.env")
    parser.add_argument("--run", default="TUT-1", help="the run whose page is shown")
    parser.add_argument("--only", default="", help="names of pages, separated by commas")
    parser.add_argument("--theme", default=",".join(THEMES))
    parser.add_argument("--width", default=",".join(WIDTHS))
    parser.add_argument("--full", action="store_true", help="the whole length of the page")
    parser.add_argument("--readme", default="", help="the README's pictures to take instead: names, or all")
    parser.add_argument("--out", type=Path, default=ROOT / "screenshots")
    return parser.parse_args()


def read_server(env_file: Path) -> Server:
    """The values that the first start wrote, or those of the environment."""
    lines = env_file.read_text().splitlines() if env_file.is_file() else []
    pairs = (line.removeprefix("export ").partition("=") for line in lines if line.startswith("export "))
    values = {name: value.strip("'\"") for name, _, value in pairs}
    names = ("TRACKING_URL", "TRACKING_USER", "TRACKING_PASSWORD", "NEPTUNE_PROJECT")
    return Server(*(os.environ.get(name) or values[name] for name in names))


def pages_of(server: Server, run: str) -> Iterator[tuple[str, str]]:
    project = f"{server.url}/{server.project}"
    yield "login", f"{server.url}/login"
    yield "home", f"{server.url}/"
    yield "new", f"{server.url}/new"
    yield "runs", f"{project}/"
    for tab in TABS:
        yield tab, f"{project}/e/{run}/{tab}"
    yield "tokens", f"{server.url}/account/tokens"
    yield "missing", f"{server.url}/nobody/nothing/"
    yield "admin", f"{server.url}/admin/"
    yield "admin-list", f"{server.url}/admin/runs/run/"


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()


def signed_in(chromium: Browser, server: Server, theme: str, width: str) -> Page:
    across, down = WIDTHS[width]
    context = chromium.new_context(
        viewport={"width": across, "height": down}, color_scheme="dark" if theme == "dark" else "light"
    )
    page = context.new_page()
    page.on("console", lambda message: print(f"console {message.type}: {message.text}"))
    page.on("pageerror", lambda error: print(f"error: {error}"))
    page.goto(f"{server.url}/login")
    page.fill("input[name=username]", server.user)
    page.fill("input[name=password]", server.password)
    page.click("form button")
    page.wait_for_url(f"{server.url}/")
    return page


def take(page: Page, address: str, target: Path, *, full: bool = False) -> None:
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready")
    target.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=target, full_page=full)


def take_readme(chromium: Browser, server: Server, shots: dict[str, str], wanted: str) -> None:
    for name in README_PICTURES if wanted == "all" else wanted.split(","):
        shot, query, width, theme = README_PICTURES[name]
        page = signed_in(chromium, server, theme, width)
        take(page, shots[shot] + query, ROOT / "docs" / "images" / f"{name}.png")
        page.context.close()


if __name__ == "__main__":
    main()
