"""Add an AWS account to watch, or change the regions of one."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from clusters.actions import add_account
from clusters.models import Account, Environment

KEPT = ("name", "environment", "role_arn", "deploy_role_arn", "external_id")


class Command(BaseCommand):
    """Without role ARNs the console's own credentials are used."""

    help = "Add an AWS account, its environment and the regions to watch."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account-id", required=True)
        parser.add_argument("--name", default="")
        parser.add_argument("--environment", choices=Environment.values, default=Environment.PRODUCTION)
        parser.add_argument("--regions", required=True, help="comma-separated")
        parser.add_argument("--role-arn", default="")
        parser.add_argument("--deploy-role-arn", default="")
        parser.add_argument("--external-id", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        regions = [region.strip() for region in options["regions"].split(",") if region.strip()]
        known = Account.objects.filter(account_id=options["account_id"]).first()
        if known is not None:
            # A start of the console repeats this command; what an admin has set since stays, but for the regions.
            options |= {name: getattr(known, name) for name in KEPT}
        if known is None or known.regions != regions or not known.is_active:
            known = add_account(
                actor="system",
                account_id=options["account_id"],
                regions=regions,
                **{name: options[name] for name in KEPT} | {"name": options["name"] or options["account_id"]},
            )
        self.stdout.write(f"Watching {known}: {', '.join(regions)}")
