"""Who began a service deployment outside the console: asked of CloudTrail, in batches, within its two calls a second.

A deployment that the circuit breaker or an alarm rolled back is the one that began it, and the autoscaler begins none, so
neither is ever looked for as a deployment of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from audit.actions import record
from aws import cloudtrail
from aws.cloudtrail import TrailEvent
from aws.errors import AwsAccessDenied, AwsError
from clusters.actions import note_principals
from clusters.models import DeploymentIdentity, ServiceDeployment
from clusters.queries import scope_of
from deployments.filters import changes_of_deployment
from deployments.machine import SYSTEM
from deployments.trail_matching import Wanted, choose, short_principal, spans_of

logger = structlog.get_logger(__name__)

State = DeploymentIdentity.State
ACTION = "cloudtrail:LookupEvents"
# CloudTrail keeps its event history for this long.
TRAIL_KEEPS = timedelta(days=90)
# Nothing is there earlier, and a change of the console has taken its deployment by then.
FIRST_ASK = timedelta(minutes=3)
# Events are up to 15 minutes late; after hours there is none to come.
GIVE_UP = timedelta(hours=6)
ASK_AGAIN = (3, 5, 10, 15, 30, 60, 120)
# Who may not look asks again rarely, so that a permission given later is found without anybody's doing.
DENIED_AGAIN = timedelta(hours=1)
TROUBLE_AGAIN = timedelta(minutes=5)
# One run: so many places, and in each so many deployments and pages at a call a second.
PLACES, DEPLOYMENTS, PAGES, PAGES_OF_SPAN = 4, 40, 10, 5
NEW_ROWS = 500
# A run that died leaves what it had taken to the next one after this.
TAKEN_FOR = timedelta(minutes=5)


def find_identities(*, now: datetime) -> int:
    """Ask for what is due, some places at a time; return how many deployments got a name."""
    note_unnamed(now)
    due = DeploymentIdentity.objects.filter(next_ask_at__lte=now)
    places = due.values_list(
        "deployment__service__cluster__account_id", "deployment__service__cluster__region"
    )
    return sum(
        ask_for_place(rows_of_place(due, account, region), now)
        for account, region in turn_of(sorted(places.order_by().distinct()), now)
    )


def turn_of(places: Sequence[tuple[int, str]], now: datetime) -> list[tuple[int, str]]:
    """Return the places whose turn it is in this minute, so that one with a long history does not keep others waiting."""
    if len(places) <= PLACES:
        return list(places)
    start = int(now.timestamp() // 60) * PLACES % len(places)
    return [*places, *places][start : start + PLACES]


def rows_of_place(due: QuerySet[DeploymentIdentity], account: int, region: str) -> list[DeploymentIdentity]:
    """Return what is due of one account and region, the newest deployments first."""
    here = due.filter(
        deployment__service__cluster__account=account, deployment__service__cluster__region=region
    )
    rows = here.select_related("deployment__service__cluster__account").defer(
        "deployment__facts", "deployment__service__facts", "deployment__service__row_html"
    )
    return list(rows.order_by("-deployment__created_at")[:DEPLOYMENTS])


def note_unnamed(now: datetime) -> None:
    """Begin to look for the beginner of each deployment that no change of the console began; forget those that have one."""
    ours = Exists(changes_of_deployment(OuterRef("arn"), OuterRef("service_id")))
    unnamed = ServiceDeployment.objects.filter(
        identity=None, created_at__gt=now - TRAIL_KEEPS, created_at__lte=now - FIRST_ASK, created_by=""
    ).exclude(ours)
    pks = unnamed.order_by("-created_at").values_list("pk", flat=True)[:NEW_ROWS]
    rows = [DeploymentIdentity(deployment_id=pk, next_ask_at=now) for pk in pks]
    DeploymentIdentity.objects.bulk_create(rows, ignore_conflicts=True)
    claimed = DeploymentIdentity.objects.filter(next_ask_at__lte=now).filter(
        Exists(changes_of_deployment(OuterRef("deployment__arn"), OuterRef("deployment__service_id")))
    )
    claimed.delete()


@dataclass(slots=True)
class Answer:
    """What CloudTrail showed for the deployments of one place."""

    events: list[TrailEvent] = field(default_factory=list)
    # Spans of which not all pages were read: that nothing was found there means nothing.
    partial: list[tuple[datetime, datetime]] = field(default_factory=list)
    unread: list[tuple[datetime, datetime]] = field(default_factory=list)

    def has_read(self, moment: datetime) -> bool:
        return not any(start <= moment <= end for start, end in self.unread)

    def is_partial(self, moment: datetime) -> bool:
        return any(start <= moment <= end for start, end in self.partial)


def ask_for_place(rows: Sequence[DeploymentIdentity], now: datetime) -> int:
    """Ask CloudTrail about deployments of one account and region, and write down what it says."""
    pks = [row.pk for row in rows]
    taken = DeploymentIdentity.objects.filter(pk__in=pks, next_ask_at__lte=now)
    if not taken.update(next_ask_at=now + TAKEN_FOR):
        # Another worker took them all between our look and now.
        return 0
    try:
        answer = look_up(rows)
    except AwsError as error:
        note_trouble(rows, error, now)
        return 0
    found = [row for row in rows if settle(row, answer, now)]
    with transaction.atomic():
        DeploymentIdentity.objects.bulk_update(rows, FIELDS)
        if found:
            note_found(found, now)
    return len(found)


FIELDS = [
    "state",
    "note",
    "asked_count",
    "next_ask_at",
    "event_id",
    "event_name",
    "event_at",
    "principal_arn",
    "source_identity",
    "ip_address",
    "user_agent",
    "access_key_id",
]


def wanted_of(row: DeploymentIdentity) -> Wanted:
    found = row.deployment
    return Wanted(
        service_arn=found.service.arn,
        created_at=found.created_at,
        task_definition_arn=found.task_definition_arn,
        is_first=not found.source_revision_arns,
    )


def look_up(rows: Sequence[DeploymentIdentity]) -> Answer:
    """Read the events around deployments; what exceeds the pages of one run is left for the next."""
    scope, answer, pages = scope_of(rows[0].deployment.service), Answer(), PAGES
    wanted = [wanted_of(row) for row in rows]
    for name in ("UpdateService", "CreateService"):
        for start, end in spans_of(item.created_at for item in wanted if name in item.event_names):
            if pages <= 0:
                answer.unread.append((start, end))
                continue
            most = min(pages, PAGES_OF_SPAN)
            lookup = cloudtrail.lookup_events(scope, name, start, end, pages=most)
            pages -= 1 + len(lookup.events) // cloudtrail.PER_PAGE
            answer.events += lookup.events
            if not lookup.is_complete:
                answer.partial.append((start, end))
    return answer


def settle(row: DeploymentIdentity, answer: Answer, now: datetime) -> bool:
    """Write an answer into a row; True when the deployment has a name now."""
    wanted = wanted_of(row)
    if not answer.has_read(wanted.created_at):
        row.next_ask_at = now
        return False
    row.asked_count += 1
    match = choose(answer.events, wanted)
    if match.event is not None:
        take_over(row, match.event)
        return True
    is_over = now - wanted.created_at > GIVE_UP
    if match.rivals:
        row.state = State.AMBIGUOUS
        row.note = (
            f"{match.rivals} {names_of(wanted)} calls fit this deployment; CloudTrail does not tell which."
        )
    elif is_over:
        row.state = State.NONE
        row.note = none_words(names_of(wanted), is_partial=answer.is_partial(wanted.created_at))
    else:
        row.state, row.note = State.WAITING, "CloudTrail shows no call yet; it may be 15 minutes late."
    again = ASK_AGAIN[min(row.asked_count, len(ASK_AGAIN)) - 1]
    row.next_ask_at = None if is_over else now + timedelta(minutes=again)
    return False


def names_of(wanted: Wanted) -> str:
    return " or ".join(wanted.event_names)


def none_words(name: str, *, is_partial: bool) -> str:
    if is_partial:
        most = PAGES_OF_SPAN * cloudtrail.PER_PAGE
        return f"CloudTrail has more than {most} {name} calls around it; none of the newest {most} fits."
    return f"CloudTrail shows no {name} within 5 min of it that fits."


def take_over(row: DeploymentIdentity, event: TrailEvent) -> None:
    row.state, row.note, row.next_ask_at = State.FOUND, "", None
    row.event_id, row.event_name, row.event_at = event.event_id[:64], event.name[:64], event.at
    row.principal_arn, row.source_identity = event.principal_arn[:300], event.source_identity[:64]
    row.ip_address, row.user_agent = event.ip_address[:120], event.user_agent[:300]
    row.access_key_id = event.access_key_id[:64]


def note_trouble(rows: Sequence[DeploymentIdentity], error: AwsError, now: datetime) -> None:
    """Write down why CloudTrail could not be asked, and when it is asked again."""
    denied = isinstance(error, AwsAccessDenied)
    for row in rows:
        row.note = f"{error} {error.hint}"
        row.state = State.DENIED if denied else row.state
        row.next_ask_at = now + (DENIED_AGAIN if denied else TROUBLE_AGAIN)
        if now - row.deployment.created_at > TRAIL_KEEPS:
            row.next_ask_at = None
    DeploymentIdentity.objects.bulk_update(rows, FIELDS)
    logger.warning("cloudtrail_not_read", action=error.action, code=error.code, request_id=error.request_id)


def note_found(rows: Sequence[DeploymentIdentity], now: datetime) -> None:
    """Put the names beside the deployments and into the ledger: one entry for what one look found."""
    note_principals(
        names={row.deployment_id: short_principal(row.principal_arn) for row in rows if row.principal_arn},
        now=now,
    )
    account = rows[0].deployment.service.cluster.account
    record(
        action="deployments.attributed",
        actor=SYSTEM,
        resource=account.access_resource,
        target=str(account),
        data={
            "deployments": [
                {
                    "service_deployment": str(row.deployment),
                    "arn": row.deployment.arn,
                    "service": row.deployment.service.name,
                    "principal": row.principal_arn,
                    "source_identity": row.source_identity,
                    "event_id": row.event_id,
                    "event": row.event_name,
                    "at": row.event_at,
                    "ip": row.ip_address,
                }
                for row in rows
            ]
        },
    )
