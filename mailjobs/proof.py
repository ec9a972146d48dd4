"""The proof of dispatch (*Versandnachweis*): what the portal knows about the hand-over of one mail, and what that proves (J10).

It proves that a mail server took the mail over, never that it was delivered; where it does not even prove that, it says so.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailjobs.contents import body_of
from mailjobs.core.mime import unstuff
from mailjobs.core.redirect import rewrite
from mailjobs.discretion import Discretion, discretion_for
from mailjobs.judging import originals_of
from mailjobs.models import Attempt, FrozenMail, JobRecipient, MailJob, RecipientStateChoices, StateChoices
from mailjobs.proof_seal import sealed
from mailjobs.remedies import say_error, say_taken, taken_as_sent
from mailjobs.selectors import body_visible_to
from mailsettings.models import User
from mailsettings.wording import SEND_SYSTEM_LABELS

VERSION = 1
PROVABLE_STATES = (StateChoices.SENT, StateChoices.PARTLY_SENT)
HANDED_OVER, PARTLY, NOTHING = "handed_over", "partly", "nothing"  # what a proof proves
_POSITIVE = re.compile(r"2\d\d(?!\d)")

RESERVATIONS: Mapping[str, object] = {
    "redirected": gettext_lazy(
        "Redirect mode was on: the mail went to %(addresses)s instead of its recipients. "
        "Towards them this is no proof of dispatch."
    ),
    "taken_as_sent": gettext_lazy(
        "No server confirmed the mail: its last answer is missing (%(taken)s). That is no proof of dispatch."
    ),
    "partly": gettext_lazy("Not every recipient was handed over. The proof holds for those marked as proven only."),
    "possible_duplicate": gettext_lazy(
        "The mail was tried again after its fate had become uncertain: its recipients may have got it twice."
    ),
    "time_not_exact": gettext_lazy(
        "It is not recorded which attempt took a recipient. The time given there is that of the last one."
    ),
}
_STATEMENT = gettext_lazy(
    "The mail server %(server)s took the mail over on %(time)s and confirmed it with “%(reply)s”. This proves that the mail was "
    "handed over to this server. It does not prove that it was delivered to a mailbox or read."
)
_WIRE_HOW = gettext_lazy(
    "SHA-256 over all octets after the server's answer to DATA: headers, empty line and body, lines ended by CRLF, dots at the "
    "beginning of a line doubled (RFC 5321, 4.5.2), without the line with a single dot at the end."
)
_EML_HOW = gettext_lazy(
    "SHA-256 over the same octets without the doubled dots: the mail as its recipient stores it, without the header fields that "
    "mail servers put in front on the way. Known as long as the portal keeps the content of the mail."
)


@dataclass(frozen=True, slots=True)
class _Result:
    """One recipient: the try that handed the mail over for it, `exact` where that was recorded."""

    row: JobRecipient
    attempt: Attempt | None
    redirected_to: list[str] | None
    exact: bool = True

    @property
    def accepted(self) -> bool:
        return self.row.state == RecipientStateChoices.ACCEPTED

    @property
    def taken_as_sent(self) -> bool:
        """Nobody knows whether the server has the mail; the policy of the account or a person took it as sent."""
        return self.accepted and not _POSITIVE.match(self.row.reply)

    @property
    def proven(self) -> bool:
        return self.accepted and self.redirected_to is None and not self.taken_as_sent


def provable(job: MailJob) -> bool:
    """Whether a proof is offered: at least one recipient was handed over."""
    return job.state in PROVABLE_STATES


def proof_of(job: MailJob, reader: User | None, recipient: int | None = None) -> dict[str, Any] | None:
    """The proof as JSON, sealed, in the language in force; of one recipient (by id) it names no other.

    `reader`: who sees it, None for the operator's command line. None where there is nothing to prove.
    """
    rows = [row for row in job.recipients.all() if recipient is None or row.pk == recipient]
    if not provable(job) or not rows or (recipient is not None and rows[0].state != RecipientStateChoices.ACCEPTED):
        return None
    discretion = discretion_for(reader) if reader is not None else Discretion(applies=False)
    readable = reader is None or body_visible_to(reader, job)
    return sealed(_Facts(job, rows, discretion, readable=readable, alone=recipient is not None).document())


class _Facts:
    """What is known of one mail, for one reader. `alone`: of one recipient only, so that nothing may name another."""

    def __init__(
        self, job: MailJob, rows: Sequence[JobRecipient], discretion: Discretion, *, readable: bool, alone: bool
    ) -> None:
        self.job, self.discretion, self.readable, self.alone = job, discretion, readable, alone
        self.tries = list(job.tries.all())
        self.results = [self._result(row) for row in rows]

    def document(self) -> dict[str, Any]:
        job, last = self.job, self.last
        reservations = [{"code": code, "text": text} for code, text in self._reservations()]
        return {
            "proof": "dispatch",
            "version": VERSION,
            "installation": settings.INSTALLATION_ID,
            "made_at": _moment(timezone.now()),
            "job": job.pk,
            "tenant": {"id": job.tenant.slug, "name": job.tenant.name},
            "user": {"id": job.user.login, "name": job.user.name},
            "sender": {"address": job.sender_address, "name": (job.plan.get("sender") or {}).get("name") or ""},
            "subject": job.subject,
            "message_id": job.message_id,
            "document_key": job.document_key,
            "state": job.state,
            "proves": self.proves,
            "statement": self._statement(),
            "reservations": reservations,
            "queued_at": _moment(job.created_at),
            "handed_over_at": _moment(self._when(self._final)) if self._final else None,
            "server": self._server(last),
            "send_system": self._send_system(last),
            "reply": self._reply(self._final.row.reply) if self._final else "",
            "redirected_to": self.redirected_to,
            "possible_duplicate": job.possible_duplicate,
            "taken_as_sent": any(result.taken_as_sent for result in self.results),
            "recipients": [self._recipient(result) for result in self.results],
            "mail": self._mail(),
            "attachments": self._attachments(),
            "attachments_withheld": 0 if self.readable else job.attachments.count(),
            "attempts": [self._attempt(attempt) for attempt in self._shown_tries()],
        }

    @property
    def proves(self) -> str:
        proven = [result.proven for result in self.results]
        return HANDED_OVER if all(proven) else PARTLY if any(proven) else NOTHING

    @cached_property
    def redirected_to(self) -> list[str] | None:
        """Where the mail went instead, if it was redirected for any of the recipients."""
        return next((result.redirected_to for result in self.results if result.redirected_to is not None), None)

    @property
    def _final(self) -> _Result | None:
        """The recipient whose reply is the final one."""
        accepted = [result for result in self.results if result.accepted]
        return max(accepted, key=lambda result: result.attempt.epoch if result.attempt else 0, default=None)

    @property
    def last(self) -> Attempt | None:
        """The try that handed the mail over, the last where there were several."""
        return self._final.attempt if self._final else None

    def _result(self, row: JobRecipient) -> _Result:
        if row.state != RecipientStateChoices.ACCEPTED or not _POSITIVE.match(row.reply):
            return _Result(row, None, None)
        for attempt in self.tries:
            if attempt.epoch == row.accepted_epoch:
                return _Result(row, attempt, attempt.redirected_to)
        redirected = next((attempt.redirected_to for attempt in self.tries if attempt.redirected_to is not None), None)
        return _Result(row, self.tries[-1] if self.tries else None, redirected, exact=False)

    def _statement(self) -> str:
        if self.proves == NOTHING:
            return _("This is no proof that the mail was handed over for its recipients. Why, the reservations say.")
        last = next((result for result in reversed(self.results) if result.proven), None)
        attempt = last.attempt if last else None
        return str(_STATEMENT) % {
            "server": self._server(attempt) or _("(not recorded)"),
            "time": _spoken(attempt.ended_at if attempt else self.job.finished_at),
            "reply": self._reply(last.row.reply) if last else "",
        }

    def _reservations(self) -> Iterator[tuple[str, str]]:
        results = self.results
        holds = {
            "redirected": self.redirected_to is not None,
            "taken_as_sent": any(result.taken_as_sent for result in results),
            "partly": not all(result.accepted for result in results),
            "possible_duplicate": self.job.possible_duplicate,
            "time_not_exact": not all(result.exact for result in results),
        }
        taken = next((taken_as_sent(result.row.reply) for result in results if result.taken_as_sent), None)
        words = {"addresses": ", ".join(self.redirected_to or ()) or "–", "taken": say_taken(taken or "")}
        yield from ((code, str(RESERVATIONS[code]) % words) for code in RESERVATIONS if holds[code])

    def _recipient(self, result: _Result) -> dict[str, Any]:
        row = result.row
        return {
            "address": row.address,
            "kind": row.kind,
            "state": row.state,
            "reply": self._reply(row.reply),
            "handed_over_at": _moment(self._when(result)),
            "time_exact": result.exact,
            "redirected_to": result.redirected_to,
            "proven": result.proven,
        }

    def _when(self, result: _Result) -> datetime | None:
        if not result.accepted or result.taken_as_sent:
            return None
        return result.attempt.ended_at if result.attempt else self.job.finished_at

    def _mail(self) -> dict[str, Any]:
        """Hashes of the mail. The wire's is known without its bytes, unless redirect wrote other headers."""
        job, frozen = self.job, FrozenMail.objects.filter(job=self.job).first()
        wire, size, eml = (job.sha256, job.size, None) if self.redirected_to is None else ("", 0, None)
        if frozen is not None:
            headers, body = bytes(frozen.headers), body_of(frozen)
            if self.redirected_to:
                headers = rewrite(headers, self.redirected_to, originals_of(job))
            mail = headers + b"\r\n" + body
            wire, size = sha256(mail).hexdigest(), len(mail)
            eml = headers + b"\r\n" + unstuff(body)
        return {
            "accepted_sha256": job.sha256,
            "accepted_octets": job.size,
            "wire_sha256": wire or None,
            "wire_octets": size or None,
            "wire_how": str(_WIRE_HOW),
            "eml_sha256": sha256(eml).hexdigest() if eml is not None else None,
            "eml_octets": len(eml) if eml is not None else None,
            "eml_how": str(_EML_HOW),
        }

    def _attachments(self) -> list[dict[str, Any]]:
        if not self.readable:
            return []
        rows = self.job.attachments.order_by("position")
        return [{**row} for row in rows.values("filename", "content_type", "size", "sha256")]

    def _shown_tries(self) -> list[Attempt]:
        """All tries; beside one recipient only those that tell of nobody else."""
        if not self.alone:
            return self.tries
        return [result.attempt for result in self.results if result.attempt is not None]

    def _attempt(self, attempt: Attempt) -> dict[str, Any]:
        return {
            "number": self.tries.index(attempt) + 1,
            "began_at": _moment(attempt.started_at),
            "ended_at": _moment(attempt.ended_at),
            "outcome": attempt.outcome,
            "reply": "" if self.alone else self._reply(attempt.reply, attempt.server),
            "server": self._server(attempt),
            "send_system": self._send_system(attempt),
            "redirected_to": attempt.redirected_to,
        }

    def _server(self, attempt: Attempt | None) -> str:
        return self.discretion.server(self.job.plan, attempt.server) if attempt is not None else ""

    def _send_system(self, attempt: Attempt | None) -> dict[str, Any] | None:
        number = attempt.send_system if attempt is not None else self.job.send_system
        return {"number": number, "name": str(SEND_SYSTEM_LABELS.get(number, ""))} if number is not None else None

    def _reply(self, reply: str, server: str = "") -> str:
        text = self.discretion.text(self.job.plan, reply, server)
        return text if _POSITIVE.match(text) else say_error(text)


def _moment(when: datetime | None) -> dict[str, str] | None:
    """A time in UTC and as the clocks on the wall had it."""
    if when is None:
        return None
    local = timezone.localtime(when)
    return {
        "utc": when.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "local": local.isoformat(timespec="seconds"),
        "zone": timezone.get_current_timezone_name(),
    }


def _spoken(when: datetime | None) -> str:
    if when is None:
        return _("(not recorded)")
    local = timezone.localtime(when)
    return f"{date_format(local, 'DATE_FORMAT')} {local:%H:%M:%S} {local:%Z}"


def spoken(moment: Mapping[str, str] | None) -> str:
    """A time of a proof for people: local and UTC."""
    if not moment:
        return "–"
    local, utc = datetime.fromisoformat(moment["local"]), moment["utc"].replace("T", " ").rstrip("Z")
    return f"{date_format(local, 'SHORT_DATE_FORMAT')} {local:%H:%M:%S} ({moment['zone']}), {utc} UTC"
