"""Django's own command, with an entry in the ledger: this package comes first, so it is found before Django's."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.contrib.auth.models import User, UserManager
from django.db import transaction

from access.actions import SYSTEM
from access.records import id_of, record_person


class RecordingManager(UserManager[User]):
    """Makes the admin and the entry together."""

    def create_superuser(self, *args: Any, **fields: Any) -> User:
        with transaction.atomic():
            person = super().create_superuser(*args, **fields)
            data = {"id": id_of(person), "by": "createsuperuser"}
            record_person("created", SYSTEM, person, data=data)
        return person


class RecordedUsers:
    """The model of users as Django's command asks it, with that manager in the place of its own."""

    def __init__(self) -> None:
        self._default_manager = RecordingManager()
        self._default_manager.model = User

    def __getattr__(self, name: str) -> Any:
        return getattr(User, name)

    def __call__(self, **fields: Any) -> User:
        return User(**fields)


class Command(createsuperuser.Command):
    """Make an admin from the terminal."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.UserModel: Any = RecordedUsers()
