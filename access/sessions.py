"""Sessions by person: remembering whose they are, listing them, ending them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from access.models import PersonSession
from audit.actions import record

METHOD = "sign_in_method"


def remember_session(request: HttpRequest, user: User, now: datetime) -> None:
    """Note whose a new session is; rows of sessions that ended by age go."""
    if not request.session.session_key:
        # Signing in over another person's session leaves one without a key until it is saved.
        request.session.create()
    PersonSession.objects.filter(user=user, created_at__lt=now - 2 * settings.SESSION_ABSOLUTE).delete()
    PersonSession.objects.update_or_create(
        session_key=request.session.session_key,
        defaults={
            "user": user,
            "method": str(request.session.get(METHOD, "password")),
            "ip": request.META.get("REMOTE_ADDR", ""),
            "user_agent": request.META.get("HTTP_USER_AGENT", "")[:200],
            "created_at": now,
            "seen_at": now,
        },
    )


def note_seen(request: HttpRequest, user: User, now: datetime) -> None:
    """Note that a session is in use; one whose key changed on the way is noted anew."""
    found = PersonSession.objects.filter(session_key=request.session.session_key or "")
    if not found.update(seen_at=now):
        remember_session(request, user, now)


def forget_session(session_key: str | None) -> None:
    PersonSession.objects.filter(session_key=session_key or "").delete()


def living_sessions(user: User, now: datetime) -> list[PersonSession]:
    """Return the sessions of a person that still let somebody in, the latest used first."""
    rows = list(
        PersonSession.objects.filter(
            user=user,
            seen_at__gte=now - settings.SESSION_IDLE,
            created_at__gte=now - settings.SESSION_ABSOLUTE,
        )
    )
    keys = [row.session_key for row in rows]
    alive = set(
        Session.objects.filter(session_key__in=keys, expire_date__gt=now).values_list(
            "session_key", flat=True
        )
    )
    return [row for row in rows if row.session_key in alive]


def end_sessions(
    *,
    person: User,
    actor: User,
    keep: str | None = None,
    only: int | None = None,
    reason: str = "",
    request: HttpRequest | None = None,
) -> int:
    """End the sessions of a person: all, all but the one with the key `keep`, or the one row `only`.

    The next request of such a session finds nobody signed in, and an open stream ends at its next check.
    """
    rows: Any = PersonSession.objects.filter(user=person)
    if keep:
        rows = rows.exclude(session_key=keep)
    if only is not None:
        rows = rows.filter(pk=only)
    with transaction.atomic():
        keys = list(rows.values_list("session_key", flat=True))
        ended, _ = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now()).delete()
        Session.objects.filter(session_key__in=keys).delete()
        PersonSession.objects.filter(session_key__in=keys).delete()
        record(
            action="sessions.ended",
            actor=actor,
            target=person.get_username(),
            reason=reason,
            data={"count": ended},
            request=request,
        )
    return ended


def clear_ended_sessions(now: datetime) -> int:
    """Delete the rows of sessions that are over, and whose they were; return how many sessions."""
    cleared, _ = Session.objects.filter(expire_date__lt=now).delete()
    PersonSession.objects.exclude(session_key__in=Session.objects.values("session_key")).delete()
    return cleared
