"""Step-up: an act on production needs a person who proved lately that they sit there, not a session left open."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Protocol

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.utils import timezone

from access.proofs import ProofRefused, is_proof, prove
from access.resources import ANYWHERE
from audit.actions import record

AUTHENTICATED_AT = "authenticated_at"
# A place that names no environment is guarded like production: access, settings, and what nobody has classified.
UNGUARDED = frozenset({"staging", "development"})
# Two servers' clocks differ a little; a proof further in the future was not noted by one of ours.
CLOCK_SKEW = timedelta(minutes=1)


class Place(Protocol):
    """What lies in an environment, or in none."""

    @property
    def environment(self) -> str: ...


class SignInTooOld(Exception):
    """The person has to prove again who they are; `refusal` says why a proof that came with this was not one."""

    def __init__(self, place: Place, refusal: str = "") -> None:
        super().__init__(refusal or "The sign-in is too old.")
        self.place = place
        self.refusal = refusal


def note_proof(session: SessionBase, moment: datetime | None) -> None:
    """Remember when the person last proved who they are; None where nobody knows."""
    session[AUTHENTICATED_AT] = moment.isoformat() if moment else None


def proved_at(session: SessionBase) -> datetime | None:
    """Return when the person last proved who they are; None in a session from before this was noted."""
    noted = session.get(AUTHENTICATED_AT)
    return datetime.fromisoformat(noted) if noted else None


def is_recent(session: SessionBase, now: datetime) -> bool:
    """Whether the last proof is recent enough for production."""
    moment = proved_at(session)
    return moment is not None and moment - CLOCK_SKEW <= now <= moment + settings.STEP_UP


def is_guarded(place: Place) -> bool:
    """Whether acts at a place need a recent proof at all."""
    return bool(settings.STEP_UP) and place.environment not in UNGUARDED


def require_recent_sign_in(request: HttpRequest, place: Place = ANYWHERE) -> None:
    """Raise `SignInTooOld` unless the place needs no recent proof or the session has one.

    Call it for the page of a form and again where the form acts. A GET is answered by sending the person to
    confirm and back; a POST by a page that carries every field on, so nothing that was typed is lost: its proof
    comes back with those fields to the same address and is checked here.
    """
    if not is_guarded(place) or is_recent(request.session, timezone.now()):
        return
    if request.method != "POST" or not is_proof(request.POST):
        raise SignInTooOld(place)
    try:
        confirm(request)
    except ProofRefused as refusal:
        raise SignInTooOld(place, refusal.sentence) from refusal


def confirm(request: HttpRequest) -> None:
    """Check the proof that a form carries and note it; raises `ProofRefused`."""
    method = prove(request)
    note_confirmed(request, method)


def note_confirmed(request: HttpRequest, method: str) -> None:
    """Note a proof in the session and in the ledger."""
    user: Any = request.user
    record(
        action="sign_in.confirmed",
        actor=user,
        target=user.get_username(),
        data={"method": method},
        request=request,
    )
    note_proof(request.session, timezone.now())
