"""Accounts and the environment of a cluster, for admins; every change is in the ledger."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from access.admin import LedgerAdmin
from clusters.actions import pass_on_environment, watch_regions
from clusters.models import Account, Cluster


class PlaceAdmin(LedgerAdmin):
    """For those who may manage accounts; nothing is deleted, because history hangs on it."""

    permission = "account.manage"

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Account)
class AccountAdmin(PlaceAdmin):
    """AWS accounts."""

    list_display = ["name", "account_id", "environment", "regions", "is_active"]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save, record, and make poll targets and clusters fit."""
        super().save_model(request, obj, form, change)
        watch_regions(obj)
        pass_on_environment(obj, form.initial.get("environment") if change else None)


@admin.register(Cluster)
class ClusterAdmin(PlaceAdmin):
    """Clusters, of which only the environment is ours to set."""

    list_display = ["name", "account", "region", "environment"]
    list_filter = ["environment", "account"]
    fields = ["name", "account", "region", "environment"]
    readonly_fields = ["name", "account", "region"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
