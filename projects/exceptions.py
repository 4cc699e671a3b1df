"""Errors of the domain. Each has a stable `code` for machines and a `message` for people.

    DomainError
    ├── InvalidInput        the caller sent something that can never be accepted (400)
    │   └── TooLarge        it is over a stated limit (413)
    ├── NotAuthenticated    no, wrong, expired or revoked credentials (401); one answer for all of them
    ├── AccessDenied        may see it, may not do that (403)
    ├── NotFound            does not exist, or is not the caller's to see (404); one answer for both
    ├── Conflict            clashes with what is there (409)
    └── Unavailable         our fault, send it again (503)

The machine interfaces turn these into their own shapes (`api/errors.py`, `api/compat/*/errors.py`), the pages into
pages."""

from typing import Any


class DomainError(Exception):
    code = "error"
    status = 500

    def __init__(self, message: str, *, code: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.details = details


class InvalidInput(DomainError):
    code = "invalid"
    status = 400


class TooLarge(InvalidInput):
    """`details` holds `limit` and, where known, `got`, both in the unit that the message names."""

    code = "too_large"
    status = 413


class NotAuthenticated(DomainError):
    code = "not_authenticated"
    status = 401

    def __init__(self, message: str = "The API token is missing, wrong, expired or revoked.") -> None:
        super().__init__(message)


class AccessDenied(DomainError):
    code = "needs_role"
    status = 403


class NotFound(DomainError):
    code = "not_found"
    status = 404

    def __init__(self, message: str = "There is nothing here that you may see.", **details: Any) -> None:
        super().__init__(message, **details)


class Conflict(DomainError):
    code = "conflict"
    status = 409


class Unavailable(DomainError):
    code = "unavailable"
    status = 503
