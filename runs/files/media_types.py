"""What kind of file some bytes are, from their beginning alone. Only these types are ever told to a browser."""

from __future__ import annotations

OCTETS = "application/octet-stream"
TEXT = "text/plain"
ZIP = "application/zip"
TORCH = "application/x-pytorch"
PICKLE = "application/x-pickle"
HDF5 = "application/x-hdf5"
SAFETENSORS = "application/x-safetensors"
NUMPY = "application/x-npy"
NUMPY_ARCHIVE = "application/x-npz"
ONNX = "application/x-onnx"
GGUF = "application/x-gguf"

# Formats of which small previews are made.
PREVIEWED_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
# Formats in which models are kept.
CHECKPOINTS = frozenset({TORCH, PICKLE, HDF5, SAFETENSORS, NUMPY, NUMPY_ARCHIVE, ONNX, GGUF})

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"\x89HDF\r\n\x1a\n", HDF5),
    (b"\x93NUMPY", NUMPY),
    (b"GGUF", GGUF),
    (b"\x1f\x8b", "application/gzip"),
    (b"PK\x05\x06", ZIP),
)
# What plain text may be called when the file's name says so; the bytes of these formats have no signature.
_TEXT_EXTENSIONS = {
    "csv": "text/csv",
    "htm": "text/html",
    "html": "text/html",
    "json": "application/json",
    "md": "text/markdown",
    "tsv": "text/tab-separated-values",
}


def sniff(head: bytes) -> str:
    """The media type of a file that begins with `head` (4 KiB are enough)."""
    for signature, media_type in _SIGNATURES:
        if head.startswith(signature):
            return media_type
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[:2] == b"BM" and head[6:10] == b"\x00\x00\x00\x00":
        return "image/bmp"
    if head.startswith(b"PK\x03\x04"):
        return _zip_type(head)
    if _is_safetensors(head):  # before pickle: its first bytes are a length, any number
        return SAFETENSORS
    if _is_pickle(head):
        return PICKLE
    if _is_onnx(head):
        return ONNX
    return TEXT if _is_text(head) else OCTETS


def with_extension(media_type: str, extension: str) -> str:
    """A finer type for plain text whose name ends in `extension` (without the dot); other types stay what they are."""
    if media_type != TEXT:
        return media_type
    return _TEXT_EXTENSIONS.get(extension.rpartition(".")[2].lower(), TEXT)


def _zip_type(head: bytes) -> str:
    name_length = int.from_bytes(head[26:28], "little")
    first_name = head[30 : 30 + name_length]
    if first_name.endswith((b"/data.pkl", b"/data/0", b"/.format_version", b"/.data/serialization_id")):
        return TORCH
    return NUMPY_ARCHIVE if first_name.endswith(b".npy") else ZIP


def _is_pickle(head: bytes) -> bool:
    """Protocol 2 and later say so in their first opcode; older ones look like text and are not worth guessing."""
    return len(head) > 2 and head[0] == 0x80 and 2 <= head[1] <= 5


def _is_safetensors(head: bytes) -> bool:
    return head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") <= 100_000_000


def _is_onnx(head: bytes) -> bool:
    """A protocol buffer whose first fields are a small IR version and the producer's name."""
    return (
        len(head) > 8
        and head[0] == 0x08
        and 1 <= head[1] <= 32
        and head[2] == 0x12
        and 1 <= head[3] <= 64
        and head[4 : 4 + head[3]].isascii()
        and head[4 : 4 + head[3]].decode("latin-1").isprintable()
    )


def _is_text(head: bytes) -> bool:
    if b"\x00" in head:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        # The piece may end in the middle of a character.
        return len(head) - error.start < 4 and error.reason == "unexpected end of data"
    return True
