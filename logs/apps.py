from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from access.queries import Access


def may_follow(access: Access, key: str) -> bool:
    """Whether a person may hear that a log group has new lines; the lines themselves are checked for each read."""
    return access.holds("logs.view")


class LogsConfig(AppConfig):
    name = "logs"

    def ready(self) -> None:
        from live.topics import register

        register("logs", may_follow)
