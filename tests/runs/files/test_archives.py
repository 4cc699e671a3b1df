"""Tars that come in and zips that go out."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import tarfile
import tracemalloc
import zipfile
from datetime import UTC, datetime
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projects.exceptions import InvalidInput, TooLarge
from runs.files import archives
from runs.files.archives import (
    BadArchive,
    Member,
    RefusedMember,
    ZipEntry,
    member_path_problem,
    read_tar_gz,
    zip_chunks,
)
from runs.models import FileEntry, StoredFile
from runs.operations import AddFiles
from runs.selectors.files import list_directory, member_entry, set_members, zip_of_set
from runs.services.files import read_range
from runs.services.filesets import store_tar_gz
from tests.runs.files.conftest import apply, blobs_in

NOW = datetime(2024, 2, 29, 12, 30, tzinfo=UTC)


def tar_gz(members: dict[str, bytes], *infos: tarfile.TarInfo, **options) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w|gz", **options) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in infos:
            archive.addfile(info, io.BytesIO(b"\0" * info.size))
    return output.getvalue()


def in_pieces(data: bytes, size: int = 1000):
    return (data[start : start + size] for start in range(0, len(data), size))


def read(data: bytes) -> dict[str, bytes | str]:
    """Members with their bytes, refused ones with the reason."""
    return {
        member.path: member.reason if isinstance(member, RefusedMember) else b"".join(member.chunks)
        for member in read_tar_gz(in_pieces(data))
    }


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_members_come_out_as_they_went_in():
    members = {"a.txt": b"A" * 100, "dir/b.bin": os.urandom(700_000), "dir/empty": b"", "é/ü.txt": b"x", "./c": b"c"}
    expected = {name.removeprefix("./"): data for name, data in members.items()}
    assert read(tar_gz(members)) == expected
    assert read(tar_gz(members, format=tarfile.GNU_FORMAT)) == expected


def test_directories_are_left_out():
    assert read(tar_gz({"d/a": b"1"}, special("empty", tarfile.DIRTYPE))) == {"d/a": b"1"}


@pytest.mark.parametrize(
    "info",
    [
        special("bad", tarfile.SYMTYPE, "/etc/passwd"),
        special("bad", tarfile.LNKTYPE, "good"),
        special("bad", tarfile.CHRTYPE),
        special("bad", tarfile.BLKTYPE),
        special("bad", tarfile.FIFOTYPE),
        special("bad", b"Z"),
        tarfile.TarInfo("/etc/passwd"),
        tarfile.TarInfo("../../up"),
        tarfile.TarInfo("a/../b"),
        tarfile.TarInfo("a//b"),
        tarfile.TarInfo("a/./b"),
        tarfile.TarInfo("new\nline"),
        tarfile.TarInfo("x" * 801),
    ],
    ids=lambda info: f"{info.name[:12]!r}{info.type.decode()}",
)
def test_a_dangerous_member_is_refused_by_name_and_harms_no_other(info):
    found = read(tar_gz({"good": b"1"}, info, tarfile.TarInfo("last")))
    assert found.pop("good") == b"1"
    assert found.pop("last") == b""
    assert list(found) == [info.name]
    assert isinstance(found[info.name], str)


def sparse_tar() -> bytes:
    info = tarfile.TarInfo("holes")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(10**15)}
    return tar_gz({}, info)


def negative_tar() -> bytes:
    info = tarfile.TarInfo("negative")
    info.pax_headers = {"size": "-512"}
    return tar_gz({}, info)


def long_header_tar() -> bytes:
    return tar_gz({"a": b"", "x" * 100_000: b""}, format=tarfile.GNU_FORMAT)


def damaged_tar() -> bytes:
    plain = bytearray(gzip.decompress(tar_gz({"a": b"1", "b": b"2"})))
    plain[1024:1030] = b"\xff" * 6
    return gzip.compress(bytes(plain))


GOOD = tar_gz({"a": os.urandom(5000)})
BROKEN = {
    "empty": b"",
    "no gzip": b"hello",
    "gzip of no tar": gzip.compress(os.urandom(2000)),
    "cut short": GOOD[: len(GOOD) // 2],
    "checksum missing": GOOD[:-8],
    "wrong checksum": GOOD[:-8] + b"\0" * 8,
    "damaged second header": damaged_tar(),
    "sparse": sparse_tar(),
    "negative size": negative_tar(),
    "long header": long_header_tar(),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_archive_is_an_error_and_leaves_nothing(run, storage_folder, data):
    with pytest.raises(InvalidInput):
        store_tar_gz(run, in_pieces(data))
    assert not StoredFile.objects.exists()
    assert not blobs_in(storage_folder)


def test_a_bomb_stops_early_and_takes_no_memory(run, storage_folder):
    bomb = io.BytesIO()
    with gzip.GzipFile(fileobj=bomb, mode="wb") as packed:
        header = tarfile.TarInfo("zeros")
        header.size = 300 * 1024**2
        packed.write(header.tobuf())
        for _ in range(300):
            packed.write(b"\0" * 1024**2)
    tracemalloc.start()
    with pytest.raises(TooLarge):
        store_tar_gz(run, in_pieces(bomb.getvalue()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 1024**2
    assert not blobs_in(storage_folder)


@pytest.mark.parametrize(("limit", "name"), [(3, "MAX_MEMBERS"), (3000, "MAX_OUTPUT")])
def test_the_limits_are_exact(monkeypatch, limit, name):
    members = {f"{number}": b"" for number in range(3)}
    plain = len(gzip.decompress(tar_gz(members)))
    if name == "MAX_OUTPUT":
        limit = plain
    monkeypatch.setattr(archives, name, limit)
    assert len(read(tar_gz(members))) == 3
    monkeypatch.setattr(archives, name, limit - 1)
    with pytest.raises(BadArchive) as caught:
        read(tar_gz(members))
    assert caught.value.is_too_large


def test_of_two_members_with_one_path_the_later_counts(run, storage_folder):
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w:gz") as archive:
        for data in (b"first", b"second"):
            info = tarfile.TarInfo("same")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    stored = store_tar_gz(run, [output.getvalue()])
    assert b"".join(read_range(stored.files["same"])) == b"second"
    assert len(blobs_in(storage_folder)) == 1


PIECES = [
    "..",
    ".",
    "/",
    "//",
    "\\",
    "%2e%2e",
    "%252f",
    "a",
    "é",
    "C:",
    "\x00",
    "\r\n",
    "~",
    "CON",
    "․․",
    "∕",
    " ",
    ";x",
]
HOSTILE_NAMES = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(HOSTILE_NAMES, min_size=1, max_size=5, unique=True))
def test_hostile_names_are_text_or_refused_and_never_paths(run, storage_folder, opened_files, names):
    """What is stored comes back byte for byte, and no file outside the storage was opened."""
    wanted = {name: name.encode() for name in names if "\x00" not in name}
    opened_files.clear()
    stored = store_tar_gz(run, [tar_gz(wanted)])
    refused = {member.path for member in stored.refused}
    for name, data in wanted.items():
        path = name.rstrip("/").removeprefix("./")
        if path in stored.files:
            assert not member_path_problem(path)
            assert b"".join(read_range(stored.files[path])) in {each.encode() for each in wanted}
        else:
            assert path in refused or not path or data
    apply(run, AddFiles(path="set", members=stored.files, reset=True))
    written = [path for path, mode in opened_files if mode & (os.O_WRONLY | os.O_RDWR)]
    assert all(path.startswith(str(storage_folder)) for path in written)
    read_paths = [path for path, mode in opened_files if str(storage_folder.parent) in path]
    assert all(path.startswith(str(storage_folder)) for path in read_paths)
    with zipfile.ZipFile(io.BytesIO(b"".join(zip_of_set(run, "set")))) as archive:
        for name in archive.namelist()[1:]:
            assert not name.startswith("/")
            assert ".." not in name.split("/")
            assert "\\" not in name


def zipped(members: dict[str, bytes]) -> bytes:
    entries = (ZipEntry(path, NOW, partial(in_pieces, data)) for path, data in members.items())
    return b"".join(zip_chunks(entries))


def test_a_zip_has_the_root_every_directory_and_files_without_a_leading_slash(tmp_path):
    members = {"a/b/c.txt": b"C" * 10_000, "a/d.png": os.urandom(100), "e": b"", "a/b/f": b"f"}
    data = zipped(members)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["/", "a/", "a/b/", "a/b/c.txt", "a/d.png", "e", "a/b/f"]
        assert {name: archive.read(name) for name in members} == members
        assert archive.getinfo("e").date_time == (2024, 2, 29, 12, 30, 0)
    if shutil.which("unzip"):
        (tmp_path / "x.zip").write_bytes(data)
        assert subprocess.run(["unzip", "-tqq", tmp_path / "x.zip"], check=False, capture_output=True).returncode <= 1


def test_an_empty_set_is_a_zip_too(run):
    apply(run, AddFiles(path="set", members={}))
    with zipfile.ZipFile(io.BytesIO(b"".join(zip_of_set(run, "set")))) as archive:
        assert archive.namelist() == ["/"]


def test_zipping_takes_no_memory_whatever_the_size():
    block = os.urandom(1024**2)
    entry = ZipEntry("big.bin", NOW, lambda: (block for _ in range(200)))
    tracemalloc.start()
    total = sum(len(chunk) for chunk in zip_chunks([entry]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total > 200 * 1024**2
    assert peak < 20 * 1024**2


def test_a_set_is_listed_one_level_at_a_time(run):
    stored = store_tar_gz(run, [tar_gz({"a.py": b"1234", "src/b.py": b"12", "src/deep/c.py": b"1", "src0": b"z"})])
    apply(run, AddFiles(path="code", members=stored.files))
    top = list_directory(run, "code")
    assert [(each.name, each.size, each.is_directory) for each in top] == [
        ("src", 3, True),
        ("a.py", 4, False),
        ("src0", 1, False),
    ]
    assert [each.name for each in list_directory(run, "code", "src")] == ["deep", "b.py"]
    assert [each.name for each in list_directory(run, "code", "/src/deep/")] == ["c.py"]
    assert list_directory(run, "code", "nothing") == []
    assert [entry.path for entry in set_members(run, "code")] == ["a.py", "src/b.py", "src/deep/c.py", "src0"]
    assert member_entry(run, "code", "src/b.py").file.size == 2


def test_many_members_are_stored_in_groups(run):
    members = {f"{number:03}": str(number).encode() for number in range(205)}
    stored = store_tar_gz(run, in_pieces(tar_gz(members)))
    apply(run, AddFiles(path="set", members=stored.files))
    assert {entry.path: b"".join(read_range(entry.file)) for entry in FileEntry.objects.all()} == members


def test_a_member_is_streamed(monkeypatch):
    member = next(read_tar_gz(in_pieces(tar_gz({"a": b"x" * 1_000_000}))))
    assert isinstance(member, Member)
    assert max(len(chunk) for chunk in member.chunks) <= archives.PIECE


def test_an_archive_of_nothing_holds_nothing(run):
    assert read(tar_gz({})) == {}
    assert store_tar_gz(run, [tar_gz({}, special("empty", tarfile.DIRTYPE))]).files == {}
