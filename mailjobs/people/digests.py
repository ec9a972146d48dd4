"""Internal messages by mail, as a user wishes: a mail of their own to themselves, the way all their mail goes."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mailjobs.core.message import MessageInvalid, parse_message
from mailjobs.models import InternalMessage
from mailjobs.people.models import Preference
from mailjobs.submission import submit
from mailsettings.access import Right, may
from mailsettings.installation import copied_from
from mailsettings.models import User

KEY = "digest-"  # what the keys of these mails begin with
EVERY = {
    Preference.Digest.HOURLY: timedelta(hours=1),
    Preference.Digest.DAILY: timedelta(days=1),
    Preference.Digest.WEEKLY: timedelta(days=7),
}
LISTED = 20


def send_due() -> int:
    """Hand in what is due; returns how many mails."""
    if copied_from() is not None:
        return 0
    sent, now = 0, timezone.now()
    rows = Preference.objects.exclude(digest=Preference.Digest.NEVER).select_related("user__tenant__firm")
    for row in rows.filter(user__is_active=True).exclude(user__email=""):
        if row.told_at + EVERY[Preference.Digest(row.digest)] <= now and may(row.user, Right.SUBMIT):
            sent += _tell(row, now)
    return sent


def unread_of(row: Preference) -> QuerySet[InternalMessage]:
    """What came since the last digest and is unread; nothing of the digests' own mails, or a failure would tell of itself."""
    messages = InternalMessage.objects.filter(user=row.user, read_at=None, pk__gt=row.told_until)
    return messages.exclude(job__idempotency_key__startswith=KEY)


def _tell(row: Preference, now: datetime) -> bool:
    messages = list(unread_of(row).order_by("-pk")[: LISTED + 1])
    newest = messages[0].pk if messages else row.told_until
    taken = Preference.objects.filter(pk=row.pk, told_at=row.told_at).update(told_at=now, told_until=newest)
    if not taken or not messages:
        return False
    user = row.user
    with translation.override(user.language or settings.LANGUAGE_CODE):
        subject, text = _words(user, messages)
    mail = {"idempotency_key": f"{KEY}{row.pk}-{newest}", "to": [user.email], "subject": subject, "text": text}
    try:
        accepted = submit(user, parse_message(mail), unattended=True).id is not None
    except MessageInvalid:
        accepted = False
    if not accepted:  # the refusal has told the user; it is not told once more in the next digest
        last = InternalMessage.objects.filter(user=user).order_by("-pk").values_list("pk", flat=True).first()
        Preference.objects.filter(pk=row.pk).update(told_until=last or newest)
    return accepted


def _words(user: User, messages: Sequence[InternalMessage]) -> tuple[str, str]:
    lines = [_line(message) for message in messages[:LISTED]]
    if len(messages) > LISTED:
        lines.append(_("… and more"))
    count = min(len(messages), LISTED)
    subject = ngettext("%(count)s unread message in the mail portal", "%(count)s unread messages in the mail portal", count)
    text = _(
        "Good day %(name)s,\n\nthese messages are unread:\n\n%(lines)s\n\n"
        "How often you get this mail you choose under “Access and security”."
    )
    return subject % {"count": count}, text % {"name": user.name, "lines": "\n".join(lines)}


def _line(message: InternalMessage) -> str:
    day = timezone.localtime(message.at).strftime("%d.%m. %H:%M")
    what = f"{message.get_kind_display()}: {message.subject}" if message.subject else str(message.get_kind_display())
    return f"- {day}  {what[:200]}"
