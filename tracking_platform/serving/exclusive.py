"""Refusing to start twice: one group per DATA_DIR, one server per port."""

from __future__ import annotations

import fcntl
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.management.base import CommandError


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the lock of a DATA_DIR; the kernel lets it go when this process ends, however that ends."""
    with (folder / "serve.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CommandError(f"The platform is already running with its data in {folder}.") from None
        yield


def check_port(host: str, port: int) -> None:
    """CommandError with what to do when nobody can listen there."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise CommandError(f"HOST={host} is not an address of this machine ({error.strerror}).") from None
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except PermissionError:
            raise CommandError(f"Port {port} needs rights that this user lacks. Choose another: PORT=8000") from None
        except OSError as error:
            raise CommandError(
                f"{host}:{port} can't be used ({error.strerror}). Choose another port: PORT={port + 1} make run"
            ) from None
