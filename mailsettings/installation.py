"""To which installation does this database belong, and is this process of another one (U5)?

`INSTALLATION_ID` is stored at the first start. Where it differs from the stored one, the database is a copy: redirected, paused,
until `manage.py adopt`.
"""

from django.conf import settings
from django.db import connection
from django.db.models import F

from mailsettings import policy_lock
from mailsettings.models import Installation, Tenant


def copied_from() -> str | None:
    """The name of the installation that this database was copied from; None where it is this one's own.

    A database that belongs to nobody yet becomes this installation's, if that has a name.
    """
    with connection.cursor() as cursor:  # asked so often that the few words are worth it
        cursor.execute("SELECT name FROM mailsettings_installation ORDER BY id LIMIT 1")
        found = cursor.fetchone()
    if found is None:
        _take_possession()
        return None
    stored = str(found[0])
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
    for firm in Tenant.objects.filter(firm=None).order_by("pk"):
        policy_lock.hold_alone(firm.pk)
    Tenant.objects.update(policy_epoch=F("policy_epoch") + 1)
    return stored


def _take_possession() -> None:
    if settings.INSTALLATION_ID:
        Installation.objects.get_or_create(pk=1, defaults={"name": settings.INSTALLATION_ID})
