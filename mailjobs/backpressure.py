"""How much a tenant may have waiting (delivery contract 4): beyond it submission is refused with a hint when to try again."""

import time
from dataclasses import dataclass

from django.conf import settings
from django.db import connection

from mailjobs.models import MailJob, StateChoices
from mailsettings.models import Tenant

QUEUE_FULL = "queue_full"
RETRY_AFTER_SECONDS = 300
_SURE_FOR = 5.0  # seconds that a count serves; counting many costs more than taking one mail
_PENDING = (StateChoices.NEW, StateChoices.DEFERRED, StateChoices.HELD, StateChoices.SENDING)
_counted: dict[tuple[str, int], tuple[float, "Room"]] = {}


@dataclass(slots=True)
class Room:
    """How many more mails of a tenant are taken."""

    left: int
    cap: int

    def take(self) -> bool:
        """Room for one more mail; False where there is none."""
        if self.left <= 0:
            return False
        self.left -= 1
        return True


def room_for(tenant: Tenant) -> Room:
    """The room that is left, counted anew every few seconds by each process."""
    place = (str(connection.settings_dict["NAME"]), tenant.pk)
    known = _counted.get(place)
    now = time.monotonic()
    if known is not None and now - known[0] < _SURE_FOR and known[1].left > 0 and known[1].cap == settings.PENDING_CAP:
        return known[1]
    cap = settings.PENDING_CAP
    pending = MailJob.objects.filter(tenant=tenant, state__in=_PENDING).order_by()[:cap].count()
    room = Room(cap - pending, cap)
    _counted[place] = (now, room)
    return room
