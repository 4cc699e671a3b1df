from __future__ import annotations

import re

from runs.models import Run
from runs.services.runs import trash_runs
from tests.web.conftest import assign, floats, log, make_runs

PAGE = "/lab/tutorial/"


def shown_ids(page: str) -> list[str]:
    return re.findall(r'class="run-id">([^<]+)<', page)


def test_the_table_shows_id_name_state_owner_tags_and_last_values(run, alice, sign_in):
    page = sign_in(alice).get(PAGE).content.decode()
    assert shown_ids(page) == ["TUT-1"]
    for text in ("first try", "Running", "alice", "digits", "0.25", "0.1"):
        assert text in page


def test_columns_in_the_address_are_the_columns_shown(run, alice, sign_in):
    page = sign_in(alice).get(f"{PAGE}?column=parameters/optimizer").content.decode()
    assert re.findall(r'data-column="([^"]+)"', page) == ["parameters/optimizer"]
    assert "Adam" in page
    assert "0.25" not in page


def test_a_table_without_columns_can_be_asked_for(run, alice, sign_in):
    assert "data-column=" not in sign_in(alice).get(f"{PAGE}?columns=none").content.decode()


def test_too_many_columns_and_a_bad_cursor_get_a_page_that_says_so(run, alice, sign_in):
    owner = sign_in(alice)
    many = "&".join(f"column=a{number}" for number in range(300))
    for query in (many, "cursor=nonsense"):
        response = owner.get(f"{PAGE}?{query}")
        assert response.status_code == 400
        assert "makes no sense" in response.content.decode()


def test_the_search_finds_names_ids_and_tags(project, run, alice, sign_in):
    make_runs(project, alice, ["second try"])
    owner = sign_in(alice)
    assert shown_ids(owner.get(f"{PAGE}?search=second").content.decode()) == ["TUT-2"]
    assert shown_ids(owner.get(f"{PAGE}?search=digits").content.decode()) == ["TUT-1"]
    assert "No run matches" in owner.get(f"{PAGE}?search=third").content.decode()


def test_more_leads_to_the_next_page_until_all_were_shown(project, alice, sign_in):
    make_runs(project, alice, [f"run {number}" for number in range(7)])
    owner = sign_in(alice)
    address, seen = f"{PAGE}?limit=3&column=metrics/loss", []
    for _ in range(3):
        page = owner.get(address).content.decode()
        seen += shown_ids(page)
        more = re.search(r'href="(\?[^"]+)" data-more', page)
        address = f"{PAGE}{more.group(1).replace('&amp;', '&')}&limit=3" if more else ""
    assert seen == [f"TUT-{number}" for number in range(7, 0, -1)]
    assert address == ""


def test_the_trash_is_a_view_of_its_own(project, alice, sign_in):
    first, _ = make_runs(project, alice, ["one", "two"])
    trash_runs([first])
    owner = sign_in(alice)
    assert shown_ids(owner.get(PAGE).content.decode()) == ["TUT-2"]
    assert shown_ids(owner.get(f"{PAGE}?trashed=1").content.decode()) == ["TUT-1"]


def test_a_project_without_runs_teaches_the_next_lines(project, alice, sign_in):
    page = sign_in(alice).get(PAGE).content.decode()
    assert "export NEPTUNE_PROJECT=&quot;lab/tutorial&quot;" in page or 'NEPTUNE_PROJECT="lab/tutorial"' in page


def test_the_number_of_queries_does_not_grow_with_runs(project, alice, sign_in, django_assert_max_num_queries):
    make_runs(project, alice, [f"run {number}" for number in range(40)])
    client = sign_in(alice)
    with django_assert_max_num_queries(18):
        page = client.get(f"{PAGE}?limit=1").content.decode()
    assert len(shown_ids(page)) == 1
    with django_assert_max_num_queries(18):
        page = client.get(PAGE).content.decode()
    assert len(shown_ids(page)) == 40


def test_what_was_logged_never_becomes_markup(project, alice, sign_in):
    canary = "<script>alert(1)</script>"
    run: Run = make_runs(project, alice, [canary])[0]
    log(run, assign(f"parameters/{canary}", canary), floats(f"metrics/{canary}", [1.0]))
    owner = sign_in(alice)
    for address in (PAGE, "/", f"{PAGE}e/TUT-1/overview", f"{PAGE}e/TUT-1/files", f"{PAGE}?search={canary}"):
        assert canary not in owner.get(address).content.decode()


def test_a_click_on_a_head_sorts_and_another_turns_round(project, alice, sign_in):
    for number, name in enumerate(["one", "two", "three"]):
        log(make_runs(project, alice, [name])[0], assign("score", [0.2, 0.9, 0.5][number]))
    owner = sign_in(alice)
    page = owner.get(f"{PAGE}?column=score").content.decode()
    address = re.search(r'class="sort" href="([^"]*sort=score[^"]*)"', page).group(1).replace("&amp;", "&")
    down = owner.get(f"{PAGE}{address}").content.decode()
    assert shown_ids(down) == ["TUT-2", "TUT-3", "TUT-1"]
    assert 'aria-sort="descending"' in down
    turned = re.search(r'class="sort" href="([^"]*sort=score[^"]*)"', down).group(1).replace("&amp;", "&")
    up = owner.get(f"{PAGE}{turned}").content.decode()
    assert shown_ids(up) == ["TUT-1", "TUT-3", "TUT-2"]
    assert 'aria-sort="ascending"' in up


def test_conditions_filter_and_what_is_wrong_with_them_is_told(project, alice, sign_in):
    make_runs(project, alice, ["one", "two"])
    owner = sign_in(alice)
    found = owner.get(f"{PAGE}?query=sys/name CONTAINS 'tw'").content.decode()
    assert shown_ids(found) == ["TUT-2"]
    assert "1 run matches" in found
    wrong = owner.get(f"{PAGE}?query=sys/name CONTAINS")
    assert wrong.status_code == 200
    assert "The query ends too early." in wrong.content.decode()
    assert "at character 18" in wrong.content.decode()
    assert "No run meets" in owner.get(f"{PAGE}?query=sys/name = 'x'").content.decode()
