"""Addresses of signing in and out."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.urls import path

from access import views
from access.confirm import confirm_sign_in
from access.factors import people
from access.factors import views as factors
from access.factors.second_step import sign_in_code
from access.first_admin import first_sign_in
from access.groups import group_mappings, remove_group_mapping
from access.sso import views as sso
from access.token_pages import all_tokens, own_tokens, revoke_any_token, revoke_own_token

urlpatterns = [
    path("sign-in/", login_not_required(views.SignInView.as_view()), name="sign-in"),
    path("sign-in/code/", login_not_required(sign_in_code), name="sign-in-code"),
    path("sign-in/sso/", login_not_required(sso.start), name="sso-start"),
    path("sign-in/sso/callback/", login_not_required(sso.callback), name="sso-callback"),
    path("sign-out/", views.SignOutView.as_view(), name="sign-out"),
    path("first-sign-in/<str:token>/", login_not_required(first_sign_in), name="first-sign-in"),
    path("access/groups/", group_mappings, name="group-mappings"),
    path("access/groups/<int:pk>/remove/", remove_group_mapping, name="group-mapping-remove"),
    path("confirm/", confirm_sign_in, name="confirm-sign-in"),
    path("access/sign-in/<int:pk>/", people.person_sign_in, name="person-sign-in"),
    path("access/sign-in/<int:pk>/end-sessions/", people.end_sessions_of, name="person-end-sessions"),
    path("access/sign-in/<int:pk>/reset-factors/", people.reset_factors_of, name="person-reset-factors"),
    path("access/tokens/", all_tokens, name="all-tokens"),
    path("access/tokens/<int:pk>/revoke/", revoke_any_token, name="revoke-any-token"),
    path("profile/", views.profile, name="profile"),
    path("profile/tokens/", own_tokens, name="own-tokens"),
    path("profile/tokens/<int:pk>/revoke/", revoke_own_token, name="revoke-own-token"),
    path("profile/security/", factors.security, name="security"),
    path("profile/security/app/", factors.add_authenticator_app, name="add-app"),
    path("profile/security/key/", factors.add_security_key, name="add-key"),
    path("profile/security/codes/", factors.make_recovery_codes, name="recovery-codes"),
    path("profile/security/factors/<int:pk>/remove/", factors.remove_own_factor, name="remove-factor"),
    path("profile/security/sessions/<int:pk>/end/", factors.end_own_session, name="end-session"),
    path("profile/security/sessions/end-others/", factors.end_other_sessions, name="end-other-sessions"),
]
