from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from access.decisions import PermissionMissing
from access.queries import access_for
from audit.models import AuditEntry
from clusters import tasks, watching
from clusters.actions import acknowledge_failure, add_account, keep_hot, note_deployer, request_refresh
from clusters.models import Account, PollTarget, Service
from clusters.queries import scope_of, stale_targets
from clusters.status import Status
from tests.builders import bind, make_cluster, make_person, make_service, make_service_deployment, make_target

pytestmark = pytest.mark.django_db


def test_an_account_is_watched_from_now_on_and_that_is_in_the_ledger(people: dict[str, User]) -> None:
    account = add_account(
        actor=people["erin"],
        account_id="111122223333",
        name="shop",
        environment="production",
        regions=["us-east-1", "eu-west-1", "us-east-1"],
        external_id="do not tell",
    )
    assert set(account.targets.values_list("region", flat=True)) == {"us-east-1", "eu-west-1"}
    entry = AuditEntry.objects.latest("seq")
    assert (entry.action, entry.actor) == ("account.added", "erin")
    assert "do not tell" not in str(entry.data)
    add_account(
        actor="system", account_id="111122223333", name="shop", environment="staging", regions=["us-east-1"]
    )
    assert Account.objects.get().environment == "staging"
    assert PollTarget.objects.get().region == "us-east-1"
    assert AuditEntry.objects.latest("seq").action == "account.changed"


def test_a_new_environment_reaches_the_clusters_that_nobody_set_apart() -> None:
    plain, apart = make_cluster("plain"), make_cluster("apart", environment="development")
    add_account(
        actor="system", account_id="111122223333", name="x", environment="staging", regions=["us-east-1"]
    )
    plain.refresh_from_db()
    apart.refresh_from_db()
    assert (plain.environment, apart.environment) == ("staging", "development")


def test_what_is_due_is_sent_to_a_worker_each_on_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    due = make_target(region="us-east-1", next_due_at=now - timedelta(seconds=1))
    make_target(region="eu-west-1", next_due_at=now + timedelta(seconds=60))
    leased = make_target(region="eu-north-1", next_due_at=now, lease_expires_at=now + timedelta(seconds=60))
    sent: list[int] = []
    monkeypatch.setattr(tasks.poll_target, "apply_async", lambda args, **_: sent.append(args[0]))
    tasks.poll_due()
    assert sent == [due.pk]
    Account.objects.update(is_active=False)
    tasks.poll_due()
    assert sent == [due.pk]
    assert leased.pk not in sent


def test_a_page_keeps_a_service_hot_without_a_write_for_each_fragment(
    django_assert_num_queries: pytest.FixtureRequest,
) -> None:
    service = make_service()
    keep_hot(service)
    assert service.hot_until is not None
    with django_assert_num_queries(0):  # type: ignore[operator]
        keep_hot(service)
    service.hot_until = timezone.now() + timedelta(seconds=5)
    with django_assert_num_queries(1):  # type: ignore[operator]
        keep_hot(service)


def test_a_refresh_makes_the_target_due_at_once() -> None:
    service = make_service()
    PollTarget.objects.update(next_due_at=timezone.now() + timedelta(minutes=1))
    request_refresh(service)
    assert PollTarget.objects.get().next_due_at <= timezone.now()
    assert Service.objects.get().hot_until is not None


def test_a_refresh_does_not_break_the_back_off_of_a_failing_target() -> None:
    service = make_service()
    later = timezone.now() + timedelta(minutes=1)
    PollTarget.objects.update(next_due_at=later, failing_since=timezone.now())
    request_refresh(service)
    assert PollTarget.objects.get().next_due_at == later


def test_an_acknowledged_failure_no_longer_counts(people: dict[str, User]) -> None:
    service = make_service(status=Status.FAILED, described_at=timezone.now())
    make_service_deployment(service, status="ROLLBACK_SUCCESSFUL")
    acknowledge_failure(service=service, actor=people["alice"], access=access_for(people["alice"]))
    assert Service.objects.get().status == Status.STEADY
    assert AuditEntry.objects.latest("seq").action == "failure.acknowledged"


def test_whoever_deployed_stands_in_the_row() -> None:
    service = make_service(described_at=timezone.now())
    deployment = make_service_deployment(service)
    assert not note_deployer(service_deployment_arn="arn:not-read-yet", name="Alice Okafor")
    assert note_deployer(service_deployment_arn=deployment.arn, name="Alice Okafor")
    service.refresh_from_db()
    assert service.deployed_by == "Alice Okafor"
    assert "Alice Okafor" in service.row_html


def test_a_viewer_acknowledges_nothing(people: dict[str, User]) -> None:
    service = make_service(status=Status.FAILED, described_at=timezone.now())
    make_service_deployment(service, status="ROLLBACK_SUCCESSFUL")
    with pytest.raises(PermissionMissing):
        acknowledge_failure(service=service, actor=people["carol"], access=access_for(people["carol"]))
    assert Service.objects.get().acknowledged_deployment == ""


def test_a_service_is_reached_through_its_accounts_roles() -> None:
    service = make_service()
    Account.objects.update(role_arn="arn:read", deploy_role_arn="arn:deploy", external_id="x")
    scope = scope_of(Service.objects.select_related("cluster__account").get(pk=service.pk))
    assert (scope.account_id, scope.region) == ("111122223333", "us-east-1")
    assert (scope.role_arn, scope.deploy_role_arn, scope.external_id) == ("arn:read", "arn:deploy", "x")


def test_targets_that_were_not_read_lately_are_stale() -> None:
    now = timezone.now()
    target = make_target(succeeded_at=now - timedelta(seconds=59))
    assert stale_targets(now) == []
    assert stale_targets(now + timedelta(seconds=2)) == [target]


def test_who_may_see_a_service_may_watch_it(people: dict[str, User]) -> None:
    web, other = make_service("web"), make_service("other")
    narrow = make_person("narrow")
    bind(narrow, "viewer", cluster="prod-core", service="web")
    check = watching.sees(Service.objects.all())
    assert check(access_for(narrow), str(web.pk))
    assert not check(access_for(narrow), str(other.pk))
    assert not check(access_for(people["mallory"]), str(web.pk))
    assert not check(access_for(narrow), "1 or 1=1")
    assert watching.sees_anything(access_for(narrow), "")
    assert not watching.sees_anything(access_for(people["mallory"]), "")
