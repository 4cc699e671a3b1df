"""Deny by default: who may call a view at all. What they may do to which object is decided by the access functions."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from projects.exceptions import NotAuthenticated


class HasActor(BasePermission):
    """Somebody is signed in, or the view allows everybody.

    A view says so by `is_open` (anyone may call it: the reference pages) or `is_public_readable` (anyone may read it as
    far as projects are public; the access functions decide).
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if not view.is_anonymous or view.is_open:
            return True
        if view.is_public_readable and request.method in SAFE_METHODS:
            return True
        raise NotAuthenticated
