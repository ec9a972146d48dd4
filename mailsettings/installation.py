"""To which installation does this database belong, and is this process of another one (U5)?

`INSTALLATION_ID` is stored at the first start. Where it differs from the stored one, the database is a copy: redirected, paused,
until `manage.py adopt`.
"""

from django.conf import settings
from django.db.models import F

from mailsettings.models import Installation, Tenant


def copied_from() -> str | None:
    """The name of the installation that this database was copied from; None where it is this one's own.

    A database that belongs to nobody yet becomes this installation's, if that has a name.
    """
    stored = Installation.objects.order_by("pk").values_list("name", flat=True).first()
    if stored is None:
        _take_possession()
        return None
    return None if stored == settings.INSTALLATION_ID else stored


def adopt() -> str | None:
    """Make a copy this installation's own; returns whose it was, None where it was no copy. Runs in a transaction.

    What was decided before is decided anew: with it, whoever shares this database and is now the stranger.
    """
    stored = copied_from()
    if stored is None:
        return None
    Installation.objects.all().delete()
    _take_possession()
    Tenant.objects.update(policy_epoch=F("policy_epoch") + 1)
    return stored


def _take_possession() -> None:
    if settings.INSTALLATION_ID:
        Installation.objects.get_or_create(pk=1, defaults={"name": settings.INSTALLATION_ID})
