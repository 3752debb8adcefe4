"""CloudTrail's event history: who made a call. It is up to 15 minutes late and reaches back 90 days."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aws.calls import read
from aws.scope import Scope

# CloudTrail's largest page.
PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class TrailEvent:
    """One management event; parameters and answer in CloudTrail's own field names, which begin in lower case."""

    event_id: str
    name: str
    at: datetime
    principal_arn: str
    source_identity: str
    ip_address: str
    user_agent: str
    access_key_id: str
    invoked_by: str
    error_code: str
    params: Mapping[str, Any] = field(default_factory=dict)
    answer: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a search found; `is_complete` is False when there was more than its limit of pages."""

    events: list[TrailEvent]
    is_complete: bool


def lookup_events(scope: Scope, name: str, start: datetime, end: datetime, *, pages: int) -> Lookup:
    """Find the events of one name in a span of time, at most so many pages of fifty.

    Costs a call a page, of which CloudTrail grants two a second in an account and region. IAM:
    cloudtrail:LookupEvents. Follows
    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
    """
    wanted = [{"AttributeKey": "EventName", "AttributeValue": name}]
    found: list[TrailEvent] = []
    token = ""
    for _ in range(pages):
        paging = {"NextToken": token} if token else {}
        page = read(
            scope,
            "cloudtrail",
            "lookup_events",
            LookupAttributes=wanted,
            StartTime=start,
            EndTime=end,
            MaxResults=PER_PAGE,
            **paging,
        )
        found += [event for item in page.get("Events", []) if (event := event_of(item))]
        token = page.get("NextToken") or ""
        if not token:
            return Lookup(found, is_complete=True)
    return Lookup(found, is_complete=False)


def event_of(item: Mapping[str, Any]) -> TrailEvent | None:
    """Return an event of LookupEvents, None for one whose record cannot be read."""
    try:
        record = json.loads(item.get("CloudTrailEvent") or "")
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    who = mapping(record.get("userIdentity"))
    session = mapping(who.get("sessionContext"))
    return TrailEvent(
        event_id=str(item.get("EventId") or record.get("eventID") or ""),
        name=str(item.get("EventName") or record.get("eventName") or ""),
        at=item["EventTime"],
        principal_arn=principal_of(who),
        source_identity=str(session.get("sourceIdentity") or ""),
        ip_address=str(record.get("sourceIPAddress") or ""),
        user_agent=str(record.get("userAgent") or ""),
        access_key_id=str(who.get("accessKeyId") or ""),
        invoked_by=str(who.get("invokedBy") or ""),
        error_code=str(record.get("errorCode") or ""),
        params=mapping(record.get("requestParameters")),
        answer=mapping(record.get("responseElements")),
    )


def principal_of(who: Mapping[str, Any]) -> str:
    """Return who called: an ARN where the identity has one, else what names it best.

    Root, users, roles and federated users have one; services, web and SAML identities, other accounts and users of
    Identity Center do not. https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
    """
    names = [who.get(name) for name in ("arn", "invokedBy", "principalId", "userName")]
    kind, person = str(who.get("type") or ""), str(mapping(who.get("onBehalfOf")).get("userId") or "")
    unnamed = " ".join(part for part in (kind, person) if part)
    return next((str(name) for name in names if name), unnamed)


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a member of a record as a mapping; every one of them may be null."""
    return value if isinstance(value, Mapping) else {}
