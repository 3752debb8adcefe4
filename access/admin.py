"""Managing people and bindings in Django's admin; every change is an entry of the ledger."""

from __future__ import annotations

from typing import Any, cast

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from access.actions import refusals_recorded
from access.records import record_person
from access.resources import Resource
from access.rules import require_power_over
from access.sessions import end_sessions, remember_session
from access.step_up import require_recent_sign_in
from access.wishes import gains_of_enabling
from audit.actions import record


class LedgerAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """An admin page that asks the console's own access and records what it saves."""

    permission = "access.manage"

    def allowed(self, request: HttpRequest) -> bool:
        return bool(request.access.can(self.permission))  # type: ignore[attr-defined]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.allowed(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.allowed(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.allowed(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.allowed(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.allowed(request)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        require_recent_sign_in(request)
        return super().changeform_view(request, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        require_recent_sign_in(request)
        return super().delete_view(request, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.method == "POST":
            # Deleting what is ticked.
            require_recent_sign_in(request)
        return super().changelist_view(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        self.note(request, obj, "changed" if change else "added", {"fields": sorted(form.changed_data)})

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        self.note(request, obj, "removed", {})
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for obj in queryset:
            self.delete_model(request, obj)

    def note(self, request: HttpRequest, obj: Model, verb: str, data: dict[str, Any]) -> None:
        place = obj.access_resource if hasattr(obj, "access_resource") else Resource()
        record(
            action=f"{obj._meta.model_name}.{verb}",
            actor=request.user,
            resource=place,
            target=str(obj)[:255],
            data=data,
            request=request,
        )


# Sign-in by others' pages would be a second door, and nothing would come into the ledger.
for model in (EmailAddress, SocialAccount, SocialApp, SocialToken, Authenticator):
    admin.site.unregister(model)
admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class PersonAdmin(LedgerAdmin, UserAdmin):  # type: ignore[type-arg]
    """People who sign in here; what they may do is in the bindings."""

    fieldsets = [
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("State", {"fields": ("is_active", "last_login", "date_joined")}),
    ]
    # Access, groups and being disabled have rules of their own, on pages of their own.
    readonly_fields = ["is_active", "last_login", "date_joined"]
    list_display = ["username", "email", "is_active", "last_login", "sign_in"]
    list_filter = ["is_active", "groups"]
    filter_horizontal = []

    @admin.display(description="Sign-in")
    def sign_in(self, person: User) -> str:
        """Lead to where their sessions and second factors are."""
        address = reverse("person-sign-in", args=[person.pk])
        return format_html('<a href="{}">Sessions and factors</a>', address)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody is deleted: the ledger speaks of them. They are disabled on the pages of people."""
        return False

    def note(self, request: HttpRequest, obj: Model, verb: str, data: dict[str, Any]) -> None:
        """Record how the person stands afterwards."""
        words = {"added": "created"}
        record_person(
            words.get(verb, verb), cast(User, request.user), cast(User, obj), data=data, request=request
        )

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:  # noqa: A002 - Django's name
        """Set somebody's password; their sessions end with the old one."""
        require_recent_sign_in(request)
        person, acting = self.get_object(request, id), cast(User, request.user)
        if person is not None:
            with refusals_recorded(acting, person.get_username(), request):
                require_power_over(acting, person, gains_of_enabling(person), timezone.now())
        with transaction.atomic():
            response = super().user_change_password(request, id, form_url)
            if request.method == "POST" and response.status_code == 302 and isinstance(person, User):
                self.note(request, person, "password_changed", {})
                actor = cast(User, request.user)
                here = request.session.session_key if person == actor else None
                reason = "The password was changed."
                end_sessions(person=person, actor=actor, keep=here, reason=reason, request=request)
                if here:
                    remember_session(request, person, timezone.now())
        return response


def may_enter(request: HttpRequest) -> bool:
    """Open the admin to those whom the console's own access lets manage access or accounts."""
    access = request.access  # type: ignore[attr-defined]
    return bool(access.can("access.manage") or access.can("account.manage"))


# The site's own rule is is_staff, which nothing here grants.
admin.site.has_permission = may_enter  # type: ignore[method-assign]
admin.site.site_header = "ecsconsole settings"
admin.site.site_title = "ecsconsole settings"
