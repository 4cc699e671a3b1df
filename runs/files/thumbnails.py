"""Small previews of images, from bytes to bytes."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

# The decoders that ever see a user's bytes.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
MAX_PIXELS = 50_000_000
Image.MAX_IMAGE_PIXELS = MAX_PIXELS

_EXIF_ORIENTATION = 0x0112
_QUARTER_TURNS = {5, 6, 7, 8}
# What Pillow's decoders raise for broken bytes.
_DECODER_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,
    Image.DecompressionBombError,
    struct.error,
    zlib.error,
)


class NotAnImage(Exception):
    """The bytes are no image that we decode; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class Preview:
    """`size` is the longer side that was asked for, in pixels; `data` a WebP."""

    size: int
    width: int
    height: int
    data: bytes


@dataclass(frozen=True, slots=True)
class RenderedImage:
    """Width and height of the original as it is seen (turned upright), and its previews."""

    width: int
    height: int
    format: str
    frames: int
    previews: tuple[Preview, ...]


def render(stream: BinaryIO, sizes: Sequence[int]) -> RenderedImage:
    """Previews whose longer side has at most `sizes` pixels; a smaller image is not made larger.

    Only the first frame is decoded; EXIF (which may hold a place) is applied for the orientation and then dropped.
    Raises NotAnImage for what can't be decoded and for more than MAX_PIXELS; errors of reading the stream go through.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _render(stream, sizes)
    except OSError as error:
        if error.errno is not None:  # the disk's fault; Pillow's own errors carry no number
            raise
        raise NotAnImage(_first_line(error)) from error
    except _DECODER_ERRORS as error:
        raise NotAnImage(_first_line(error)) from error


def _render(stream: BinaryIO, sizes: Sequence[int]) -> RenderedImage:
    with Image.open(stream, formats=FORMATS) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise NotAnImage(f"the image has {width} × {height} pixels; the limit is {MAX_PIXELS}.")
        frames = int(getattr(image, "n_frames", 1)) if image.format == "GIF" else 1
        is_turned = image.getexif().get(_EXIF_ORIENTATION, 1) in _QUARTER_TURNS
        small = _shrunk(image, max(sizes))
        return RenderedImage(
            width=height if is_turned else width,
            height=width if is_turned else height,
            format=str(image.format),
            frames=frames,
            previews=tuple(_preview(small, size) for size in sorted(sizes)),
        )


def _shrunk(image: Image.Image, size: int) -> Image.Image:
    """The first frame, upright, in a mode that WebP takes, with at most `size` pixels on its longer side."""
    image.draft("RGB", (size, size))  # a JPEG is decoded at a fraction of its size
    upright_tag = image.getexif()
    small = _plain_mode(image)
    small.thumbnail((size, size), Image.Resampling.LANCZOS)
    small.getexif().update(upright_tag)
    return ImageOps.exif_transpose(small)


def _plain_mode(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits of grey
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L").convert("RGB")
    has_alpha = image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info
    return image.convert("RGBA" if has_alpha else "RGB")


def _preview(image: Image.Image, size: int) -> Preview:
    small = image.copy()
    small.thumbnail((size, size), Image.Resampling.LANCZOS)
    small.info.clear()
    output = io.BytesIO()
    small.save(output, "WEBP", quality=80, method=4)
    return Preview(size, small.width, small.height, output.getvalue())


def _first_line(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "the bytes are no image that can be read."  # Pillow's text names an object in memory
    if isinstance(error, (Image.DecompressionBombError, Warning)):
        return f"the image has too many pixels; the limit is {MAX_PIXELS}."
    return f"the image can't be decoded ({str(error).splitlines()[0][:200] if str(error) else type(error).__name__})."
