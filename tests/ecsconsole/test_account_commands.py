"""Commands that add accounts act as the console itself does, and leave alone what people have set since."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from audit.models import AuditEntry
from clusters.models import Account

pytestmark = pytest.mark.django_db


def add(*more: str) -> Account:
    call_command("add_account", "--account-id", "111122223333", "--regions", "us-east-1,eu-west-1", *more)
    return Account.objects.get()


def test_an_account_is_added_with_its_targets_and_in_the_ledger() -> None:
    account = add("--name", "acme", "--environment", "staging")
    assert (account.name, account.environment) == ("acme", "staging")
    assert {target.region for target in account.targets.all()} == {"us-east-1", "eu-west-1"}
    assert AuditEntry.objects.get().action == "account.added"


def test_adding_it_again_changes_the_regions_and_nothing_that_was_set_since() -> None:
    add()
    Account.objects.update(name="renamed", environment="development", external_id="x-1")
    add("--name", "acme")
    assert AuditEntry.objects.count() == 1, "nothing was changed, so nothing is told"
    call_command("add_account", "--account-id", "111122223333", "--regions", "us-east-1", "--name", "acme")
    account = Account.objects.get()
    assert (account.name, account.environment, account.external_id) == ("renamed", "development", "x-1")
    assert [target.region for target in account.targets.all()] == ["us-east-1"]
    assert list(AuditEntry.objects.values_list("action", flat=True).order_by("pk")) == [
        "account.added",
        "account.changed",
    ]
