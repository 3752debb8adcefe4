"""How fresh the figures of each account and region are, and what to say where they are not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from clusters.models import Environment, PollTarget, Service

if TYPE_CHECKING:
    from access.queries import Access

SHORT_ENVIRONMENTS = dict(Environment.choices)


@dataclass(frozen=True, slots=True)
class Source:
    """One account in one region as a source of figures."""

    pk: int
    account_id: str
    account_name: str
    environment: str
    region: str
    read_at: datetime | None
    attempted_at: datetime | None
    failing_since: datetime | None
    next_due_at: datetime
    error_action: str
    error_code: str
    error_message: str
    error_request_id: str
    is_stale: bool
    is_in_trouble: bool
    label: str = ""

    @property
    def name(self) -> str:
        return f"{self.account_name} {self.region}"

    @property
    def is_first_read(self) -> bool:
        """Whether nothing was read yet and nothing has failed: the first poll still runs."""
        return self.read_at is None and self.failing_since is None

    @property
    def state(self) -> str:
        """Say what stands in place of an age while there is none."""
        return "first read" if self.is_first_read else "not read"

    @property
    def title(self) -> str:
        environment = SHORT_ENVIRONMENTS.get(self.environment, self.environment)
        base = f"{self.account_name} ({self.account_id}), {environment}, {self.region}"
        return f"{base}: {self.error_code or 'not read'}" if self.failing_since else base


def stale_after() -> timedelta:
    """Return the age from which figures are no longer shown as current."""
    return timedelta(seconds=settings.STALE_AFTER_SECONDS)


def is_stale(read_at: datetime | None, now: datetime) -> bool:
    """Whether figures read at a moment are too old to be shown as current."""
    return read_at is None or now - read_at > stale_after()


def is_in_trouble(target: PollTarget, now: datetime) -> bool:
    """Whether people must be told: figures are old, or a part has failed for as long. One throttled call is not."""
    if target.failing_since is None:
        return target.succeeded_at is not None and is_stale(target.succeeded_at, now)
    return is_stale(target.succeeded_at, now) or is_stale(target.failing_since, now)


def visible_targets(access: Access) -> QuerySet[PollTarget]:
    """Return the targets that a person may see, or sees at least one service of."""
    services = access.visible(Service.objects.all()).filter(
        cluster__account=OuterRef("account"), cluster__region=OuterRef("region")
    )
    known = access.visible(PollTarget.objects.all())
    targets = PollTarget.objects.filter(account__is_active=True).select_related("account")
    return targets.filter(Q(pk__in=known.values("pk")) | Exists(services)).order_by("account__name", "region")


def source_of(target: PollTarget, now: datetime) -> Source:
    """Return a target as a source of figures; the account must be joined."""
    return Source(
        pk=target.pk,
        account_id=target.account.account_id,
        account_name=target.account.name,
        environment=target.account.environment,
        region=target.region,
        read_at=target.succeeded_at,
        attempted_at=target.attempted_at,
        failing_since=target.failing_since,
        next_due_at=target.next_due_at,
        error_action=target.error_action,
        error_code=target.error_code,
        error_message=target.error_message,
        error_request_id=target.error_request_id,
        is_stale=is_stale(target.succeeded_at, now),
        is_in_trouble=is_in_trouble(target, now),
    )


def sources_of(access: Access, now: datetime) -> list[Source]:
    """Return the sources that a person may see anything of, those with old figures first."""
    sources = with_labels([source_of(target, now) for target in visible_targets(access)])
    return sorted(sources, key=lambda source: not source.is_stale)


def with_labels(sources: list[Source]) -> list[Source]:
    """Give each a label that fits the rail: its environment, or its account where two share an environment."""
    shared = Counter((source.environment, source.region) for source in sources)
    return [
        replace(
            source,
            label=source.name
            if shared[source.environment, source.region] > 1
            else f"{SHORT_ENVIRONMENTS.get(source.environment, source.environment)} {source.region}",
        )
        for source in sources
    ]
