"""Log-in, log-out, and what a user prefers: language and colour scheme."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST
from django.views.i18n import set_language as remember_language

from mailsettings.changes import save_appearance
from mailsettings.models import User
from mailsettings.portal import ReaderMixin

if settings.DEMO:
    from mailsettings import demo

THEMES = frozenset({"auto", "light", "dark"})


class LoginForm(forms.Form):
    """User ID and password."""

    login = forms.CharField(
        label=_("User ID"),
        max_length=64,
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false", "autofocus": True}
        ),
    )
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        max_length=1024,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    mark_required = False

    def __init__(self, request: HttpRequest | None = None, *args: Any, **kwargs: Any) -> None:
        self.request = request
        self.user: AbstractBaseUser | None = None
        super().__init__(*args, **kwargs)

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        login, password = self.cleaned_data.get("login"), self.cleaned_data.get("password")
        if login and password:
            self.user = authenticate(self.request, username=login.strip().lower(), password=password)
            if self.user is None:
                raise forms.ValidationError(_("User ID and password do not fit together, or the user is deactivated."))
        return self.cleaned_data

    def get_user(self) -> AbstractBaseUser | None:
        return self.user


class LogIn(LoginView):
    """The log-in page; a demo installation shows its logins there (Z14)."""

    authentication_form = LoginForm  # type: ignore[assignment]
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        if settings.DEMO:
            context |= {"demo_logins": demo.LOGINS, "demo_password": demo.PASSWORD}
        return context


class SetTheme(ReaderMixin):
    """Remember a colour scheme."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        theme = request.POST.get("theme", "")
        if theme not in THEMES:
            return HttpResponse(status=400)
        save_appearance(self.reader, theme=theme)
        if request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate":
            return HttpResponse(status=204)
        return HttpResponseRedirect(_back(request))


@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Remember a language, in this browser and with the user."""
    language = request.POST.get("language", "")
    if isinstance(request.user, User) and language in dict(settings.LANGUAGES):
        save_appearance(request.user, language=language)
    return remember_language(request)


def _back(request: HttpRequest) -> str:
    """The page the request came from, if it is one of ours."""
    referrer = request.headers.get("Referer", "")
    ours = url_has_allowed_host_and_scheme(referrer, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return referrer if ours else "/"
