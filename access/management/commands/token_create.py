"""Make an API token from the terminal."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, ProgrammingError

from access.models import ApiToken
from access.resources import ENVIRONMENTS
from access.tokens import DEFAULT_DAYS, MOST_DAYS, TokenInvalid, TokenPlace, create_token


class Command(BaseCommand):
    """The token is on the last line, alone, and is not shown again."""

    help = "Make an API token for a person and print it on the last line."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", required=True, help="whose rights it has a part of")
        parser.add_argument("--name", required=True, help="what will use it")
        parser.add_argument("--scope", required=True, choices=ApiToken.Scope.values)
        parser.add_argument(
            "--days",
            type=int,
            default=DEFAULT_DAYS,
            help=f"how long it lives ({DEFAULT_DAYS}, at most {MOST_DAYS})",
        )
        parser.add_argument("--environment", default="", choices=["", *ENVIRONMENTS], help="only there")
        parser.add_argument("--cluster", default="", help="only in clusters of this name or glob")
        parser.add_argument("--service", default="", help="only for services of this name or glob")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            owner = User.objects.filter(username=options["user"]).first()
        except (OperationalError, ProgrammingError) as error:
            text = f"The console's tables cannot be read ({error}). Is ECSCONSOLE_VAR_DIR or DATABASE_URL the console's?"
            raise CommandError(text) from error
        if owner is None:
            raise CommandError(f"Nobody is called {options['user']}.")
        place = TokenPlace(options["environment"], options["cluster"], options["service"])
        try:
            token, text = create_token(
                owner=owner,
                name=options["name"],
                scope=options["scope"],
                days=options["days"],
                place=place,
                # Whoever has a terminal here: the console cannot know their name.
                actor="system",
            )
        except TokenInvalid as error:
            raise CommandError(error.sentence) from error
        self.stdout.write(
            f"Token {token.prefix} of {token} until {token.expires_at:%d %b %Y}; it is shown once:"
        )
        self.stdout.write(text)
