"""Health for machines: alive, ready, and how fresh the data is."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_GET
from redis import Redis, RedisError

from clusters.models import Account, PollTarget


@login_not_required
@require_GET
def livez(request: HttpRequest) -> JsonResponse:
    """Answer 200 while the process serves at all."""
    return JsonResponse({"status": "alive"})


@login_not_required
@require_GET
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 once database and broker answer and every account has been read or has failed once."""
    problems = find_problems()
    return JsonResponse(
        {"status": "waiting" if problems else "ready", "problems": problems}, status=503 if problems else 200
    )


def find_problems() -> list[str]:
    """Return what keeps the first pages from being useful."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        waiting = PollTarget.objects.filter(account__is_active=True, attempted_at__isnull=True).count()
        unwatched = Account.objects.filter(is_active=True, targets__isnull=True).count()
    except DatabaseError as error:
        return [f"database: {error}"]
    problems = [f"inventory: {waiting + unwatched} regions not read yet"] if waiting + unwatched else []
    try:
        broker().ping()
    except RedisError as error:
        problems.append(f"broker: {error}")
    return problems


def broker() -> Redis:
    """Return a client with short timeouts: a health check must not hang with what it checks."""
    from django.conf import settings

    return Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1)


@require_GET
def statusz(request: HttpRequest) -> JsonResponse:
    """Answer the age of the data per account and region, for people who run the console."""
    now = timezone.now()
    targets = [
        {
            "account": target.account.name,
            "region": target.region,
            "age_seconds": (now - target.succeeded_at).total_seconds() if target.succeeded_at else None,
            "failing_since": target.failing_since,
            "error": target.error_code,
        }
        for target in request.access.visible(PollTarget.objects.select_related("account"))  # type: ignore[attr-defined]
    ]
    return JsonResponse({"targets": targets, "problems": find_problems()})
