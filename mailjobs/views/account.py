"""What a user prefers: language and colour scheme."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST
from django.views.i18n import set_language as remember_language

from mailsettings.changes import save_appearance
from mailsettings.models import User
from mailsettings.portal import ReaderMixin

THEMES = frozenset({"auto", "light", "dark"})


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
