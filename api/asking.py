"""Asking for a change by machine: a request that comes twice with one key makes one change."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from access.models import ApiToken
from api.errors import InvalidRequest
from api.schemas import ChangeIn, Wish
from api.wishes import spec_of
from clusters.models import Service
from deployments.actions import request_change, require
from deployments.errors import ChangeRefused
from deployments.fingerprint import canonical_json
from deployments.models import Change
from deployments.models.changes import Via
from deployments.plans import Plan, make_plan
from deployments.verbs import verb_for

if TYPE_CHECKING:
    from ecsconsole.http import ConsoleRequest

PURPOSE = b"ecs.api.request"
LONGEST_KEY = 128


class KeyReused(ChangeRefused):
    """An idempotency key came with another request than before."""

    title = "Key used for another request"


def ask(request: ConsoleRequest, service: Service, body: ChangeIn, key: str) -> tuple[Change, bool]:
    """Return the change that a request makes, or has made before; and whether it is new."""
    check_key(key)
    if known := change_by_key(request, body, key):
        return known, False
    try:
        return make(request, service, body, key), True
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


def make(request: ConsoleRequest, service: Service, body: ChangeIn, key: str) -> Change:
    """Ask for a change on the plan that was looked at, or on the one of this moment."""
    spec = spec_of(service, body)
    plan = body.plan or plan_for(request, service, body).sha
    token: ApiToken = request.api_token  # type: ignore[attr-defined]
    with transaction.atomic():
        change = request_change(
            service=service,
            kind=body.kind,
            spec=spec,
            actor=request.user,
            access=request.access,
            reason=body.reason.strip(),
            ticket=body.ticket.strip(),
            plan_sha=plan,
            confirm=body.confirm.strip(),
            request=request,
        )
        change.via, change.token, change.idempotency_key = Via.API, token, key
        change.request_sha256 = digests(body)[0] if key else ""
        change.save(update_fields=["via", "token", "idempotency_key", "request_sha256"])
    return change


def plan_for(request: ConsoleRequest, service: Service, body: Wish) -> Plan:
    """Plan what a request asks for; who may not do it may not plan it either, as on the pages."""
    permission = verb_for(body.kind).permission
    require(request.access, permission, service.access_resource, target=service.name, request=request)
    return make_plan(service, body.kind, spec_of(service, body), access=request.access, now=timezone.now())
