"""What every page knows of the queue."""

from django.http import HttpRequest


def queue(request: HttpRequest) -> dict[str, object]:
    return {}
