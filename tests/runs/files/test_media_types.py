from __future__ import annotations

import pytest

from runs.files.media_types import sniff, with_extension


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"", "text/plain"),
        (b"a,b\n1,2\n", "text/plain"),
        ("é".encode() * 3000, "text/plain"),
        (("a" + "é" * 3000).encode()[:4096], "text/plain"),
        (b"<html><script>alert(1)</script>", "text/plain"),
        (b"<svg onload=alert(1)>", "text/plain"),
        (b"\xff\xfeh\x00i\x00", "application/octet-stream"),
        (b"abc\x00", "application/octet-stream"),
        (b"abc\xe9def", "application/octet-stream"),
        (b"%PDF-1.7\n", "application/pdf"),
        (b"PK\x05\x06" + b"\0" * 18, "application/zip"),
        (b"\x80\x04\x95", "application/x-pickle"),
        ((0x280).to_bytes(8, "little") + b'{"a":', "application/x-safetensors"),
        (b"\x89HDF\r\n\x1a\n", "application/x-hdf5"),
        (b"GGUF\x03\0\0\0", "application/x-gguf"),
        (b"\x08\x08\x12\x07pytorch\x1a", "application/x-onnx"),
        (b"MZ\x90\x00", "application/octet-stream"),
    ],
)
def test_the_type_comes_from_the_first_bytes(head, expected):
    assert sniff(head[:4096]) == expected


@pytest.mark.parametrize(
    ("media_type", "extension", "expected"),
    [
        ("text/plain", "html", "text/html"),
        ("text/plain", "HTML", "text/html"),
        ("text/plain", "csv", "text/csv"),
        ("text/plain", "svg", "text/plain"),
        ("text/plain", "", "text/plain"),
        ("image/png", "html", "image/png"),
        ("application/octet-stream", "json", "application/octet-stream"),
    ],
)
def test_an_extension_only_refines_plain_text(media_type, extension, expected):
    assert with_extension(media_type, extension) == expected
