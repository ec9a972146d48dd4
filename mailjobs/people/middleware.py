"""Notes that a session is in use."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from mailjobs.people.sessions import SIGN_IN, still_in


class SignInMiddleware:
    """Stands after authentication."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.session.accessed and SIGN_IN in request.session:
            still_in(request)
        return response
