from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import AppConfig

from ecsconsole.numbers import is_number

if TYPE_CHECKING:
    from access.queries import Access


class DeploymentsConfig(AppConfig):
    name = "deployments"

    def ready(self) -> None:
        """Say who may watch changes: one of them, where it can be seen; that any moved, where anything can.

        And listen to the ledger for what is said of changes beside their moves, and of changes of access; and say what
        groups are asked for by policies.
        """
        from access.wishes import register_group_meaning
        from audit import observers
        from clusters.search import register_finder
        from deployments.announcing import announce_entry
        from deployments.nudges import nudge_of_entry
        from deployments.policies import voices_of_group
        from deployments.search import find_changes
        from live import topics

        topics.register("change", may_watch_change)
        topics.register("changes", may_watch_any)
        topics.register("approvals", may_watch_any)
        register_finder(find_changes)
        register_group_meaning(voices_of_group)
        observers.watch_entries(announce_entry)
        observers.watch_entries(nudge_of_entry)


def may_watch_change(access: Access, ident: str) -> bool:
    from deployments.models import Change

    return is_number(ident) and access.visible(Change.objects.filter(pk=int(ident))).exists()


def may_watch_any(access: Access, ident: str) -> bool:
    return not ident and access.holds("fleet.view")
