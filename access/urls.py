"""Addresses of signing in and out."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.urls import path

from access import binding_pages, people_pages, views
from access.confirm import confirm_sign_in
from access.factors import people
from access.factors import views as factors
from access.factors.second_step import sign_in_code
from access.first_admin import first_sign_in
from access.groups import group_mappings, remove_group_mapping
from access.settings_page import settings_index
from access.sso import views as sso
from access.token_pages import all_tokens, own_tokens, revoke_any_token, revoke_own_token

urlpatterns = [
    path("sign-in/", login_not_required(views.SignInView.as_view()), name="sign-in"),
    path("sign-in/code/", login_not_required(sign_in_code), name="sign-in-code"),
    path("sign-in/sso/", login_not_required(sso.start), name="sso-start"),
    path("sign-in/sso/callback/", login_not_required(sso.callback), name="sso-callback"),
    path("sign-out/", views.SignOutView.as_view(), name="sign-out"),
    path("first-sign-in/<str:token>/", login_not_required(first_sign_in), name="first-sign-in"),
    path("settings/", settings_index, name="settings"),
    path("access/", binding_pages.bindings, name="bindings"),
    path("access/bindings/add/", binding_pages.add, name="binding-add"),
    path("access/bindings/<int:pk>/", binding_pages.binding, name="binding"),
    path("access/bindings/<int:pk>/remove/", binding_pages.remove, name="binding-remove"),
    path("access/requests/<int:pk>/approve/", binding_pages.approve, name="access-request-approve"),
    path("access/requests/<int:pk>/refuse/", binding_pages.refuse, name="access-request-refuse"),
    path("access/people/", people_pages.people, name="people"),
    path("access/people/groups/add/", people_pages.add_one_group, name="group-add"),
    path("access/people/groups/<int:pk>/remove/", people_pages.remove_one_group, name="group-remove"),
    path("access/people/<int:pk>/", people_pages.person, name="person"),
    path("access/people/<int:pk>/disable/", people_pages.disable, name="person-disable"),
    path("access/people/<int:pk>/enable/", people_pages.enable, name="person-enable"),
    path("access/people/<int:pk>/join/", people_pages.join, name="person-join"),
    path("access/people/<int:pk>/leave/", people_pages.leave, name="person-leave"),
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
