"""Set up the data of the demo: tables, people and accounts."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from access.actions import add_binding
from access.queries import access_for
from access.records import record_person
from clusters.actions import add_account
from clusters.models import Account
from deployments.actions import save_freeze
from deployments.models import Freeze

PEOPLE = {
    "alice": ("Alice Okafor", "operator"),
    "bob": ("Bob Lindqvist", "release_manager"),
    "carol": ("Carol Reyes", "viewer"),
    "dan": ("Dan Weber", "auditor"),
    "erin": ("Erin Nair", "admin"),
    # The second voice that an override needs, and the one who may break the glass.
    "frank": ("Frank Moreau", "release_manager"),
    "gina": ("Gina Lund", "on_call"),
    "mallory": ("Mallory Stone", ""),
}


class Command(BaseCommand):
    """Safe to run again: what is there stays, except that the regions are read anew."""

    help = "Set up tables, people (password: demo) and the sandbox's accounts."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--scenario", default="acme")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.LOCAL:
            raise CommandError(
                "The demo's people have a known password; this runs only with ECSCONSOLE_LOCAL=1."
            )
        call_command("migrate", verbosity=0, interactive=False)
        with transaction.atomic():
            self.add_people()
            self.add_accounts(options["scenario"])
            self.add_freeze()

    def add_people(self) -> None:
        password = make_password("demo")
        for username, (name, role) in PEOPLE.items():
            first, last = name.split()
            defaults = {"first_name": first, "last_name": last, "password": password}
            user, created = User.objects.get_or_create(username=username, defaults=defaults)
            if created:
                record_person("created", "system", user)
            if created and role:
                add_binding(subject=user, values={"role": role}, actor="system")

    def add_freeze(self) -> None:
        """Have something in the calendar: days ahead, so that nothing is held up while somebody looks around."""
        if Freeze.objects.exists():
            return
        bob = User.objects.get(username="bob")
        begins = timezone.now().replace(minute=0, second=0, microsecond=0) + timedelta(days=3)
        save_freeze(
            actor=bob,
            access=access_for(bob),
            values={
                "name": "Payments change freeze",
                "environment": "production",
                "cluster": "prod-payments",
                "starts_at": begins,
                "duration_minutes": 24 * 60,
                "reason": "Invoices are written.",
            },
        )

    def add_accounts(self, scenario: str) -> None:
        from sandbox.scenarios import accounts_of

        for known in accounts_of(scenario):
            fields = {
                "name": known["name"],
                "environment": known["environment"],
                "role_arn": known["read_role_arn"],
                "deploy_role_arn": known["deploy_role_arn"],
                "external_id": known["external_id"],
                "regions": list(known["regions"]),
            }
            account = Account.objects.filter(account_id=known["id"]).first()
            if account is None or any(getattr(account, name) != value for name, value in fields.items()):
                account = add_account(actor="system", account_id=known["id"], **fields)
            # The world begins anew with each start, so what was read of the last one says nothing.
            account.targets.update(attempted_at=None, lease_expires_at=None)
