"""The first admin: made through a signed link that works once, while there is nobody yet."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import login
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.core import signing
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from access.actions import lock_access
from access.records import id_of, record_person

SALT = "access.first-admin"
LINK_SECONDS = 3600


def make_link(base_url: str) -> str:
    """Return the link, empty once any user exists."""
    if User.objects.exists():
        return ""
    token = signing.dumps("first admin", salt=SALT)
    return base_url.rstrip("/") + reverse("first-sign-in", args=[token])


class FirstAdminForm(UserCreationForm):  # type: ignore[type-arg]
    """User name and a password of good length."""

    username = forms.CharField(max_length=150, initial="admin", label="User name")


def create_first_admin(*, form: FirstAdminForm, request: HttpRequest) -> User | None:
    """Create the admin unless somebody was faster."""
    with transaction.atomic():
        user: User = form.save(commit=False)
        user.is_superuser = True
        # A second request waits here and then sees the first.
        lock_access()
        if User.objects.exists():
            transaction.set_rollback(True)
            return None
        user.save()
        record_person(
            "created", "system", user, data={"id": id_of(user), "by": "first admin"}, request=request
        )
    return user


@require_http_methods(["GET", "POST"])
def first_sign_in(request: HttpRequest, token: str) -> HttpResponse:
    """Make the first admin and sign them in."""
    try:
        signing.loads(token, salt=SALT, max_age=LINK_SECONDS)
    except signing.BadSignature as error:
        raise Http404 from error
    if User.objects.exists():
        raise Http404
    data: Any = request.POST if request.method == "POST" else None
    form = FirstAdminForm(data)
    if form.is_valid():
        user = create_first_admin(form=form, request=request)
        if user is not None:
            login(request, user, backend="django.contrib.auth.backends.ModelBackend")
        return redirect("fleet")
    return render(request, "access/first_sign_in.html", {"form": form}, status=400 if form.is_bound else 200)
