import hashlib
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from runs.models import FileEntry, StoredFile
from runs.services.previews import describe_checkpoint, make_thumbnails
from tests.api.conftest import refused

HTML = b"<!DOCTYPE html><html><script>alert(document.cookie)</script></html>"


def picture(colour: str = "red") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (640, 400), colour).save(stream, "PNG")
    return stream.getvalue()


def body_of(response) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


@pytest.fixture
def upload(api, run):
    """Upload bytes and return the answer."""

    def put(query: str, content: bytes = b"some bytes"):
        return api.put(f"runs/{run.uuid}/files/?{query}", data=content, content_type="application/octet-stream")

    return put


def test_a_file_comes_back_as_it_was_sent(api, run, upload):
    content = bytes(range(256)) * 1000
    answer = upload("path=model&extension=bin", content)
    assert answer.status_code == 201
    assert answer.json()["sha256"] == hashlib.sha256(content).hexdigest()
    response = api.get(answer.json()["file_url"])
    assert body_of(response) == content
    assert response.headers["Content-Disposition"] == 'attachment; filename="model.bin"'
    listed = api.get(f"runs/{run.uuid}/files/?path=model").json()["results"]
    assert [(each["name"], each["size"], each["is_directory"]) for each in listed] == [
        ("model.bin", len(content), False)
    ]
    assert body_of(api.get(listed[0]["file_url"])) == content


def test_an_empty_file_is_a_file(api, upload):
    assert body_of(api.get(upload("path=nothing", b"").json()["file_url"])) == b""


def test_a_file_set_is_listed_directory_by_directory(api, run, upload):
    for member in ("train.py", "models/net.py", "models/parts/head.py"):
        assert upload(f"path=source_code/files&member={member}", member.encode()).status_code == 201

    def listed(query: str) -> list[tuple[str, bool]]:
        results = api.get(f"runs/{run.uuid}/files/?path=source_code/files&{query}").json()["results"]
        return [(each["member"], each["is_directory"]) for each in results]

    assert listed("") == [("models", True), ("train.py", False)]
    assert listed("inside=models") == [("models/parts", True), ("models/net.py", False)]
    first = api.get(f"runs/{run.uuid}/files/?path=source_code/files&limit=1").json()
    second = api.get(f"runs/{run.uuid}/files/?path=source_code/files&limit=1&cursor={first['next']}").json()
    assert ([each["member"] for each in second["results"]], second["next"]) == (["train.py"], None)


def test_all_files_of_a_run_are_listed_by_path(api, run, upload):
    for path in ("b", "a", "c"):
        upload(f"path={path}")
    first = api.get(f"runs/{run.uuid}/files/?limit=2").json()
    assert [each["path"] for each in first["results"]] == ["a", "b"]
    second = api.get(f"runs/{run.uuid}/files/?limit=2&cursor={first['next']}").json()
    assert [each["path"] for each in second["results"]] == ["c"]


def test_a_list_of_files_costs_the_same_number_of_queries_however_long(api, run, upload, django_assert_max_num_queries):
    for n in range(15):
        upload(f"path=set&member=f{n}")
        upload(f"path=file{n:02}")
    for query in ("path=set", ""):
        with django_assert_max_num_queries(14):
            assert len(api.get(f"runs/{run.uuid}/files/?{query}").json()["results"]) == 15


def test_another_kind_at_the_path_is_a_conflict_before_the_bytes_are_taken(api, run, upload):
    upload("path=x")
    answer = refused(upload("path=x&member=y"), 409, "type_conflict")
    assert (answer["have"], answer["sent"]) == ("file", "file_set")
    assert StoredFile.objects.count() == 1


def test_bytes_that_no_attribute_can_refer_to_are_removed_again(upload):
    upload("path=a")
    refused(upload("path=a/b"), 409, "type_conflict")
    refused(upload("path=sys/custom_run_id"), 400, "read_only")
    assert StoredFile.objects.count() == 1


@pytest.mark.parametrize(
    "query",
    [
        "",
        "path=",
        "path=/x",
        "path=x/",
        "path=a%00b",
        "path=a%0Ab",
        "path=x&extension=a/b",
        "path=x&extension=a%5Cb",
        "path=x&member=../../etc/passwd",
        "path=x&member=a/./b",
        "path=x&member=/etc/passwd",
        "path=x&member=",
        "path=x&step=NaN",
        "path=x&step=1&member=y",
        "path=x&timestamp=-1",
        "path=x&storage_key=y",
    ],
)
def test_faulty_parameters_are_refused_and_store_nothing(upload, query):
    refused(upload(query), 400, "invalid")
    assert not StoredFile.objects.exists()


def test_a_file_over_the_limit_is_refused(upload, settings):
    settings.MAX_FILE_BYTES = 100
    assert refused(upload("path=x", b"x" * 101), 413, "too_large")["limit"] == 100
    assert upload("path=x", b"x" * 100).status_code == 201


def test_a_file_cut_short_is_refused_and_stores_nothing(api, run):
    response = api.put(f"runs/{run.uuid}/files/?path=x", CONTENT_LENGTH="8", **{"wsgi.input": io.BytesIO(b"half")})
    assert refused(response, 400, "malformed_body")["position"] == 4
    assert not StoredFile.objects.exists()


@pytest.mark.parametrize(
    ("wanted", "status", "expected", "content_range"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=5-999", 206, b"56789", "bytes 5-9/10"),
        ("bytes=0-0", 206, b"0", "bytes 0-0/10"),
        ("bytes=0-1,3-4", 200, b"0123456789", None),
        ("bytes=4-2", 200, b"0123456789", None),
        ("bytes=-", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
        ("bytes=x-y", 200, b"0123456789", None),
    ],
)
def test_a_part_of_a_file_is_read(api, upload, wanted, status, expected, content_range):
    address = upload("path=x", b"0123456789").json()["file_url"]
    response = api.get(address, headers={"Range": wanted})
    assert (response.status_code, body_of(response)) == (status, expected)
    assert response.headers.get("Content-Range") == content_range
    assert response.headers["Content-Length"] == str(len(expected))


def test_a_part_outside_the_file_is_refused_with_its_size(api, upload):
    address = upload("path=x", b"0123456789").json()["file_url"]
    for wanted in ("bytes=10-", "bytes=99-100", "bytes=-0"):
        response = api.get(address, headers={"Range": wanted})
        assert refused(response, 416, "range_not_satisfiable")["size"] == 10
        assert response.headers["Content-Range"] == "bytes */10"


def test_what_the_caller_has_already_is_not_sent_again(api, upload):
    address = upload("path=x").json()["file_url"]
    tag = api.get(address).headers["ETag"]
    again = api.get(address, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    other = api.get(address, headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert other.status_code == 200


@pytest.mark.parametrize(
    ("extension", "content", "content_type", "shown"),
    [
        ("png", picture(), "image/png", "inline"),
        ("txt", b"plain", "text/plain; charset=utf-8", "inline"),
        ("py", b"print('x')", "text/plain; charset=utf-8", "inline"),
        ("csv", b"a,b\n", "text/plain; charset=utf-8", "inline"),
        ("json", b"{}", "text/plain; charset=utf-8", "inline"),
        ("html", HTML, "application/octet-stream", "attachment"),
        ("svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "text/plain; charset=utf-8", "inline"),
        ("pdf", b"%PDF-1.7", "application/pdf", "attachment"),
        ("png", HTML, "text/plain; charset=utf-8", "inline"),
        ("js", b"alert(1)", "text/plain; charset=utf-8", "inline"),
        ("bin", b"\x00\x01", "application/octet-stream", "attachment"),
    ],
)
def test_uploaded_bytes_are_data_whatever_they_claim(api, upload, extension, content, content_type, shown):
    address = upload(f"path=x&extension={extension}", content).json()["file_url"]
    response = api.get(address)
    assert response.headers["Content-Type"] == content_type
    assert response.headers["Content-Disposition"].startswith(shown)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert api.get(f"{address}?download=true").headers["Content-Disposition"].startswith("attachment")


def test_html_is_shown_as_a_preview_without_rights(api, upload):
    address = upload("path=page&extension=html", HTML).json()["file_url"]
    response = api.get(f"{address}?preview=true")
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Content-Disposition"].startswith("inline")
    policy = response.headers["Content-Security-Policy"].split("; ")
    assert "sandbox" in policy
    assert "allow-" not in str(policy)
    assert not any(part.startswith("script-src") for part in policy)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(max_size=60)
    | st.sampled_from(['a"b\r\nX: y', "../../etc/passwd", "a;b=c", "名前.png", "\u202egnp.exe"])
)
def test_no_name_spoils_the_headers(api, upload, name):
    entry = FileEntry.objects.first()
    if entry is None:
        upload("path=x", b"bytes")
        entry = FileEntry.objects.get()
    # What no database would take as text never gets as far as a name.
    FileEntry.objects.update(name=name.encode(errors="replace").decode().replace("\x00", "\x01"))
    response = api.get(f"files/{entry.file.uuid}/content?entry={entry.pk}")
    assert response.status_code == 200
    disposition = response.headers["Content-Disposition"]
    assert disposition.isprintable()
    assert disposition.isascii()
    assert disposition.startswith(("inline", "attachment"))


@pytest.mark.parametrize("query", ["entry=0", "entry=x", "entry=99999999999999999999", "preview=maybe", "name=x"])
def test_faulty_parameters_of_a_download_are_refused(api, upload, query):
    refused(api.get(upload("path=x").json()["file_url"] + f"?{query}"), 400, "invalid")


def test_a_file_of_others_does_not_exist(as_user, anonymous, upload, charlie, dana):
    address = upload("path=x").json()["file_url"]
    refused(as_user(charlie).get(address), 404, "not_found")
    refused(anonymous.get(address), 401, "not_authenticated")
    assert as_user(dana).get(address).status_code == 200


def test_a_file_that_nothing_refers_to_any_more_does_not_exist(api, upload):
    address = upload("path=x", b"first").json()["file_url"]
    upload("path=x", b"second")
    refused(api.get(address), 404, "not_found")


class TestImages:
    def test_a_series_is_shown_step_by_step(self, api, run, upload):
        for step in (0, 5, 10):
            upload(f"path=predictions&step={step}&name=epoch%20{step}&description=seven", picture())
        for file in StoredFile.objects.all():
            make_thumbnails(file)
        address = f"runs/{run.uuid}/images/?path=predictions"
        first = api.get(f"{address}&limit=2").json()
        assert [(image["step"], image["name"]) for image in first["results"]] == [(0, "epoch 0"), (5, "epoch 5")]
        assert (first["total"], first["next_step"]) == (3, 10)
        image = first["results"][0]
        assert (image["width"], image["height"], image["description"]) == (640, 400, "seven")
        assert set(image["thumbnails"]) == {"160", "480"}
        rest = api.get(f"{address}&cursor={first['next']}").json()
        assert rest["results"] == api.get(f"{address}&from_step=5.5").json()["results"]
        assert rest["next"] is None
        thumbnail = api.get(image["thumbnail_url"])
        assert thumbnail.headers["Content-Type"] == "image/webp"
        assert thumbnail.headers["X-Content-Type-Options"] == "nosniff"
        assert Image.open(io.BytesIO(body_of(thumbnail))).width == 480
        again = api.get(image["thumbnail_url"], headers={"If-None-Match": thumbnail.headers["ETag"]})
        assert again.status_code == 304

    def test_a_picture_without_a_small_version_says_so(self, api, run, upload):
        made = upload("path=predictions&step=0", picture()).json()
        refused(api.get(f"files/{made['uuid']}/thumbnail/160"), 404, "not_found")
        refused(api.get(f"files/{made['uuid']}/thumbnail/5"), 404, "not_found")
        (image,) = api.get(f"runs/{run.uuid}/images/?path=predictions").json()["results"]
        assert (image["thumbnail_url"], image["thumbnails"]) == (None, {})

    def test_single_pictures_are_listed(self, api, run, upload):
        upload("path=confusion_matrix&extension=png", picture())
        upload("path=notes&extension=txt", b"text")
        (image,) = api.get(f"runs/{run.uuid}/images/").json()["results"]
        assert (image["path"], image["step"]) == ("confusion_matrix", None)

    def test_a_list_costs_the_same_number_of_queries_however_long(
        self, api, run, upload, django_assert_max_num_queries
    ):
        for step in range(12):
            upload(f"path=predictions&step={step}", picture())
            upload(f"path=single/{step}", picture())
        for query in ("path=predictions", ""):
            with django_assert_max_num_queries(10):
                assert len(api.get(f"runs/{run.uuid}/images/?{query}").json()["results"]) == 12

    @pytest.mark.parametrize("query", ["from_step=x", "from_step=NaN", "limit=0", "path=%00"])
    def test_faulty_parameters_are_refused(self, api, run, query):
        refused(api.get(f"runs/{run.uuid}/images/?{query}"), 400, "invalid")


def test_checkpoints_are_listed_with_what_is_known_of_them(api, run, upload):
    import numpy as np

    stream = io.BytesIO()
    np.savez(stream, weights=np.zeros((3, 4), dtype=np.float32))
    upload("path=checkpoints/last&extension=npz", stream.getvalue())
    upload("path=notes&extension=txt", b"text")
    describe_checkpoint(StoredFile.objects.order_by("pk")[0])
    (checkpoint,) = api.get(f"runs/{run.uuid}/checkpoints/").json()["results"]
    assert checkpoint["path"] == "checkpoints/last"
    assert "weights" in str(checkpoint["facts"])
    assert checkpoint["state"] in {"queued", "running", "done"}
    refused(api.get(f"runs/{run.uuid}/checkpoints/?limit=0"), 400, "invalid")
