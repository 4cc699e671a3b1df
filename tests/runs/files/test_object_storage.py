"""The same over an object store: a real S3 server on this machine, spoken to over HTTP."""

from __future__ import annotations

import hashlib
import os
import zipfile
from io import BytesIO

import pytest
from django.core.files.storage import storages
from storages.backends.s3 import S3Storage

from projects.exceptions import TooLarge, Unavailable
from runs import blobs
from runs.models import StoredFile, Thumbnail
from runs.operations import AddFiles
from runs.selectors.files import zip_of_set
from runs.services.files import open_file, read_range, store_bytes
from runs.services.filesets import store_tar_gz
from runs.services.previews import describe_checkpoint, make_thumbnails, read_thumbnail
from runs.services.sweeping import remove_unreferenced_files
from runs.services.uploads import finish_upload, start_upload, write_part
from tests.runs.files.conftest import apply, assign
from tests.runs.files.pickling import storage_zip
from tests.runs.files.test_archives import tar_gz
from tests.runs.files.test_checkpoints import STATE
from tests.runs.files.test_processing import png
from tests.runs.files.test_sweeping import age
from tests.servers.s3 import BUCKET, s3


@pytest.fixture(scope="module")
def server():
    with s3() as environment:
        yield environment


def s3_options(server: dict[str, str]) -> dict[str, object]:
    endpoint = server["STORAGE_URL"].split("endpoint=")[1].split("&")[0]
    return {
        "bucket_name": BUCKET,
        "location": "some/prefix",
        "endpoint_url": endpoint,
        "region_name": "us-east-1",
        "access_key": server["S3_ACCESS_KEY_ID"],
        "secret_key": server["S3_SECRET_ACCESS_KEY"],
        "file_overwrite": False,
    }


@pytest.fixture(autouse=True)
def bucket(server, settings, tmp_path):
    backend = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": s3_options(server)}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "tmp")
    storage = storages["default"]
    assert isinstance(storage, S3Storage)
    bucket = storage.bucket
    yield bucket
    bucket.objects.all().delete()


def keys(bucket) -> set[str]:
    return {each.key.removeprefix("some/prefix/") for each in bucket.objects.all()}


def test_bytes_come_back_whole_and_in_ranges(run, bucket, tmp_path):
    data = os.urandom(3_000_000)
    file = store_bytes(run, [data[:10], data[10:]])
    assert keys(bucket) == {file.storage_key}
    assert file.sha256 == hashlib.sha256(data).hexdigest()
    assert b"".join(read_range(file)) == data
    assert b"".join(read_range(file, 500, 1000)) == data[500:1500]
    assert b"".join(read_range(file, 2_999_000)) == data[2_999_000:]
    assert b"".join(read_range(file, 5, 0)) == b""
    with open_file(file) as stream:
        stream.seek(-100, os.SEEK_END)
        assert stream.read() == data[-100:]
    assert not list((tmp_path / "tmp" / "incoming").iterdir())


def test_an_empty_file_is_kept_too(run):
    assert b"".join(read_range(store_bytes(run, []))) == b""


def test_an_upload_in_parts_leaves_only_the_whole(run, bucket):
    upload = start_upload(run, attribute_path="model", total_length=10)
    write_part(upload.uuid, run, 0, 0, 10, [b"xxxxx"])
    write_part(upload.uuid, run, 0, 0, 10, [b"01234"])
    write_part(upload.uuid, run, 1, 5, 10, [b"56789"])
    file = finish_upload(upload.uuid, run)
    assert b"".join(read_range(file)) == b"0123456789"
    assert keys(bucket) == {file.storage_key}


def test_previews_and_facts_are_made(run, bucket):
    image, model = store_bytes(run, [png()]), store_bytes(run, [storage_zip(STATE)])
    for _ in range(2):
        make_thumbnails(image)
        describe_checkpoint(model)
    assert [b"".join(read_thumbnail(each))[:4] for each in Thumbnail.objects.all()] == [b"RIFF", b"RIFF"]
    assert StoredFile.objects.get(pk=model.pk).facts["elements"] == 220
    assert len(keys(bucket)) == 4


def test_a_set_goes_in_as_tar_and_comes_out_as_zip(run):
    stored = store_tar_gz(run, [tar_gz({"a/b": b"1", "c": b"2"})])
    apply(run, AddFiles(path="set", members=stored.files))
    with zipfile.ZipFile(BytesIO(b"".join(zip_of_set(run, "set")))) as archive:
        assert archive.namelist() == ["/", "a/", "a/b", "c"]


def test_orphans_and_deleted_runs_are_swept(run, bucket):
    file = store_bytes(run, [b"orphan"])
    age(hours=2)
    assert remove_unreferenced_files() == 1
    assert file.storage_key not in keys(bucket)
    assign(run, "model", store_bytes(run, [b"gone"]))
    run.delete()
    assert remove_unreferenced_files() == 1
    assert keys(bucket) == set()


def test_too_large_is_said_before_anything_is_sent(run, bucket):
    with pytest.raises(TooLarge):
        store_bytes(run, [b"x" * 11], limit=10)
    assert keys(bucket) == set()


@pytest.mark.parametrize("change", [{"bucket_name": "no-such-bucket"}, {"endpoint_url": "http://127.0.0.1:9"}])
def test_a_store_that_fails_is_our_fault_and_leaves_no_row(run, settings, server, tmp_path, change):
    options = {**s3_options(server), **change}
    backend = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    with pytest.raises(Unavailable):
        store_bytes(run, [b"abc"])
    assert not StoredFile.objects.exists()
    assert not list(blobs.incoming_folder().iterdir())
    with pytest.raises(Unavailable):
        blobs.read("some/key")
