"""Add an AWS account to watch, or change the regions of one."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from audit.actions import record
from clusters.models import Account, Environment, PollTarget


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
        with transaction.atomic():
            account, created = Account.objects.get_or_create(
                account_id=options["account_id"],
                defaults={
                    "name": options["name"] or options["account_id"],
                    "environment": options["environment"],
                    "role_arn": options["role_arn"],
                    "deploy_role_arn": options["deploy_role_arn"],
                    "external_id": options["external_id"],
                    "regions": regions,
                },
            )
            if created or account.regions != regions:
                Account.objects.filter(pk=account.pk).update(regions=regions)
                record(
                    action="account.added" if created else "account.changed",
                    actor="system",
                    resource=account.access_resource,
                    target=str(account),
                    data={"regions": regions},
                )
            PollTarget.objects.filter(account=account).exclude(region__in=regions).delete()
            for region in regions:
                PollTarget.objects.get_or_create(
                    account=account, region=region, defaults={"next_due_at": timezone.now()}
                )
        self.stdout.write(f"{'Added' if created else 'Kept'} {account}: {', '.join(regions)}")
