"""Pages with opaque tokens, and the size limits of batches."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TypeVar

from sandbox.ports import ApiError
from sandbox.state import Document

T = TypeVar("T")

MAX_PAGE = 100


def page(
    items: Sequence[T], params: Document, member: str, *, default: int = MAX_PAGE, salt: str = ""
) -> tuple[list[T], Document]:
    """Cut one page out of a listing; the second value holds `nextToken` when more follow.

    `member` names the listing inside the token, so that a token of another operation is refused.
    """
    size = params.get("maxResults", default)
    if not 1 <= size <= MAX_PAGE:
        raise ApiError("InvalidParameterException", f"maxResults must be between 1 and {MAX_PAGE}.")
    start = _offset(params["nextToken"], member + salt) if params.get("nextToken") else 0
    chosen = list(items[start : start + size])
    follows = start + size < len(items)
    return chosen, {"nextToken": _token(start + size, member + salt)} if follows else {}


def _token(offset: int, label: str) -> str:
    return base64.b64encode(f"{label}\n{offset}".encode()).decode()


def _offset(token: str, label: str) -> int:
    try:
        given, _, offset = base64.b64decode(token, validate=True).decode().rpartition("\n")
        start = int(offset)
    except (binascii.Error, ValueError):
        raise ApiError("InvalidParameterException", "Invalid token.") from None
    if given != label or start < 0:
        raise ApiError("InvalidParameterException", "Invalid token.")
    return start


def check_batch(items: Sequence[str], what: str, most: int) -> None:
    """Refuse an empty batch and one above AWS's maximum."""
    if not items:
        raise ApiError("InvalidParameterException", f"{what.capitalize()} cannot be empty.")
    if len(items) > most:
        raise ApiError("InvalidParameterException", f"{what.capitalize()} can have at most {most} items.")
