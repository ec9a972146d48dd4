"""What every page knows of the reader's settings."""

from django.http import HttpRequest


def portal(request: HttpRequest) -> dict[str, object]:
    return {}
