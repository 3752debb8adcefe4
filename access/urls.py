"""Addresses of signing in and out."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.urls import path

from access import views
from access.confirm import confirm_sign_in
from access.first_admin import first_sign_in

urlpatterns = [
    path("sign-in/", login_not_required(views.SignInView.as_view()), name="sign-in"),
    path("sign-out/", views.SignOutView.as_view(), name="sign-out"),
    path("first-sign-in/<str:token>/", login_not_required(first_sign_in), name="first-sign-in"),
    path("confirm/", confirm_sign_in, name="confirm-sign-in"),
    path("profile/", views.profile, name="profile"),
]
