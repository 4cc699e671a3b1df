"""What a person does, clicked through in a browser while a script logs."""

from __future__ import annotations

import math
import re

import pytest
import requests
from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import LoggedRun, picture
from tests.servers.platform import Platform

TABS = ["overview", "charts", "images", "metadata", "logs", "files", "checkpoints", "source", "system"]


def card(page: Page, path: str):
    return page.locator(f'[data-path="{path}"].chart-card')


def test_a_visitor_signs_in_and_finds_a_run_by_its_table(visitor: Page, live_platform: Platform, run: LoggedRun):
    run.append("metrics/loss", [0.5, 0.25])
    visitor.goto(f"/{live_platform.project}/")
    expect(visitor).to_have_url(re.compile("/login"))
    visitor.fill("input[name=username]", live_platform.user)
    visitor.fill("input[name=password]", live_platform.password)
    visitor.click("form button")
    expect(visitor).to_have_url(f"{live_platform.url}/{live_platform.project}/")
    visitor.get_by_role("link", name=run.id).click()
    expect(visitor.locator("h1")).to_contain_text(run.id)
    expect(visitor.locator("#metrics")).to_contain_text("0.25")


def test_a_new_run_appears_in_the_table_without_a_reload(page: Page, live_platform: Platform, run: LoggedRun):
    page.goto(f"/{live_platform.project}/")
    expect(page.locator(f'[data-run="{run.uuid}"]')).to_be_visible()
    page.evaluate("window.isTheSamePage = true")
    newer = LoggedRun(live_platform, "appears by itself")
    expect(page.locator(f'[data-run="{newer.uuid}"]')).to_be_visible(timeout=15_000)
    assert page.evaluate("window.isTheSamePage")


def test_columns_are_chosen_from_the_catalogue_and_kept_in_the_address(
    page: Page, live_platform: Platform, run: LoggedRun
):
    run.assign("parameters/column_under_test", 0.125)
    page.goto(f"/{live_platform.project}/?columns=none")
    page.locator("[data-columns-menu] summary").click()
    page.get_by_label("Find an attribute").fill("column_under_test")
    page.get_by_text("parameters/column_under_test", exact=True).click()
    row = page.locator(f'[data-run="{run.uuid}"]')
    expect(row).to_contain_text("0.125")
    assert "column=parameters%2Fcolumn_under_test" in page.url
    page.reload()
    expect(row).to_contain_text("0.125")


def test_a_chart_moves_while_points_arrive(page: Page, run: LoggedRun):
    run.append("metrics/loss", [1.0, 0.9, 0.8])
    page.goto(f"{run.path}/charts")
    chart = card(page, "metrics/loss")
    expect(chart).to_contain_text("3 points")
    expect(chart.locator("canvas")).to_be_visible()
    page.evaluate("window.isTheSamePage = true")
    before = chart.locator("canvas").screenshot()
    run.append("metrics/loss", [0.4, 0.3])
    expect(chart).to_contain_text("5 points")
    expect(chart.locator(".chart-last")).to_have_text("0.3")
    run.append("metrics/brand_new", [7.0])
    expect(card(page, "metrics/brand_new")).to_contain_text("1 point", timeout=15_000)
    assert page.evaluate("window.isTheSamePage")
    assert chart.locator("canvas").screenshot() != before


def test_dragging_asks_the_server_for_the_range_and_a_double_click_goes_back(page: Page, run: LoggedRun):
    run.append("metrics/long", [math.sin(i / 500) + (i % 7) / 20 for i in range(40_000)])
    page.goto(f"{run.path}/charts")
    chart = card(page, "metrics/long")
    expect(chart).to_contain_text(re.compile(r"of 40\s000 points"))
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if "from=" in request.url else None)
    box = chart.locator("canvas").bounding_box()
    assert box is not None
    across, middle = box["width"], box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + across * 0.5, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + across * 0.52, middle, steps=5)
    page.mouse.move(box["x"] + across * 0.6, middle, steps=5)
    with page.expect_response(lambda response: "from=" in response.url) as answered:
        page.mouse.up()
    series = answered.value.json()["series"][0]
    assert 1_000 < series["total"] < 20_000
    assert len(series["values"]) > 500  # as fine as the whole was, of a tenth of it
    expect(chart).to_contain_text("in this range")
    chart.locator("canvas").dblclick()
    expect(chart).to_contain_text(re.compile(r"of 40\s000 points"))
    expect(chart).not_to_contain_text("in this range")
    assert len(asked) == 1


def test_how_charts_are_drawn_is_kept_in_the_address(page: Page, run: LoggedRun):
    run.append("metrics/loss", [1.0, 0.1, 0.01])
    run.append("other/speed", [1.0])
    page.goto(f"{run.path}/charts")
    page.get_by_role("button", name="Relative").click()
    page.get_by_label("Log scale").check()
    page.get_by_label("Filter series").fill("/^metrics/")
    expect(card(page, "other/speed")).to_be_hidden()
    expect(page.locator("[data-board-count]")).to_have_text("1 of 2 series")
    page.reload()
    expect(page.get_by_role("button", name="Relative")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_label("Log scale")).to_be_checked()
    expect(card(page, "metrics/loss")).to_contain_text("3 points")
    expect(card(page, "other/speed")).to_be_hidden()


def test_a_chart_has_a_table_and_shows_what_is_not_a_number(page: Page, run: LoggedRun):
    run.append("metrics/odd", [1.0, "NaN", "Infinity", 2.0])
    page.goto(f"{run.path}/charts")
    chart = card(page, "metrics/odd")
    expect(chart).to_contain_text("2 NaN or ∞")
    chart.hover()
    chart.get_by_role("button", name="Show as a table").click()
    expect(chart.get_by_role("cell", name="NaN")).to_be_visible()
    expect(chart.get_by_role("cell", name="Infinity")).to_be_visible()


def test_the_gallery_goes_through_the_steps(page: Page, run: LoggedRun):
    for step, shade in enumerate([0, 80, 160, 240]):
        run.upload("images/predictions", picture(shade), step=step, extension="png", description=f"shade {shade}")
    run.upload("images/single", picture(99), extension="png")
    page.goto(f"{run.path}/images")
    series = page.locator('[data-path="images/predictions"]')
    expect(series).to_contain_text("4 images")
    expect(series).to_contain_text("shade 240")
    series.get_by_role("slider").fill("1")
    expect(series).to_contain_text("shade 80")
    series.get_by_title("Show full size").click()
    viewer = page.get_by_role("dialog", name="Image")
    expect(viewer).to_contain_text("step 1")
    page.keyboard.press("ArrowRight")
    expect(viewer).to_contain_text("step 2")
    page.keyboard.press("Escape")
    expect(viewer).to_be_hidden()
    expect(series).to_contain_text("shade 160")
    expect(page.locator("figure", has_text="images/single")).to_be_visible()


def test_a_token_is_made_used_and_revoked(page: Page, live_platform: Platform):
    page.goto("/account/tokens")
    page.get_by_label("Name").fill("made in the browser")
    page.get_by_role("button", name="Create token").click()
    token = page.locator("[data-issued-token]").inner_text()
    asked = f"{live_platform.url}/api/v1/projects/"
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.get(asked, headers=headers, timeout=30).status_code == 200
    page.goto("/account/tokens")
    row = page.locator("tr", has_text="made in the browser")
    row.get_by_role("button", name="Revoke").click()
    expect(row.first).to_contain_text("revoked")
    assert requests.get(asked, headers=headers, timeout=30).status_code == 401


def test_output_is_joined_to_lines_follows_and_can_be_searched(page: Page, run: LoggedRun):
    run.say("monitoring/abc/stdout", ["epoch 0", "\n", "epoch ", "1\nprogress 10 %\rprogress 90 %", "\n"])
    page.goto(f"{run.path}/logs")
    lines = page.locator(".log-text")
    expect(lines).to_have_text(["epoch 0", "epoch 1", "progress 90 %"])
    run.say("monitoring/abc/stdout", ["epoch 2\n"])
    expect(lines).to_have_text(["epoch 0", "epoch 1", "progress 90 %", "epoch 2"])
    page.get_by_label("Find in this log").fill("EPOCH")
    expect(page.locator("[data-log-found]")).to_have_text("1 of 3")
    expect(page.locator(".log-line.current")).to_contain_text("epoch 0")


def test_attributes_are_found_in_the_tree(page: Page, run: LoggedRun):
    run.assign("parameters/optimizer/name", "AdamW")
    page.goto(f"{run.path}/metadata")
    page.get_by_role("treeitem", name="optimizer").click()
    expect(page.get_by_role("treeitem", name="AdamW")).to_be_visible()
    page.get_by_label("Find an attribute or a value").fill("adamw")
    expect(page.locator("[data-tree-count]")).to_contain_text("1 of")
    expect(page.get_by_role("treeitem")).to_have_count(1)


def test_name_description_and_tags_are_edited_in_place(page: Page, run: LoggedRun):
    page.goto(f"{run.path}/overview")
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("Name of the run").fill("a better name")
    page.keyboard.press("Enter")
    expect(page.locator("[data-run-name]")).to_have_text("a better name")
    page.get_by_label("Add a tag").fill("reviewed")
    with page.expect_response(lambda response: response.request.method == "PATCH"):
        page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove reviewed")).to_be_visible()
    page.reload()
    expect(page.locator("[data-run-name]")).to_have_text("a better name")
    expect(page.locator("[data-tag-editor]")).to_contain_text("reviewed")


def test_a_live_run_can_be_asked_to_stop(page: Page, run: LoggedRun):
    run.append("metrics/loss", [1.0])
    page.goto(f"{run.path}/overview")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".toast")).to_contain_text("was asked to stop")


def test_the_theme_is_switched_at_once_and_stays(page: Page):
    page.locator(".rail-menu summary").click()
    page.get_by_role("button", name="Dark").click()
    dark = "rgb(15, 21, 25)"
    expect(page.locator("body")).to_have_css("background-color", dark)
    page.reload()
    expect(page.locator("body")).to_have_css("background-color", dark)
    page.locator(".rail-menu summary").click()
    page.get_by_role("button", name="As the device").click()
    expect(page.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")


def test_the_palette_leads_to_a_run(page: Page, live_platform: Platform, run: LoggedRun):
    page.goto(f"/{live_platform.project}/")
    page.keyboard.press("Control+k")
    page.get_by_label("Search projects and runs").fill(run.id)
    expect(page.get_by_role("option", name=run.id).first).to_be_visible()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/e/{run.id}/"))


@pytest.mark.parametrize("tab", TABS)
def test_nothing_is_wider_than_a_phone(tab: str, page: Page, live_platform: Platform, run: LoggedRun):
    run.assign("parameters/" + "long_name_" * 12, "a value that goes on " * 20)
    run.append("metrics/" + "deep/" * 8 + "loss", [1.0])
    run.change(name="A name of sixty characters that has to find its place anyhow", tags=["t" * 200])
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{run.path}/{tab}")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
