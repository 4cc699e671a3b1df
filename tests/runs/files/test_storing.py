"""Bytes go in and come out unchanged, whatever the file is called, and nothing is left behind when that fails."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import stat
import tempfile
import unicodedata
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from projects.exceptions import NotFound, TooLarge, Unavailable
from runs import blobs
from runs.models import FileEntry, Run, StoredFile
from runs.operations import AddFiles, DeleteAttribute
from runs.services.files import claim_files, open_file, read_range, release_files, store_bytes
from tests.runs.files.conftest import apply, assign, blobs_in


def content(file: StoredFile) -> bytes:
    return b"".join(read_range(file))


def test_bytes_come_back_as_they_were_stored(run):
    data = os.urandom(1_000_003)
    file = store_bytes(run, [data[:7], b"", data[7:]])
    assert (file.size, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert content(file) == data
    with open_file(file) as stream:
        stream.seek(500)
        assert stream.read(10) == data[500:510]


def test_no_bytes_are_a_file_too(run):
    file = store_bytes(run, [])
    assert (file.size, content(file)) == (0, b"")


@pytest.mark.parametrize(
    ("start", "length"), [(0, 0), (0, 1), (5, 10), (999_990, 100), (1_000_000, 5), (300_000, None)]
)
def test_a_range_is_the_slice(run, start, length):
    data = os.urandom(1_000_000)
    file = store_bytes(run, [data])
    end = None if length is None else start + length
    assert b"".join(read_range(file, start, length)) == data[start:end]


@pytest.mark.parametrize(("size", "is_accepted"), [(9, True), (10, True), (11, False)])
def test_the_limit_is_exact(run, storage_folder, size, is_accepted):
    if is_accepted:
        assert store_bytes(run, [b"x" * size], limit=10).size == size
        return
    with pytest.raises(TooLarge) as caught:
        store_bytes(run, [b"x"] * size, limit=10)
    assert caught.value.details == {"limit": 10, "got": 11}
    assert not StoredFile.objects.exists()
    assert not blobs_in(storage_folder)


def test_only_the_owner_of_the_process_can_read_the_blobs(run, storage_folder):
    file = store_bytes(run, [b"secret"])
    path = storage_folder / file.storage_key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((storage_folder / blobs.INCOMING_FOLDER).stat().st_mode) == 0o700


def test_what_the_sender_raises_goes_through_and_leaves_nothing(run, storage_folder):
    def cut_short():
        yield b"half"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        store_bytes(run, cut_short())
    assert not StoredFile.objects.exists()
    assert not blobs_in(storage_folder)


@pytest.mark.parametrize("call", ["os.fsync", "tempfile.mkstemp", "pathlib.Path.replace", "pathlib.Path.chmod"])
def test_a_failing_disk_leaves_neither_row_nor_bytes(run, storage_folder, monkeypatch, call):
    """Fails the n-th such system call, for every n until none fails any more."""
    module, _, name = call.rpartition(".")
    owner = {"os": os, "tempfile": tempfile, "pathlib.Path": Path}[module]
    for nth in range(1, 20):
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, failing_at(nth, getattr(owner, name)))
            if storing_succeeds(run):
                assert nth > 1, "the fault never fired"
                assert len(blobs_in(storage_folder)) == 1
                return
        assert not StoredFile.objects.exists()
        assert not blobs_in(storage_folder)
    raise AssertionError("still failing after 20 faults")


def failing_at(nth: int, original):
    """`original`, whose n-th call finds the disk full."""
    numbers = itertools.count(1)

    def call(*arguments, **options):
        if next(numbers) == nth:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(*arguments, **options)

    return call


def storing_succeeds(run: Run) -> bool:
    try:
        file = store_bytes(run, [b"abc", b"def"])
    except Unavailable:
        return False
    assert content(file) == b"abcdef"
    return True


def test_a_row_that_cannot_be_written_leaves_no_bytes(run, storage_folder, monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("the database went away")

    monkeypatch.setattr(StoredFile.objects, "bulk_create", broken)
    with pytest.raises(RuntimeError):
        store_bytes(run, [b"abc"])
    assert not blobs_in(storage_folder)


def test_lost_bytes_are_our_fault_and_not_the_readers(run, storage_folder):
    file = store_bytes(run, [b"abc"])
    (storage_folder / file.storage_key).unlink()
    with pytest.raises(Unavailable):
        read_range(file)


def test_names_that_differ_only_in_case_or_unicode_form_are_different_files(run):
    composed, decomposed = unicodedata.normalize("NFC", "é.txt"), unicodedata.normalize("NFD", "é.txt")
    names = ["a.txt", "A.txt", composed, decomposed]
    members = {name: store_bytes(run, [f"{index}".encode()]) for index, name in enumerate(names)}
    apply(run, AddFiles(path="files", members=members))
    stored = {entry.path: content(entry.file) for entry in FileEntry.objects.filter(run=run)}
    assert stored == {name: f"{index}".encode() for index, name in enumerate(names)}


def test_a_file_counts_for_its_run_from_the_moment_something_refers_to_it(run):
    file = store_bytes(run, [b"12345"])
    run.refresh_from_db()
    assert run.size_bytes == 0
    assert file.orphaned_at is not None
    assign(run, "model", file)
    claim_files([file])
    run.refresh_from_db()
    file.refresh_from_db()
    assert run.size_bytes == 5
    assert file.orphaned_at is None


def test_a_replaced_file_is_an_orphan_and_counts_no_more(run):
    first, second = store_bytes(run, [b"12345"]), store_bytes(run, [b"123"])
    assign(run, "model", first)
    assign(run, "model", second)
    first.refresh_from_db()
    run.refresh_from_db()
    assert first.orphaned_at is not None
    assert run.size_bytes == 3
    apply(run, DeleteAttribute(path="model"))
    run.refresh_from_db()
    assert run.size_bytes == 0


def test_releasing_what_is_still_referred_to_changes_nothing(run):
    file = store_bytes(run, [b"12345"])
    assign(run, "one", file)
    assign(run, "two", file)
    apply(run, DeleteAttribute(path="one"))
    release_files([file.pk])
    run.refresh_from_db()
    file.refresh_from_db()
    assert (run.size_bytes, file.orphaned_at) == (5, None)


def test_bytes_that_nobody_referred_to_in_time_cannot_be_claimed(run):
    file = store_bytes(run, [b"12345"])
    StoredFile.objects.update(orphaned_at=timezone.now() - timedelta(hours=2))
    with pytest.raises(NotFound):
        claim_files([file])


def test_deleting_a_run_deletes_its_entries_with_it(run):
    assign(run, "model", store_bytes(run, [b"12345"]))
    run.delete()
    assert not StoredFile.objects.exists()
