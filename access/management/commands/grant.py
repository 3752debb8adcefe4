"""Give a person a role from the terminal: for a console whose admins are gone, or that has only one."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from access.actions import SYSTEM, add_binding, enable_person
from access.decisions import ROLE_LABELS
from access.resources import ENVIRONMENTS


class Command(BaseCommand):
    """Whoever has a shell here has the database too, so no second person is asked; the ledger says it was a shell."""

    help = "Give a person a role; the entry in the ledger says that it was done in a shell."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", required=True)
        parser.add_argument("--role", required=True, choices=list(ROLE_LABELS))
        parser.add_argument("--environment", default="", choices=["", *ENVIRONMENTS], help="only there")
        parser.add_argument("--cluster", default="", help="only in clusters of this name or glob")
        parser.add_argument("--service", default="", help="only for services of this name or glob")
        parser.add_argument("--days", type=int, help="how long; for good without it")
        parser.add_argument("--reason", default="")
        parser.add_argument("--enable", action="store_true", help="enable the person if they are disabled")

    def handle(self, *args: Any, **options: Any) -> None:
        person = User.objects.filter(username=options["user"]).first()
        if person is None:
            raise CommandError(f"Nobody is called {options['user']}.")
        if options["days"] is not None and options["days"] < 1:
            raise CommandError("Give at least one day.")
        if not person.is_active:
            if not options["enable"]:
                raise CommandError(f"{person} is disabled; add --enable.")
            enable_person(person=person, actor=SYSTEM, reason=options["reason"])
        now, days = timezone.now(), options["days"]
        values = {name: options[name] for name in ("role", "environment", "cluster", "service")}
        values["not_after"] = now + timedelta(days=days) if days else None
        add_binding(subject=person, values=values, actor=SYSTEM, reason=options["reason"], now=now)
        place = "/".join(filter(None, (values["environment"], values["cluster"], values["service"])))
        where = f"in {place}" if place else "everywhere"
        self.stdout.write(f"{person} is {ROLE_LABELS[values['role']]} {where}.")
