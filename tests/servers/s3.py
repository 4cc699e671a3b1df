"""An S3 server for tests: moto, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import requests

from tests.servers.ports import free_port
from tests.servers.waiting import wait_for

BUCKET = "tracking"


@contextmanager
def s3() -> Iterator[dict[str, str]]:
    """Start a server with an empty bucket and yield the platform's settings for it."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "MOTO_S3_CUSTOM_ENDPOINTS": endpoint},
    )
    try:
        wait_for(lambda: _answers(endpoint), what="the S3 server", seconds=60)
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test-secret"}
        boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys).create_bucket(Bucket=BUCKET)
        yield {
            "STORAGE_URL": f"s3://{BUCKET}?endpoint={endpoint}&region=us-east-1",
            "S3_ACCESS_KEY_ID": keys["aws_access_key_id"],
            "S3_SECRET_ACCESS_KEY": keys["aws_secret_access_key"],
        }
    finally:
        server.terminate()
        server.wait(30)


def _answers(endpoint: str) -> bool:
    try:
        return requests.get(f"{endpoint}/moto-api/", timeout=2).status_code < 500
    except requests.RequestException:
        return False
