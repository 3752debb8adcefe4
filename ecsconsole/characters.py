"""Characters that no database keeps: NUL, which PostgreSQL refuses, and halves of surrogate pairs, which are no text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponseBase

from ecsconsole.errors import ConsoleError, render_error

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
SENTENCE = "The request contains a NUL character or half a character, which cannot be kept. Nothing was done."


class UnstorableError(ConsoleError):
    """What was sent contains a character that cannot be kept."""

    status = 400
    title = "This cannot be kept"
    advice = "Go back, take the character out, and send it again. It often comes with a copy from elsewhere."


def is_storable(value: Any) -> bool:
    """Whether all text of a document of JSON can be kept, its names included."""
    if isinstance(value, str):
        return UNSTORABLE.search(value) is None
    if isinstance(value, Mapping):
        return all(is_storable(name) and is_storable(item) for name, item in value.items())
    if isinstance(value, Iterable):
        return all(is_storable(item) for item in value)
    return True


class CharactersMiddleware:
    """Refuse a form or an address with a character that cannot be kept, before a view reads it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        """Answer 400 in the view's place; a view of the API looks itself, and answers in its own shape."""
        if getattr(view, "checks_characters", False) or is_form_storable(request):
            return None
        return render_error(request, UnstorableError(SENTENCE))


def is_form_storable(request: HttpRequest) -> bool:
    """Whether the address, the query and the form of a request can be kept."""
    return is_storable([request.path_info, dict(request.GET.lists()), dict(request.POST.lists())])
