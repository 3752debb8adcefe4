"""Addresses of signing in and out."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.urls import path

from access import views
from access.confirm import confirm_sign_in
from access.first_admin import first_sign_in
from access.groups import group_mappings, remove_group_mapping
from access.sso import views as sso

urlpatterns = [
    path("sign-in/", login_not_required(views.SignInView.as_view()), name="sign-in"),
    path("sign-in/sso/", login_not_required(sso.start), name="sso-start"),
    path("sign-in/sso/callback/", login_not_required(sso.callback), name="sso-callback"),
    path("sign-out/", views.SignOutView.as_view(), name="sign-out"),
    path("first-sign-in/<str:token>/", login_not_required(first_sign_in), name="first-sign-in"),
    path("access/groups/", group_mappings, name="group-mappings"),
    path("access/groups/<int:pk>/remove/", remove_group_mapping, name="group-mapping-remove"),
    path("confirm/", confirm_sign_in, name="confirm-sign-in"),
    path("profile/", views.profile, name="profile"),
]
