from __future__ import annotations

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "notifications"

    def ready(self) -> None:
        """Listen to the ledger: what changes access, and what goes wrong with the ledger itself, is news."""
        from audit import observers
        from notifications import ledger_news

        observers.watch_entries(ledger_news.tell_of_entry)
        observers.watch_duties(ledger_news.tell_of_duty)
