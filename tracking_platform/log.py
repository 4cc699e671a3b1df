"""One readable line per event, with no secrets in it and no way to forge a second line."""

from __future__ import annotations

import logging
import re
import time

# Our keys, what the clients call tokens (base64 of JSON, or three base64 parts), and signed links.
_SECRETS = [
    (re.compile(r"trk_[0-9a-f]{4,}_[\w-]+"), "trk_…"),
    (re.compile(r"eyJ[\w+/=-]{16,}(\.[\w-]+){0,2}"), "eyJ…"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.+/=-]+"), r"\1 …"),
    (re.compile(r"(?i)\b(x-neptune-api-token|authorization|cookie|set-cookie)(['\"]?\s*[:=]\s*)[^\r\n]+"), r"\1\2…"),
    (re.compile(r"(?i)\b(password|secret|signature|x-amz-[\w-]+|sessionid|csrftoken)=[^\s&;'\"]+"), r"\1=…"),
]
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def redact(text: str) -> str:
    """The text without tokens, passwords and signatures."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class RedactingFormatter(logging.Formatter):
    """`2026-01-31T12:00:00Z INFO web: message`; a traceback follows on indented lines."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name that logging calls
        return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record)).replace("\n", "\n    ")
