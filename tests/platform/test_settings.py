"""A setting that can't be right stops the start with a sentence that names it, never with a stack trace."""

import os
import subprocess
import sys

import pytest

from tests.servers.platform import ROOT

REFUSED = [
    ({"SECRET_KEY": "short"}, "SECRET_KEY must have at least 32 characters"),
    ({"ALLOWED_HOSTS": "*"}, "'*' is refused"),
    ({"DEBUG": "on", "HOST": "0.0.0.0"}, "DEBUG may only be on when HOST is a loopback address"),  # noqa: S104
    ({"PORT": "eighty"}, "PORT must be a whole number"),
    ({"PORT": "70000"}, "PORT must lie between 1 and 65535"),
    ({"WEB_THREADS": "0"}, "WEB_THREADS must lie between 1 and 256"),
    ({"BASE_URL": "https://example.org/tracking"}, "BASE_URL must be an origin"),
    ({"BASE_URL": "example.org"}, "BASE_URL must be an origin"),
    ({"TLS_KEY": "/nowhere/key.pem"}, "TLS_CERTIFICATE and TLS_KEY belong together"),
    ({"TLS_CERTIFICATE": "/nowhere/cert.pem", "TLS_KEY": "/nowhere/key.pem"}, "/nowhere/cert.pem is not a file"),
    ({"DATABASE_URL": "mysql://root@localhost/tracking"}, "DATABASE_URL must name a PostgreSQL"),
    ({"STORAGE_URL": "ftp://example.org/files"}, "STORAGE_URL must look like s3://"),
    ({"STORAGE_URL": "s3://key:secret@bucket"}, "STORAGE_URL must look like s3://"),
    ({"STORAGE_URL": "s3://bucket?colour=red"}, "STORAGE_URL has parts that are not known: colour"),
    ({"LOG_LEVEL": "loud"}, "LOG_LEVEL must be"),
]


def start_with(tmp_path, **variables):
    environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "STORAGE_URL"}}
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**environment, "DATA_DIR": str(tmp_path / "data"), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("variables", "sentence"), REFUSED, ids=[" ".join(variables) for variables, _ in REFUSED])
def test_a_bad_setting_is_refused_with_a_sentence(tmp_path, variables, sentence):
    outcome = start_with(tmp_path, **variables)

    assert outcome.returncode != 0
    assert sentence in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_secret_key_is_generated_once_and_is_private(tmp_path):
    assert start_with(tmp_path).returncode == 0
    path = tmp_path / "data" / "secret-key"
    key = path.read_text()
    assert start_with(tmp_path).returncode == 0

    assert path.read_text() == key
    assert len(key) >= 64
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
