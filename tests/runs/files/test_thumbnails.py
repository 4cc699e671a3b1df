"""Previews of pictures, good and bad ones."""

from __future__ import annotations

import io
import random
import struct
import zlib

import pytest
from PIL import Image

from runs.files.media_types import PREVIEWED_IMAGES, sniff
from runs.files.thumbnails import NotAnImage, render
from runs.models import StoredFile, Thumbnail
from runs.services.files import store_bytes
from runs.services.previews import make_thumbnails, read_thumbnail
from tests.runs.files.conftest import blobs_in

SIZES = (160, 480)


def picture(image: Image.Image, kind: str, **options) -> bytes:
    output = io.BytesIO()
    image.save(output, kind, **options)
    return output.getvalue()


def wide(mode: str = "RGB") -> Image.Image:
    return Image.linear_gradient("L").resize((1000, 500)).convert(mode)


def previews(data: bytes):
    return render(io.BytesIO(data), SIZES)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("PNG", "RGB"),
        ("PNG", "RGBA"),
        ("PNG", "L"),
        ("PNG", "LA"),
        ("PNG", "P"),
        ("PNG", "1"),
        ("PNG", "I;16"),
        ("JPEG", "RGB"),
        ("JPEG", "L"),
        ("JPEG", "CMYK"),
        ("GIF", "P"),
        ("WEBP", "RGB"),
        ("WEBP", "RGBA"),
    ],
)
def test_every_kind_of_picture_gets_webp_previews_of_its_shape(kind, mode):
    image = previews(picture(wide("I;16" if mode == "I;16" else mode), kind))
    assert (image.width, image.height, image.format) == (1000, 500, kind)
    assert [(each.width, each.height) for each in image.previews] == [(160, 80), (480, 240)]
    for each in image.previews:
        with Image.open(io.BytesIO(each.data)) as opened:
            assert opened.format == "WEBP"
            assert opened.size == (each.width, each.height)


def test_a_small_picture_is_not_made_larger():
    image = previews(picture(Image.new("RGB", (28, 28), "red"), "PNG"))
    assert [(each.width, each.height) for each in image.previews] == [(28, 28), (28, 28)]


def test_a_thin_picture_keeps_a_pixel():
    image = previews(picture(Image.new("RGB", (3000, 1), "red"), "PNG"))
    assert [(each.width, each.height) for each in image.previews] == [(160, 1), (480, 1)]


def test_a_turned_photo_is_shown_upright_and_tells_nothing_of_its_camera():
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "a camera"
    image = previews(picture(wide(), "JPEG", exif=exif))
    assert (image.width, image.height) == (500, 1000)
    assert [(each.width, each.height) for each in image.previews] == [(80, 160), (240, 480)]
    for each in image.previews:
        assert b"a camera" not in each.data
        with Image.open(io.BytesIO(each.data)) as opened:
            assert not opened.getexif()


def test_of_an_animation_the_first_frame_is_shown():
    frames = [Image.new("RGB", (50, 50), color) for color in ("red", "green", "blue")]
    image = previews(picture(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert image.frames == 3
    with Image.open(io.BytesIO(image.previews[0].data)) as opened:
        pixel = opened.convert("RGB").getpixel((25, 25))
    assert isinstance(pixel, tuple)
    red, green, blue = pixel
    assert red > 200
    assert max(green, blue) < 60


def png_of(width: int, height: int) -> bytes:
    """A PNG that declares a size; its pixels are missing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(50_000_001, 1), (100_000, 100_000), (2**31 - 1, 2**31 - 1)])
def test_too_many_pixels_are_refused_before_they_are_decoded(width, height):
    with pytest.raises(NotAnImage, match="pixels"):
        previews(png_of(width, height))


def text_bomb() -> bytes:
    plain = png_of(4, 4)
    text = b"zTXt" + b"k\0\0" + zlib.compress(b"\0" * 100_000_000)
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    return plain[:33] + chunk + plain[33:]


BROKEN = {
    "nothing": b"",
    "text": b"hello",
    "no pixels": png_of(10, 10),
    "text bomb": text_bomb(),
    "half": picture(wide(), "PNG")[:500],
    "tiff": picture(wide(), "TIFF"),
    "bmp": picture(wide(), "BMP"),
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_picture_of_ours_is_said_in_words(data):
    with pytest.raises(NotAnImage) as caught:
        previews(data)
    assert "0x" not in str(caught.value)


def test_damaged_pictures_give_a_preview_or_a_reason_and_nothing_else():
    chance = random.Random(7)  # noqa: S311
    originals = [picture(wide().resize((60, 30)), kind) for kind in ("PNG", "JPEG", "GIF", "WEBP")]
    outcomes = set()
    for _ in range(400):
        data = bytearray(chance.choice(originals))
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            outcomes.add(len(previews(bytes(data[: chance.choice([None, len(data) // 2])])).previews))
        except NotAnImage:
            outcomes.add(0)
    assert outcomes == {0, 2}


def test_thumbnails_are_stored_once_however_often_they_are_made(run, storage_folder):
    file = store_bytes(run, [picture(wide(), "PNG")])
    make_thumbnails(file)
    first = {thumbnail.size: b"".join(read_thumbnail(thumbnail)) for thumbnail in Thumbnail.objects.all()}
    make_thumbnails(file)
    assert {thumbnail.size: b"".join(read_thumbnail(thumbnail)) for thumbnail in Thumbnail.objects.all()} == first
    assert set(first) == {160, 480}
    assert len(blobs_in(storage_folder)) == 3
    file.refresh_from_db()
    assert file.facts == {"width": 1000, "height": 500, "format": "PNG", "frames": 1}


def test_a_picture_that_cannot_be_read_keeps_its_bytes_and_says_why(run):
    file = store_bytes(run, [png_of(10, 10)])
    make_thumbnails(file)
    assert StoredFile.objects.get().facts["problem"].startswith("No preview: ")
    assert not Thumbnail.objects.exists()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_previewed_kinds_are_known_by_their_bytes(kind):
    assert sniff(picture(wide(), kind)[:4096]) in PREVIEWED_IMAGES
