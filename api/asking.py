"""Asking for a change by machine: a request that comes twice with one key makes one change."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone

from access.models import ApiToken
from api.errors import InvalidRequest
from api.schemas import ChangeIn, Wish
from api.wishes import spec_of
from clusters.models import Service
from deployments.actions import request_change
from deployments.errors import ChangeRefused, KeyReused
from deployments.fingerprint import canonical_json
from deployments.models import Change
from deployments.models.changes import Via
from deployments.plans import Plan, make_plan
from deployments.terms import IfBusy, Terms, error_of_hour
from deployments.verbs import verb_for

if TYPE_CHECKING:
    from ecsconsole.http import ConsoleRequest

PURPOSE = b"ecs.api.request"
LONGEST_KEY = 128


def ask(request: ConsoleRequest, service: Service, body: ChangeIn, key: str) -> tuple[Change, bool]:
    """Return the change that a request makes, or has made before; and whether it is new."""
    check_key(key)
    if known := change_by_key(request, body, key):
        return known, False
    try:
        return make(request, service, body, key)
    except (ChangeRefused, IntegrityError):
        # The same request may have come twice at once; then the other one's change is the answer to both.
        if known := change_by_key(request, body, key):
            return known, False
        raise


def check_key(key: str) -> None:
    if len(key) > LONGEST_KEY or not key.isprintable():
        raise InvalidRequest({"Idempotency-Key": f"A key has at most {LONGEST_KEY} printable characters."})


def change_by_key(request: ConsoleRequest, body: ChangeIn, key: str) -> Change | None:
    """Return the change that this key made before; raises `KeyReused` if it was for something else."""
    if not key:
        return None
    rows = Change.objects.select_related("service__cluster__account", "requester")
    known = rows.filter(requester=request.user, idempotency_key=key).first()
    if known is not None and known.request_sha256 not in digests(body):
        raise KeyReused(
            f"This key was used for CR-{known.pk}, which was asked for in other words. Nothing was done.",
            advice="Take a new key for a new request.",
        )
    return known


def digests(body: ChangeIn) -> list[str]:
    """Return the digest of a request under the present key and under those before a rotation.

    Keyed, because a body may hold values of variables that a plain digest would let be guessed.
    """
    content = canonical_json(body.model_dump(mode="json", exclude_unset=True))
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    keys = [hashlib.blake2b(str(secret).encode(), person=PURPOSE).digest() for secret in secrets]
    return [hmac.new(key, content, hashlib.sha256).hexdigest() for key in keys]


def terms_of(wish: Wish, **more: Any) -> Terms:
    """Return when and behind what a request is to begin."""
    return Terms(if_busy=IfBusy(wish.if_busy), scheduled_at=wish.scheduled_at, via=Via.API, **more)


def make(request: ConsoleRequest, service: Service, body: ChangeIn, key: str) -> tuple[Change, bool]:
    """Ask for a change on the plan that was looked at, or on the one of this moment."""
    now = timezone.now()
    token: ApiToken = request.api_token  # type: ignore[attr-defined]
    digest = digests(body)[0] if key else ""
    change = request_change(
        service=service,
        kind=body.kind,
        spec=spec_of(service, body),
        actor=request.user,
        access=request.access,
        reason=body.reason.strip(),
        ticket=body.ticket.strip(),
        plan_id=body.plan or plan_for(request, service, body).id,
        confirm=body.confirm.strip(),
        terms=terms_of(body, token=token, idempotency_key=key, request_sha256=digest),
        now=now,
        request=request,
    )
    return change, change.created_at == now


def plan_for(request: ConsoleRequest, service: Service, wish: Wish) -> Plan:
    """Plan what a request asks for; who may not do it may not plan it either, as on the pages."""
    permission = verb_for(wish.kind).permission
    request.access.require(permission, service.access_resource)
    spec, now = spec_of(service, wish), timezone.now()
    if error := error_of_hour(wish.scheduled_at, now):
        # Before it is planned: an hour of another century is beyond what a calendar can count from.
        raise InvalidRequest({"scheduled_at": error})
    return make_plan(service, wish.kind, spec, access=request.access, now=now, terms=terms_of(wish))
