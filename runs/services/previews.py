"""What is made from a stored file: thumbnails of an image, facts about a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runs import blobs
from runs.files.checkpoints import inspect_checkpoint
from runs.files.media_types import PREVIEWED_IMAGES
from runs.files.thumbnails import NotAnImage, render
from runs.models import StoredFile, Thumbnail

THUMBNAIL_SIZES = (160, 480)
MAX_IMAGE_BYTES = 256 * 1024**2


def make_thumbnails(file: StoredFile) -> None:
    """Store a small WebP per size and note the image's own size; an image that can't be read gets `facts["problem"]`.
    Making them again gives the same blobs under the same keys."""
    try:
        if file.size > MAX_IMAGE_BYTES:
            raise NotAnImage(f"the image has {file.size} bytes; the limit is {MAX_IMAGE_BYTES}.")
        with blobs.open_seekable(file.storage_key, file.size) as stream:
            image = render(stream, THUMBNAIL_SIZES)
    except NotAnImage as error:
        _note(file, {"problem": f"No preview: {error}"})
        return
    for preview in image.previews:
        key = thumbnail_key(file, preview.size)
        blobs.replace(key, preview.data)
        Thumbnail.objects.update_or_create(
            file=file,
            size=preview.size,
            defaults={"width": preview.width, "height": preview.height, "storage_key": key},
        )
    _note(file, {"width": image.width, "height": image.height, "format": image.format, "frames": image.frames})


def describe_checkpoint(file: StoredFile) -> None:
    """Note what a checkpoint holds, read without executing any of it."""
    with blobs.open_seekable(file.storage_key, file.size) as stream:
        facts = inspect_checkpoint(stream, file.size, file.media_type)
    _note(file, facts.as_json())


def thumbnail_key(file: StoredFile, size: int) -> str:
    """Where a thumbnail is kept: found from the file alone, so that removing the file finds it without a row."""
    return f"{file.storage_key}.{size}.webp"


def keys_of(file: StoredFile) -> list[str]:
    """All blobs that belong to a file."""
    sizes = THUMBNAIL_SIZES if file.media_type in PREVIEWED_IMAGES else ()
    return [file.storage_key, *(thumbnail_key(file, size) for size in sizes)]


def read_thumbnail(thumbnail: Thumbnail) -> Iterator[bytes]:
    """The bytes of a thumbnail (WebP), in pieces. Raises Unavailable at the call when they can't be opened."""
    return blobs.read(thumbnail.storage_key)


def _note(file: StoredFile, facts: Mapping[str, object]) -> None:
    StoredFile.objects.filter(pk=file.pk).update(facts=dict(facts))
