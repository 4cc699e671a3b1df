"""Where files are kept: a folder, or object storage named by STORAGE_URL."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

SIGNED_LINK_SECONDS = 300


def file_storage(url: str, folder: Path, env: environ.Env) -> dict[str, Any]:
    """Django's STORAGES entry for STORAGE_URL; without one, files lie in `folder`.

    `s3://bucket/prefix?endpoint=https://…&region=…`; the keys are in S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY, never
    in the address, or come from where boto3 finds them.
    """
    if not url:
        return _folder(folder)
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path:
        return _folder(Path(parts.path))
    if parts.scheme != "s3" or not parts.hostname or "@" in parts.netloc:
        raise ImproperlyConfigured(
            "STORAGE_URL must look like s3://bucket/prefix?endpoint=https://… or file:///folder."
        )
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if unknown := query.keys() - {"endpoint", "region"}:
        raise ImproperlyConfigured(f"STORAGE_URL has parts that are not known: {', '.join(sorted(unknown))}.")
    return _s3(parts.netloc, parts.path.strip("/"), query, env)


def _folder(folder: Path) -> dict[str, Any]:
    return {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": str(folder),
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    }


def _s3(bucket: str, prefix: str, query: dict[str, str], env: environ.Env) -> dict[str, Any]:
    from botocore.config import Config

    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": bucket,
            "location": prefix,
            "endpoint_url": query.get("endpoint"),
            "region_name": query.get("region"),
            "access_key": env.str("S3_ACCESS_KEY_ID", default="") or None,
            "secret_key": env.str("S3_SECRET_ACCESS_KEY", default="") or None,
            "file_overwrite": False,
            "default_acl": "private",
            "querystring_auth": True,
            "querystring_expire": SIGNED_LINK_SECONDS,
            # An object store that does not answer must not hold a request for long; the client sends again.
            "client_config": Config(
                connect_timeout=3,
                read_timeout=10,
                retries={"mode": "standard", "total_max_attempts": 3},
                s3={"addressing_style": "path" if query.get("endpoint") else "auto"},
                signature_version="s3v4",
            ),
        },
    }
