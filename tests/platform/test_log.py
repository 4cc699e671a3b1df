"""Log lines tell no secret and can't be forged."""

import logging

import pytest

from tracking_platform.log import RedactingFormatter, redact

KEY = "trk_0123456789abcdef_aVeryLongSecretThatNobodyMaySee"
TOKEN = "eyJhcGlfYWRkcmVzcyI6ICJodHRwOi8vMTI3LjAuMC4xOjgwMDAifQ=="


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"token {KEY} was refused", KEY.rsplit("_", 1)[1]),
        (f"NEPTUNE_API_TOKEN={TOKEN}", TOKEN),
        (f"Authorization: Bearer {TOKEN}.{TOKEN}.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
        ("Authorization: Basic dXNlcjpodW50ZXIy", "dXNlcjpodW50ZXIy"),
        ("GET /file?X-Amz-Signature=abcdef0123&x=1", "abcdef0123"),
        ("{'Cookie': 'sessionid=s3cr3tsession'}", "s3cr3tsession"),
        ("login failed password=hunter2hunter2", "hunter2hunter2"),
    ],
)
def test_a_secret_is_not_written(text, secret):
    assert secret not in redact(text)


def test_what_is_no_secret_stays():
    line = "POST /api/v1/runs/ 201 12 ms 0123456789abcdef"

    assert redact(line) == line


def test_one_event_is_one_line_whatever_a_client_sends():
    record = logging.LogRecord("web", logging.WARNING, "", 0, "GET %s", ("/a\nERROR forged\r\x1b[31m\u2028",), None)

    line = RedactingFormatter().format(record)

    assert len(line.splitlines()) == 1
    assert "\\x0aERROR forged\\x0d\\x1b[31m\\x2028" in line
