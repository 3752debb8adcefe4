"""Writing to the ledger. There is one way in and none out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import structlog
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from audit.chain import SCHEMA_VERSION, canonical_bytes, link_hash
from audit.models import AuditChain, AuditEntry
from audit.observers import tell_entry

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

LONGEST_TEXT = 4000


def describe_actor(actor: AbstractBaseUser | AnonymousUser | str | None) -> tuple[str, str]:
    """Return the shown name and the stable id of who acted."""
    if actor is None or isinstance(actor, str):
        return actor or "system", ""
    name = actor.get_username()
    return (name, f"u-{actor.pk}") if name else ("anonymous", "")


def without_controls(text: str) -> str:
    """Drop control characters, so that an entry cannot forge a second line in a log or an export."""
    return "".join(c if c == "\n" or c.isprintable() else " " for c in text)[:LONGEST_TEXT]


def who_and_where(
    actor: AbstractBaseUser | AnonymousUser | str | None, resource: Any, request: HttpRequest | None
) -> dict[str, str]:
    """Return the person, the place and the request as an entry names them."""
    name, actor_id = describe_actor(actor)
    places = ("environment", "account_id", "region", "cluster", "service")
    context = structlog.contextvars.get_contextvars()
    return {
        "actor": without_controls(name),
        "actor_id": actor_id,
        **{place: getattr(resource, place, "") for place in places},
        "ip": request.META.get("REMOTE_ADDR", "") if request is not None else "",
        "request_id": str(context.get("request_id", ""))[:64],
    }


def by_token(request: HttpRequest | None) -> dict[str, str]:
    """Name the API token by which a machine acts for a person, so that an entry never passes for their own hand."""
    token = getattr(request, "api_token", None)
    return {"by_token": token.prefix} if token is not None else {}


def record(
    *,
    action: str,
    actor: AbstractBaseUser | AnonymousUser | str | None,
    resource: Any = None,
    target: str = "",
    outcome: str = "ok",
    reason: str = "",
    data: dict[str, Any] | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    request: HttpRequest | None = None,
) -> AuditEntry:
    """Append one entry in the caller's transaction; when it cannot be written, neither can what it records.

    `resource` is any object with environment, account_id, region, cluster and service; `data` is small JSON
    without secrets, and so are `before` and `after`, which the entry's page shows side by side. Costs three queries.
    The chain row stays locked until the caller commits.
    """
    sides = {name: side for name, side in (("before", before), ("after", after)) if side is not None}
    everything = {**(data or {}), **by_token(request), **sides}
    content = {
        **who_and_where(actor, resource, request),
        "action": action,
        "outcome": outcome,
        "target": without_controls(target)[:255],
        "reason": without_controls(reason),
        "data": json.loads(json.dumps(everything, cls=DjangoJSONEncoder)),
    }
    with transaction.atomic():
        chain = AuditChain.objects.select_for_update().get(pk=1)
        at = timezone.now()
        full = {
            **content,
            "seq": chain.next_seq,
            "at": at.isoformat(timespec="microseconds"),
            "v": SCHEMA_VERSION,
        }
        canonical = canonical_bytes(full)
        entry = AuditEntry.objects.create(
            **content,
            seq=chain.next_seq,
            at=at,
            canonical=canonical,
            prev_hash=chain.head_hash,
            hash=link_hash(canonical, chain.head_hash),
        )
        AuditChain.objects.filter(pk=1).update(next_seq=entry.seq + 1, head_hash=entry.hash)
        tell_entry(entry)
    return entry
