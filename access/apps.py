from __future__ import annotations

from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "access"

    def ready(self) -> None:
        """Record sign-ins and refusals of the sign-in form in the ledger."""
        from access import signals

        signals.connect()
