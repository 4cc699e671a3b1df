"""`python -m tests.servers COMMAND…`: run the command with PostgreSQL, Redis and an S3 server in its environment."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.servers.postgres import postgres
from tests.servers.redis import redis
from tests.servers.s3 import s3


def main() -> int:
    with postgres() as database, redis() as broker, s3() as storage:
        environment = {**os.environ, "DATABASE_URL": database, "REDIS_URL": broker, **storage}
        return subprocess.call(sys.argv[1:], env=environment)


if __name__ == "__main__":
    sys.exit(main())
