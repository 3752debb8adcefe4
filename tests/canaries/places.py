"""Everywhere that something could stay: each column of each table, each key of Redis, what is logged."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import redis
from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.serializers.json import DjangoJSONEncoder

DATABASES = 16


def forms_of(canary: str) -> list[bytes]:
    """Return a canary as it stands in a text, and the three ways in which base64 may cut it."""
    plain = canary.encode()
    coded = []
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + plain)
        # What depends on the bytes around it is left out.
        coded.append(text[4 if shift else 0 : -4])
    return [plain, plain.hex().encode(), *coded]


def found_in(content: bytes, canaries: dict[str, str]) -> list[str]:
    """Return the names of the canaries that a content holds in any form."""
    return [name for name, canary in canaries.items() if any(form in content for form in forms_of(canary))]


def rows_of_everything() -> Iterator[tuple[str, bytes]]:
    """Yield each column of each row of each table, by name."""
    for model in apps.get_models(include_auto_created=True):
        for row in model._default_manager.values():
            for column, value in row.items():
                yield f"{model._meta.label}.{column}", as_bytes(value)
    for session in Session.objects.all():
        # Signed and compressed: the column alone would show nothing.
        yield "sessions.Session decoded", as_bytes(session.get_decoded())


def as_bytes(value: Any) -> bytes:
    if isinstance(value, bytes | memoryview):
        return bytes(value)
    return value.encode() if isinstance(value, str) else json.dumps(value, cls=DjangoJSONEncoder).encode()


def keys_of_redis(url: str) -> Iterator[tuple[str, bytes]]:
    """Yield every key of every database with its value: cache, streams of the bus, queues of the broker."""
    for number in range(DATABASES):
        server = redis.Redis.from_url(url.rsplit("/", 1)[0] + f"/{number}")
        for key in server.scan_iter():
            yield f"redis {number} {key!r}", key + read_key(server, key)
        server.close()


def read_key(server: Any, key: bytes) -> bytes:
    kind = server.type(key)
    readers = {
        b"string": lambda: server.get(key),
        b"list": lambda: server.lrange(key, 0, -1),
        b"hash": lambda: server.hgetall(key),
        b"set": lambda: server.smembers(key),
        b"zset": lambda: server.zrange(key, 0, -1, withscores=True),
        b"stream": lambda: server.xrange(key),
    }
    # What expired between the scan and now is gone.
    value = readers[kind]() if kind != b"none" else b""
    return value if isinstance(value, bytes) else repr(value).encode("latin-1", "backslashreplace")
