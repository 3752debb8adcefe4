"""CloudTrail: who called what that changes something, readable some minutes later."""

from __future__ import annotations

import json
import random
import uuid
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.around.alarms import Place
from sandbox.around.registry import Ask, Document, answers
from sandbox.names import partition
from sandbox.ports import ApiError, Caller

KEPT = 5_000
VISIBLE_FOR = timedelta(days=90)
PAGE = 50
HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
# Events of services are recorded under these names where they are not `<service>.amazonaws.com`.
_SOURCES = {
    "application-autoscaling": "autoscaling",
    "cloudwatch": "monitoring",
    "elbv2": "elasticloadbalancing",
}
# Reads by name; LookupEvents shows them on AWS too, where they drown what matters.
_READS = (
    "Describe",
    "List",
    "Get",
    "BatchGet",
    "Filter",
    "Lookup",
    "Test",
    "StartQuery",
    "StopQuery",
    "Discover",
)
# What CloudTrail takes for data, not for management.
_DATA = frozenset({"PutLogEvents", "PutMetricData", "PutEvents", "StartLiveTail"})
_DATA_SERVICES = frozenset({"sqs"})
_QUEUE_MANAGEMENT = frozenset({"CreateQueue", "DeleteQueue", "SetQueueAttributes", "TagQueue", "UntagQueue"})


@dataclass(frozen=True, slots=True)
class Recorded:
    """One event; `document` is what CloudTrailEvent holds."""

    id: str
    at: datetime
    name: str
    source: str
    username: str
    access_key: str
    resources: tuple[tuple[str, str], ...]
    document: Document


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a call came from."""

    access_key: str = ""
    principal_id: str = ""
    address: str = "127.0.0.1"
    agent: str = ""
    invoked_by: str = ""


def is_recorded(service: str, operation: str) -> bool:
    """Whether a call is a management event that changes something."""
    if service in _DATA_SERVICES:
        return operation in _QUEUE_MANAGEMENT
    return (
        bool(operation)
        and not operation.startswith(_READS)
        and operation not in _DATA
        and " " not in operation
    )


class Trail:
    """The events of every account and region, newest first; `delay` is how long they take to be seen."""

    def __init__(self, clock: Callable[[], datetime], seed: int, delay: timedelta) -> None:
        self._clock = clock
        self._rng = random.Random(f"trail {seed}")
        self.delay = delay
        self._events: dict[Place, deque[Recorded]] = defaultdict(lambda: deque(maxlen=KEPT))

    def note(
        self,
        caller: Caller,
        service: str,
        operation: str,
        params: Document,
        response: Document | None = None,
        *,
        error: ApiError | None = None,
        origin: Origin | None = None,
        at: datetime | None = None,
    ) -> None:
        """Record a call."""
        moment, origin = (at or self._clock()), origin or Origin()
        source = f"{_SOURCES.get(service, service)}.amazonaws.com"
        event_id = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        document = {
            "eventVersion": "1.11",
            "userIdentity": _identity(caller, origin),
            "eventTime": _text(moment),
            "eventSource": source,
            "eventName": operation,
            "awsRegion": caller.region,
            "sourceIPAddress": origin.invoked_by or origin.address,
            "userAgent": origin.invoked_by or origin.agent,
            "requestParameters": _hidden(_plain(params)) or None,
            "responseElements": _hidden(_plain(response)) if response else None,
            "requestID": str(uuid.UUID(int=self._rng.getrandbits(128), version=4)),
            "eventID": event_id,
            "readOnly": False,
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": caller.account_id,
            "eventCategory": "Management",
        }
        if error is not None:
            document |= {"errorCode": error.code, "errorMessage": error.message}
        recorded = Recorded(
            event_id,
            moment,
            operation,
            source,
            _username(caller),
            origin.access_key,
            tuple(_resources(params)),
            document,
        )
        events = self._events[caller.account_id, caller.region]
        events.appendleft(recorded)

    def events(self, place: Place) -> list[Recorded]:
        """Return what can be seen by now, newest first."""
        newest, oldest = self._clock() - self.delay, self._clock() - VISIBLE_FOR
        found = [item for item in self._events[place] if oldest <= item.at <= newest]
        # What scenarios tell of the past comes in any order.
        return sorted(found, key=lambda item: item.at, reverse=True)


_ATTRIBUTES: dict[str, Callable[[Recorded, str], bool]] = {
    "EventId": lambda item, value: item.id == value,
    "EventName": lambda item, value: item.name == value,
    "EventSource": lambda item, value: item.source == value,
    "Username": lambda item, value: item.username == value,
    "AccessKeyId": lambda item, value: item.access_key == value,
    "ReadOnly": lambda item, value: value == "false",
    "ResourceName": lambda item, value: any(name == value for _, name in item.resources),
    "ResourceType": lambda item, value: any(kind == value for kind, _ in item.resources),
}


@answers("cloudtrail", "LookupEvents")
def lookup_events(ask: Ask, params: Document) -> Document:
    """List events by one attribute and a span of time, fifty a page."""
    size = int(params.get("MaxResults") or PAGE)
    if not 1 <= size <= PAGE:
        raise ApiError("InvalidMaxResultsException", f"A maximum of {PAGE} results can be returned.")
    start, end = params.get("StartTime"), params.get("EndTime")
    if start and end and start > end:
        raise ApiError("InvalidTimeRangeException", "The start time must be before the end time.")
    attributes = params.get("LookupAttributes") or []
    if len(attributes) > 1:
        raise ApiError("InvalidLookupAttributesException", "You can only specify one lookup attribute.")
    found = [
        item
        for item in ask.around.trail.events(ask.place)
        if (start is None or item.at >= start)
        and (end is None or item.at <= end)
        and all(_ATTRIBUTES[one["AttributeKey"]](item, one["AttributeValue"]) for one in attributes)
    ]
    label = f"events {attributes} {start} {end}"
    chosen, token = ask.around.pages.cut(
        found, params.get("NextToken"), size, label=label, code="InvalidNextTokenException"
    )
    return {"Events": [_shown(item) for item in chosen], "NextToken": token}


def _shown(item: Recorded) -> Document:
    return {
        "EventId": item.id,
        "EventName": item.name,
        "ReadOnly": "false",
        "AccessKeyId": item.access_key or None,
        "EventTime": item.at.replace(microsecond=0),
        "EventSource": item.source,
        "Username": item.username or None,
        "Resources": [{"ResourceType": kind, "ResourceName": name} for kind, name in item.resources],
        "CloudTrailEvent": json.dumps(item.document),
    }


def _identity(caller: Caller, origin: Origin) -> Document:
    """Describe the principal as CloudTrail does: a user, or a session of a role with its source identity."""
    arn, account_id = caller.principal_arn, caller.account_id
    common: Document = {"principalId": origin.principal_id, "arn": arn, "accountId": account_id}
    if origin.access_key:
        common["accessKeyId"] = origin.access_key
    if ":assumed-role/" not in arn:
        kind, name = (
            ("Role", arn.rsplit("/", 1)[-1]) if ":role/" in arn else ("IAMUser", arn.rsplit("/", 1)[-1])
        )
        return {"type": kind, **common, "userName": name}
    role = arn.split(":assumed-role/", 1)[1].split("/")[0]
    issuer = {
        "type": "Role",
        "principalId": origin.principal_id.partition(":")[0],
        "arn": f"arn:{partition(caller.region)}:iam::{account_id}:role/{role}",
        "accountId": account_id,
        "userName": role,
    }
    context: Document = {"sessionIssuer": issuer, "attributes": {"mfaAuthenticated": "false"}}
    if caller.source_identity:
        context["sourceIdentity"] = caller.source_identity
    identity: Document = {"type": "AssumedRole", **common, "sessionContext": context}
    if origin.invoked_by:
        identity["invokedBy"] = origin.invoked_by
    return identity


def _username(caller: Caller) -> str:
    return caller.session_name or caller.principal_arn.rsplit("/", 1)[-1]


_RESOURCES = {
    "cluster": "AWS::ECS::Cluster",
    "service": "AWS::ECS::Service",
    "serviceName": "AWS::ECS::Service",
    "taskDefinition": "AWS::ECS::TaskDefinition",
    "family": "AWS::ECS::TaskDefinition",
    "task": "AWS::ECS::Task",
}


def _resources(params: Document) -> list[tuple[str, str]]:
    return [
        (kind, params[name])
        for name, kind in _RESOURCES.items()
        if isinstance(params.get(name), str) and params[name]
    ]


def _plain(value: Any) -> Any:
    """Write parameters as CloudTrail shows them: names begin in lower case, moments are text."""
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%b %-d, %Y, %-I:%M:%S %p}"
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value


def _hidden(value: Any) -> Any:
    """Hide the values of environment variables and secrets."""
    if isinstance(value, dict):
        return {key: _hidden_member(key, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_hidden(item) for item in value]
    return value


def _hidden_member(key: str, value: Any) -> Any:
    if key == "environment" and isinstance(value, list):
        return [{**item, "value": HIDDEN} if isinstance(item, dict) else item for item in value]
    if key in ("secretString", "secretBinary", "secretAccessKey", "sessionToken") or key == "externalId":
        return HIDDEN
    return _hidden(value)


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
