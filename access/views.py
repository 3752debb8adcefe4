"""Signing in and out, and what I may do."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from access.decisions import ACTION_PHRASES, ROLES
from access.factors import second_step
from access.factors.queries import has_factor
from access.forms import SignInForm
from access.sessions import METHOD
from ecsconsole.errors import ConsoleError, render_error
from ecsconsole.http import ConsoleRequest, render_page


def sso_name() -> str:
    """Return what the identity provider is called, empty without one."""
    return settings.OIDC_NAME if settings.OIDC_ISSUER else ""


class SignInView(LoginView):
    """Sign in with user name and password."""

    form_class = SignInForm
    template_name = "access/sign_in.html"
    redirect_authenticated_user = True

    def form_valid(self, form: Any) -> HttpResponse:
        """Sign in, or ask for the second factor of those who have one."""
        user = form.get_user()
        if has_factor(user):
            return second_step.begin(self.request, user, self.get_success_url())
        self.request.session[METHOD] = "password"
        return super().form_valid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, expired="expired" in self.request.GET, sso=sso_name())


class SignOutView(LogoutView):
    """End the session; POST only."""


class TooManyAttemptsError(ConsoleError):
    """The sign-in form is closed for this name and address for a while."""

    status = 429
    title = "Too many attempts"


def locked_out(request: HttpRequest, response: Any = None, credentials: Any = None) -> HttpResponse:
    """Answer a sign-in that came after too many failures."""
    return render_error(
        request,
        TooManyAttemptsError(
            "Signing in with this name is closed for 15 minutes after 5 wrong passwords.",
            advice="Wait, or ask an admin to reset it.",
        ),
    )


@require_GET
def profile(request: ConsoleRequest) -> HttpResponse:
    """Show the signed-in person their roles and what each allows."""
    bindings = [
        {"binding": b, "phrases": sorted(ACTION_PHRASES[a] for a in ROLES[b.role])}
        for b in request.access.bindings
    ]
    return render_page(request, "access/profile.html", {"bindings": bindings})
