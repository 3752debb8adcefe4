"""Pages of a list by cursor: what is added or taken away meanwhile never moves the rest."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from django.db.models import Model, Q, QuerySet

from api.errors import InvalidRequest
from ecsconsole.characters import is_storable
from ecsconsole.numbers import is_number

M = TypeVar("M", bound=Model)
MOST = 500
NO_CURSOR = "Take it from `next` of the page before."
# The field that sorts, and whether it is a time with the newest first; equal ones are told apart by their key.
Order = tuple[str, bool]


class Wanted(Protocol):
    """Which page is asked for."""

    cursor: str
    limit: int


def page_of(
    queryset: QuerySet[M], order: Order, wanted: Wanted, show: Callable[[list[M]], list[dict[str, Any]]]
) -> dict[str, Any]:
    """Return `{items, next}`: one page, and the cursor of the next or None."""
    field, newest_first = order
    cursor, limit = wanted.cursor, wanted.limit
    if cursor:
        value, pk = read(cursor, is_time=newest_first)
        queryset = queryset.filter(after(field, newest_first, value, pk))
    sign = "-" if newest_first else ""
    rows = list(queryset.order_by(f"{sign}{field}", f"{sign}pk")[: limit + 1])
    more = len(rows) > limit
    rows = rows[:limit]
    last = write(getattr(rows[-1], field), rows[-1].pk) if more else None
    return {"items": show(rows), "next": last}


def after(field: str, newest_first: bool, value: Any, pk: int) -> Q:
    word = "lt" if newest_first else "gt"
    return Q(**{f"{field}__{word}": value}) | Q(**{field: value, f"pk__{word}": pk})


def write(value: Any, pk: int) -> str:
    content = [value.isoformat() if isinstance(value, datetime) else value, pk]
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def read(cursor: str, *, is_time: bool) -> tuple[Any, int]:
    """Return what a cursor points behind; raises `InvalidRequest` for what is none of ours, or one of another list."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        value, pk = json.loads(text)
        if not is_number(pk) or not isinstance(value, str) or not is_storable(value):
            raise ValueError("not a cursor")
        # A naive time, or one that is none in UTC, was never written here.
        return (datetime.fromisoformat(value).astimezone(UTC) if is_time else value), int(pk)
    except (ValueError, binascii.Error, TypeError, OverflowError, RecursionError) as error:
        raise InvalidRequest({"cursor": NO_CURSOR}) from error
