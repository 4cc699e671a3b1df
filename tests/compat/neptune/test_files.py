"""Uploads and downloads on the Neptune wire."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from urllib.parse import urlencode

import pytest

from runs.models import FileEntry, StoredFile
from tests.compat.neptune.conftest import ATTRIBUTES, BOARD

FILE = f"{ATTRIBUTES}/storage/file/upload"
MEMBER = f"{ATTRIBUTES}/storage/fileset/upload"
TAR = f"{ATTRIBUTES}/uploadFileSetTar"
MISMATCH = b"Length of stream does not match given range"


def upload(wire, run, content, attribute="f", ext="bin"):
    return wire.post(FILE, content, experimentIdentifier=run, attribute=attribute, ext=ext)


def download(wire, run, attribute="f"):
    answer = wire.get(f"{ATTRIBUTES}/download", experimentId=run, attribute=attribute)
    assert answer.status_code == 200
    return answer


def tar(*members, mode="w:gz"):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if content is None:
                info.type = tarfile.DIRTYPE
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def unzipped(wire, run, attribute):
    query = {"experimentId": run, "attribute": attribute}
    ticket = wire.post(f"{ATTRIBUTES}/downloadFileSetZipRequest", **query).json()
    assert ticket["downloadUrl"] is None
    ready = wire.get(f"{BOARD}/download/downloadRequest", id=ticket["id"]).json()
    path = ready["downloadUrl"].split("/", 3)[3]
    answer = wire.client.get(f"/{path}", headers=wire.headers)
    assert answer["Content-Disposition"] == f'attachment; filename="{attribute.rsplit("/", 1)[-1]}.zip"'
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("content", [b"", b"hello", os.urandom(3_000_000)], ids=["empty", "small", "large"])
def test_a_file_comes_back_byte_by_byte(wire, run, content):
    answer = upload(wire, run, content)
    assert answer.content == b'{"errors":[]}'
    back = download(wire, run)
    assert b"".join(back.streaming_content) == content
    assert back["Content-Length"] == str(len(content))
    assert back["Content-Disposition"] == 'attachment; filename="f.bin"'


def test_a_file_may_have_no_extension_and_any_name(wire, run):
    upload(wire, run, b"x", attribute='a/b "c" ü', ext="")
    assert download(wire, run, 'a/b "c" ü')["Content-Disposition"] == 'attachment; filename="b _c_ _"'
    properties = wire.get(f"{ATTRIBUTES}/files", experimentId=run, attribute='a/b "c" ü').json()
    assert (properties["ext"], properties["size"]) == ("", 1)


def test_a_later_file_replaces_the_one_before(wire, run):
    for content in (b"one", b"two"):
        upload(wire, run, content)
    assert b"".join(download(wire, run).streaming_content) == b"two"
    assert StoredFile.objects.filter(orphaned_at__isnull=True).count() == 1


def test_a_file_to_a_path_of_another_type_is_an_error_item(wire, run):
    wire.log(run, {"path": "f", "assignInt": {"value": 1}})
    answer = upload(wire, run, b"x")
    assert answer.status_code == 200
    (error,) = answer.json()["errors"]
    assert "f has the type int" in error["errorDescription"]
    assert not FileEntry.objects.exists()


def test_an_upload_that_ends_too_early_has_the_text_that_makes_the_client_begin_again(wire, run):
    answer = wire.client.post(
        f"{FILE}?experimentIdentifier={run}&attribute=f&ext=bin",
        data=b"only this",
        content_type="application/octet-stream",
        headers=wire.headers,
        **{"CONTENT_LENGTH": "100", "wsgi.input": io.BytesIO(b"only this")},
    )
    assert answer.status_code == 400
    assert MISMATCH in answer.content
    assert not FileEntry.objects.exists()


class Parts:
    """A file in parts, as the clients send it."""

    def __init__(self, wire, run, content, path=FILE, **extra):
        self.wire, self.content, self.path = wire, content, path
        self.target = {"experimentIdentifier": run, "attribute": "big"}
        self.member = {"subPath": extra["subPath"]} if "subPath" in extra else {}
        started = wire.post(f"{path}/start", **self.target, **extra, totalLength=len(content)).json()
        assert started["errors"] == []
        self.id = started["uploadId"]

    def send(self, number, first, last, content=None, total=None):
        return self.wire.client.post(
            f"{self.path}/part?{self._query()}&uploadPartIdx={number}",
            data=self.content[first:last] if content is None else content,
            content_type="application/octet-stream",
            headers={**self.wire.headers, "X-Range": f"bytes={first}-{last - 1}/{total or len(self.content)}"},
        )

    def finish(self):
        return self.wire.post(f"{self.path}/finish", **self.target, **self.member, uploadId=self.id)

    def _query(self):
        return urlencode({**self.target, **self.member, "uploadId": self.id})


def test_a_file_in_parts_comes_back_whole(wire, run):
    parts = Parts(wire, run, os.urandom(5000), ext="ckpt")
    for number, first in enumerate(range(0, 5000, 2000)):
        assert parts.send(number, first, min(first + 2000, 5000)).content == b'{"errors":[]}'
    assert parts.finish().json() == {"errors": []}
    assert parts.finish().json() == {"errors": []}  # a finish whose answer was lost is sent again
    back = download(wire, run, "big")
    assert b"".join(back.streaming_content) == parts.content
    assert back["Content-Disposition"] == 'attachment; filename="big.ckpt"'


def test_a_member_of_a_set_in_parts_comes_back_whole(wire, run):
    parts = Parts(wire, run, b"0123456789", path=MEMBER, subPath="data/x.bin")
    parts.send(1, 5, 10)
    parts.send(0, 0, 5)
    parts.send(0, 0, 5)
    assert parts.finish().json() == {"errors": []}
    assert unzipped(wire, run, "big") == {"/": b"", "data/": b"", "data/x.bin": b"0123456789"}


def test_a_part_that_is_not_as_long_as_announced_has_the_text_that_the_clients_know(wire, run):
    parts = Parts(wire, run, b"0123456789", ext="")
    answer = parts.send(0, 0, 5, content=b"01")
    assert answer.status_code == 400
    assert MISMATCH in answer.content


def test_a_mismatch_again_and_again_makes_the_client_pause(wire, run):
    parts = Parts(wire, run, b"0123456789", ext="")
    answers = [parts.send(0, 0, 5, content=b"01") for _ in range(6)]
    assert answers[-1].status_code == 429
    assert int(answers[-1]["Retry-After"]) > 0


def test_finishing_with_bytes_missing_makes_the_client_begin_again(wire, run):
    parts = Parts(wire, run, b"0123456789", ext="")
    parts.send(0, 0, 5)
    answer = parts.finish()
    assert answer.status_code == 400
    assert MISMATCH in answer.content


@pytest.mark.parametrize(
    "header", ["", "bytes=5-1/10", "0-4/10", "bytes=0-4", "bytes=a-b/c", "bytes=0-99999999999999999999/1"]
)
def test_a_range_that_is_none_is_refused_in_other_words(wire, run, header):
    parts = Parts(wire, run, b"0123456789", ext="")
    answer = wire.client.post(
        f"{FILE}/part?experimentIdentifier={run}&attribute=big&uploadId={parts.id}&uploadPartIdx=0",
        data=b"01234",
        content_type="application/octet-stream",
        headers={**wire.headers, "X-Range": header},
    )
    assert answer.status_code == 400
    assert MISMATCH not in answer.content


def test_an_upload_of_others_can_not_be_joined(wire_of, wire, run, alice):
    parts = Parts(wire, run, b"0123456789", ext="")
    parts.send(0, 0, 10)
    other = wire_of(alice).create_run()["id"]
    answer = wire.post(f"{FILE}/finish", experimentIdentifier=other, attribute="big", uploadId=parts.id)
    assert answer.status_code == 404


@pytest.mark.parametrize("upload_id", ["x", "", "00000000-0000-0000-0000-000000000000", "\x00"])
def test_an_unknown_upload_is_not_there(wire, run, upload_id):
    answer = wire.post(f"{FILE}/finish", experimentIdentifier=run, attribute="big", uploadId=upload_id)
    assert answer.status_code == 404


def test_a_package_of_files_becomes_a_file_set(wire, run):
    package = tar(("a.txt", b"a"), ("dir", None), ("dir/b.txt", b"bb"), ("./c.txt", b""), ("ü/x", b"x"))
    answer = wire.post(TAR, package, experimentId=run, attribute="src/files", reset="False")
    assert answer.content == b'{"errors":[]}'
    assert unzipped(wire, run, "src/files") == {
        "/": b"",
        "a.txt": b"a",
        "c.txt": b"",
        "dir/": b"",
        "dir/b.txt": b"bb",
        "ü/": b"",
        "ü/x": b"x",
    }


def test_a_package_of_an_empty_directory_makes_an_empty_set(wire, run):
    wire.post(TAR, tar(("dir", None)), experimentId=run, attribute="set", reset="False")
    assert unzipped(wire, run, "set") == {"/": b""}


def test_packages_are_merged_and_a_reset_replaces_all(wire, run):
    query = {"experimentId": run, "attribute": "set"}
    wire.post(TAR, tar(("a", b"1"), ("b", b"1")), **query, reset="False")
    wire.post(MEMBER, b"2", experimentIdentifier=run, attribute="set", subPath="b")
    assert unzipped(wire, run, "set") == {"/": b"", "a": b"1", "b": b"2"}
    wire.post(TAR, tar(("c", b"3")), **query, reset="True")
    assert unzipped(wire, run, "set") == {"/": b"", "c": b"3"}


def test_members_that_lead_out_of_the_set_are_told_and_the_others_stored(wire, run):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, kind in [
            ("/etc/x", b"0"),
            ("../up", b"0"),
            ("a/../b", b"0"),
            ("link", b"2"),
            ("hard", b"1"),
            ("pipe", b"6"),
        ]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        archive.addfile(tarfile.TarInfo("good"))
    answer = wire.post(TAR, packed.getvalue(), experimentId=run, attribute="set")
    assert answer.status_code == 200
    assert len(answer.json()["errors"]) == 6
    assert set(unzipped(wire, run, "set")) == {"/", "good"}


@pytest.mark.parametrize(
    "package",
    [b"", b"no archive", gzip.compress(b"no tar"), tar(("a", b"x" * 5000))[:-40], tar(("a", b"x"), mode="w")],
    ids=["empty", "text", "gzip of text", "cut", "not compressed"],
)
def test_a_broken_package_is_an_error_item_and_stores_nothing(wire, run, package):
    answer = wire.post(TAR, package, experimentId=run, attribute="set")
    assert answer.status_code == 200
    assert len(answer.json()["errors"]) == 1
    assert not FileEntry.objects.exists()
    assert not StoredFile.objects.filter(orphaned_at__isnull=True).exists()


@pytest.mark.parametrize("path", ["/abs", "../up", "a//b", "", "a/./b", "x\x00y"])
def test_a_member_path_that_leads_elsewhere_is_refused(wire, run, path):
    answer = wire.post(MEMBER, b"x", experimentIdentifier=run, attribute="set", subPath=path)
    assert answer.status_code == 400
    assert not FileEntry.objects.exists()


def test_a_file_set_is_listed_level_by_level(wire, run):
    wire.post(TAR, tar(("a.py", b"1234"), ("d/x", b"1"), ("d/e/y", b"22")), experimentId=run, attribute="set")

    def listed(path):
        answer = wire.get(f"{ATTRIBUTES}/ls", experimentId=run, attribute="set", path=path).json()
        return {(each["name"], each["size"], each["fileType"]) for each in answer}

    assert listed("") == listed(".") == {("a.py", 4, "file"), ("d", 3, "directory")}
    assert listed("d") == listed("d/") == {("x", 1, "file"), ("e", 2, "directory")}
    assert listed("none") == set()
    assert wire.get(f"{ATTRIBUTES}/ls", experimentId=run, attribute="none", path="").status_code == 404


@pytest.mark.parametrize("attribute", ["none", "number", "\x00"])
def test_a_download_of_what_is_no_file_is_404(wire, run, attribute):
    wire.log(run, {"path": "number", "assignInt": {"value": 1}})
    assert wire.get(f"{ATTRIBUTES}/download", experimentId=run, attribute=attribute).status_code == 404
    answer = wire.post(f"{ATTRIBUTES}/downloadFileSetZipRequest", experimentId=run, attribute=attribute)
    assert answer.status_code == 404


def test_a_download_ticket_opens_nothing_for_others(wire_of, wire, run, charlie):
    wire.post(MEMBER, b"x", experimentIdentifier=run, attribute="set", subPath="a")
    query = {"experimentId": run, "attribute": "set"}
    ticket = wire.post(f"{ATTRIBUTES}/downloadFileSetZipRequest", **query).json()["id"]
    outsider = wire_of(charlie)
    assert outsider.get(f"{BOARD}/download/downloadRequest", id=ticket).status_code == 404
    assert outsider.get(f"{ATTRIBUTES}/downloadFileSetZip", **query).status_code == 404
    assert wire.get(f"{BOARD}/download/downloadRequest", id=f"{ticket}x").status_code == 404
