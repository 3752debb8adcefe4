"""Who opens a stream, and whether they still may: asked of the database in a thread that ends with the answer."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.base import SessionBase
from django.db import connections
from django.http import HttpRequest
from django.utils import timezone
from django.utils.module_loading import import_string

from access.middleware import RequestAccess, session_over
from live.topics import may_watch


@dataclass(frozen=True, slots=True)
class Verdict:
    """The HTTP status that a stream for these topics deserves, why, and the topics that are refused."""

    status: HTTPStatus
    sentence: str = ""
    refused: tuple[str, ...] = ()

    @property
    def is_of_person(self) -> bool:
        """Whether nothing at all may be watched, whichever the topics."""
        return self.status != HTTPStatus.OK and not self.refused


SIGNED_OUT = Verdict(HTTPStatus.UNAUTHORIZED, "Sign in first.")
WITHOUT_FACTOR = Verdict(
    HTTPStatus.FORBIDDEN, "Add a second factor first: this console asks everybody with your roles for one."
)


def load_session(session_key: str) -> SessionBase:
    store: type[SessionBase] = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
    return store(session_key)


def judge(session_key: str, topics: list[str]) -> Verdict:
    """Check the session, the person and each topic, as the middleware does for a page."""
    request = HttpRequest()
    request.session = load_session(session_key)
    user = get_user(request)
    if not user.is_authenticated or not user.is_active:
        return SIGNED_OUT
    if session_over(dict(request.session.items()), timezone.now()):
        return SIGNED_OUT
    request.user = user
    access = RequestAccess(request)
    if access.must_add_factor:
        return WITHOUT_FACTOR
    refused = tuple(topic for topic in topics if not may_watch(access, topic))
    if refused:
        return Verdict(HTTPStatus.FORBIDDEN, f"You may not watch {', '.join(refused)}.", refused)
    return Verdict(HTTPStatus.OK)


def judge_and_let_go(session_key: str, topics: list[str]) -> Verdict:
    try:
        return judge(session_key, topics)
    finally:
        # This thread ends now; its database handle would stay open with nobody to use it.
        connections.close_all()


async def judge_viewer(session_key: str, topics: list[str]) -> Verdict:
    """Judge in a thread of its own, so that an open stream holds neither a thread nor a database handle."""
    if not session_key:
        return SIGNED_OUT
    async with ThreadSensitiveContext():
        return await sync_to_async(judge_and_let_go, thread_sensitive=True)(session_key, topics)
