"""The shapes of ASGI and WSGI that the modules here pass around."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Event = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Environ = dict[str, Any]
Headers = list[tuple[bytes, bytes]]
WsgiApplication = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
