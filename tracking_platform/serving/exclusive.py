"""Refusing to start twice: one group per DATA_DIR, one server per port."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

from django.core.management.base import CommandError


def hold_lock(folder: Path) -> None:
    """Take the lock of a DATA_DIR until this process ends, however that ends; CommandError when someone has it."""
    descriptor = os.open(folder / "serve.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise CommandError(f"The platform is already running with its data in {folder}.") from None


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
