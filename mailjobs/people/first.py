"""An empty installation: nobody can log in yet, and whoever holds the console becomes the first operator."""

from mailjobs.people.links import new_token
from mailjobs.people.models import Link
from mailsettings.models import User


def nobody_yet() -> bool:
    """Whether there is no user at all."""
    return not User.objects.exists()


def first_token() -> str:
    """A new token for the console; the ones before no longer count."""
    return new_token(Link.Kind.FIRST, None, by="console")
