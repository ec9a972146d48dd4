"""Logging in: password, second step, passkey, OpenID Connect (Z14)."""

import json
import time
from typing import Any

import structlog
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import LoginView, LogoutView
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.http.request import RawPostDataException
from django.shortcuts import resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.generic.base import ContextMixin, TemplateResponseMixin, View

from mailjobs.people import openid, passkeys
from mailjobs.people.first import nobody_yet
from mailjobs.people.forms import CodeForm, LoginForm
from mailjobs.people.limits import failed, minutes_to_wait, remember_browser, say_wait
from mailjobs.people.models import Passkey, SignIn
from mailjobs.people.second_factor import code_is_right, has_second_factor
from mailjobs.people.sessions import SIGN_IN, enter
from mailsettings.models import User
from mailsettings.portal import ReaderMixin, confirm_now, confirmed_lately, confirms

if settings.DEMO:
    from mailsettings import demo

HALF = "half"  # in the session: whose password was right, when, and where they want to go
HALF_FOR = 10 * 60.0  # seconds
log = structlog.get_logger(__name__)


class LogIn(LoginView):
    """The log-in page; a demo installation shows its logins there (Z14)."""

    template_name = "people/login.html"
    authentication_form = LoginForm  # type: ignore[assignment]
    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if nobody_yet():
            return HttpResponseRedirect(reverse("first"))
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        user: User = form.get_user()
        if not has_second_factor(user):
            return _in(self.request, user, SignIn.How.PASSWORD, self.get_success_url())
        self.request.session[HALF] = {"user": user.pk, "at": time.time(), "next": self.get_success_url()}
        return HttpResponseRedirect(reverse("second_step"))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        if settings.DEMO:
            context |= {"demo_logins": demo.LOGINS, "demo_password": demo.PASSWORD}
        return {**context, "openid": settings.OIDC_NAME if openid.is_on() else ""}


class LogOut(LogoutView):
    """Ends this session, and its line in the list of log-ins."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        SignIn.objects.filter(pk=request.session.get(SIGN_IN) or 0).delete()
        return super().post(request, *args, **kwargs)


class SecondStep(TemplateResponseMixin, ContextMixin, View):
    """After the right password: a code, or a passkey."""

    template_name = "people/second_step.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.half, self.user = half_of(request)
        if self.user is None:
            messages.warning(request, _("Please begin again: the log-in took too long."))
            return HttpResponseRedirect(reverse("login"))
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(CodeForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        form, user = CodeForm(request.POST), self.user
        if user is None or not form.is_valid():
            return self._show(form)
        if minutes := minutes_to_wait(request, user.login):
            form.add_error(None, say_wait(minutes))
        elif code_is_right(user, form.cleaned_data["code"]):
            return _in(request, user, SignIn.How.SECOND, self.half["next"])
        else:
            failed(request, user.login)
            form.add_error("code", _("This code is not right, or it was used already."))
        return self._show(form)

    def _show(self, form: CodeForm) -> HttpResponse:
        has_passkey = Passkey.objects.filter(user=self.user).exists()
        return self.render_to_response(self.get_context_data(form=form, has_passkey=has_passkey))


class PasskeyAsk(View):
    """What a browser needs to use a passkey: to log in, as the second step, or to confirm that it is still the same person."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        return JsonResponse(passkeys.ask(request, _who(request)))


class PasskeyProve(View):
    """What it answered; the right passkey is both factors at once."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        half, _user = half_of(request)
        try:
            user = passkeys.prove(request, json_of(request), _who(request))
        except passkeys.NotTaken:
            return JsonResponse({"error": _("This passkey is not known here. Log in another way and add it.")})
        if isinstance(request.user, User):
            confirm_now(request)
            return JsonResponse({"url": safe_next(request, request.GET.get("next", "")) or reverse("confirm")})
        wanted = half["next"] if half else safe_next(request, request.GET.get("next", ""))
        response = JsonResponse({"url": resolve_url(wanted or settings.LOGIN_REDIRECT_URL)})
        enter(request, user, SignIn.How.PASSKEY)
        request.session.pop(HALF, None)
        remember_browser(request, response, user)
        return response


class OpenIdAsk(View):
    """Off to the provider; from the page of one's own access, to connect an identity."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        if not openid.is_on():
            raise Http404
        reader = request.user if isinstance(request.user, User) else None
        try:
            where = openid.ask(request, next_page=safe_next(request, request.POST.get("next", "")), connect=reader)
        except openid.NoIdentity as why:
            log.warning("openid", why=str(why))
            messages.error(
                request, _("%(name)s does not answer at present. Log in with your password.") % {"name": settings.OIDC_NAME}
            )
            return HttpResponseRedirect(reverse("access" if reader else "login"))
        return HttpResponseRedirect(where)


class OpenIdBack(View):
    """Where the provider sends the browser back to."""

    def get(self, request: HttpRequest) -> HttpResponse:
        if not openid.is_on():
            raise Http404
        reader = request.user if isinstance(request.user, User) else None
        try:
            asked, claims = openid.receive(request)
        except openid.NoIdentity as why:
            log.warning("openid", why=str(why))
            messages.error(
                request, _("The log-in with %(name)s did not succeed. Please try again.") % {"name": settings.OIDC_NAME}
            )
            return HttpResponseRedirect(reverse("access" if reader else "login"))
        if asked["connect"]:
            return self._connect(request, reader if reader and reader.pk == asked["connect"] else None, claims)
        user = openid.user_of(claims)
        if user is None:
            text = _(
                "%(name)s knows you, but no user ID is connected yet. Log in with your password and connect it under "
                "“Access and security”."
            )
            messages.error(request, text % {"name": settings.OIDC_NAME})
            return HttpResponseRedirect(reverse("login"))
        return _in(request, user, SignIn.How.OPENID, asked["next"])

    def _connect(self, request: HttpRequest, reader: User | None, claims: dict[str, Any]) -> HttpResponse:
        if reader is None:
            raise Http404
        if openid.connect(reader, claims):
            messages.success(request, _("You can log in with %(name)s from now on.") % {"name": settings.OIDC_NAME})
        else:
            messages.error(request, _("This account of %(name)s is connected to another user ID.") % {"name": settings.OIDC_NAME})
        return HttpResponseRedirect(reverse("access"))


class Confirm(ReaderMixin, TemplateResponseMixin, ContextMixin):
    """Confirming, by password or passkey, that it is still the same person (Z13)."""

    template_name = "people/confirm.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show()

    def post(self, request: HttpRequest) -> HttpResponse:
        if not confirms(request):
            return self._show(wrong=True)
        return HttpResponseRedirect(safe_next(request, request.GET.get("next", "")) or reverse("access"))

    def _show(self, *, wrong: bool = False) -> HttpResponse:
        has_passkey = Passkey.objects.filter(user=self.reader).exists()
        shown = {"has_passkey": has_passkey, "confirmed": confirmed_lately(self.request), "wrong": wrong}
        return self.render_to_response(
            self.get_context_data(**shown, next=safe_next(self.request, self.request.GET.get("next", "")))
        )


def half_of(request: HttpRequest) -> tuple[dict[str, Any], User | None]:
    """Whose password was right a moment ago, in this browser."""
    half = request.session.get(HALF)
    if not isinstance(half, dict) or not 0 <= time.time() - float(half.get("at", 0)) <= HALF_FOR:
        return {}, None
    return half, User.objects.filter(pk=half["user"], is_active=True).first()


def json_of(request: HttpRequest) -> dict[str, Any]:
    """The body of a request, which a script of ours has made; anything else counts as nothing."""
    try:
        found = json.loads(request.body[:65_536])
    except (ValueError, RecursionError, RawPostDataException):
        return {}
    return found if isinstance(found, dict) else {}


def safe_next(request: HttpRequest, url: str) -> str:
    """Where to go on, if that is a page of ours."""
    hosts = {request.get_host()}
    return url if url_has_allowed_host_and_scheme(url, allowed_hosts=hosts, require_https=request.is_secure()) else ""


def _who(request: HttpRequest) -> User | None:
    """Whose passkey it must be: the reader's, or of whoever has just typed the password."""
    return request.user if isinstance(request.user, User) else half_of(request)[1]


def _in(request: HttpRequest, user: User, how: SignIn.How, wanted: str) -> HttpResponse:
    enter(request, user, how)
    request.session.pop(HALF, None)
    response = HttpResponseRedirect(resolve_url(wanted or settings.LOGIN_REDIRECT_URL))
    remember_browser(request, response, user)
    return response
