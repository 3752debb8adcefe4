from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


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
