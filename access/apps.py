from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.models.signals import post_migrate


class AccessConfig(AppConfig):
    name = "access"

    def ready(self) -> None:
        """Refuse settings that name no role, and record sign-ins in the ledger."""
        from access import signals
        from access.decisions import ROLES

        unknown = set(settings.MFA_REQUIRED) - {"all", *ROLES}
        if unknown:
            raise ImproperlyConfigured(
                f"MFA_REQUIRED names {', '.join(sorted(unknown))}. Use none, all, or roles of {', '.join(ROLES)}."
            )
        signals.connect()
        post_migrate.connect(write_starting_point, sender=self)


def write_starting_point(using: str, **kwargs: Any) -> None:
    """After an upgrade, write down who may what, where the ledger of an older release does not tell it."""
    from access.actions import SYSTEM
    from access.snapshots import take_snapshot

    if using != DEFAULT_DB_ALIAS or not kwargs.get("plan"):
        return
    executor = MigrationExecutor(connections[using])
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        # Half way through the migrations some table is not yet there.
        return
    take_snapshot(actor=SYSTEM, reason="Written after an upgrade.")
