"""The way over the wire up to just before a mail is handed over, with the transport of real mail, watched step by step (D2)."""

import asyncio
import ipaddress
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from django.db import connections
from django.utils import timezone

from diagnostics.cases import Case
from diagnostics.core import certificates
from diagnostics.core.causes import STEP_OF, locate, locate_reply
from diagnostics.core.findings import Cause, Finding, Step, Verdict
from mailjobs import tokens
from mailjobs.core.envelope import Endpoint, Envelope, HandOver, Phase, Reply, TransportError
from mailjobs.transports.registry import Session
from mailjobs.transports.smtp_dialogue import SmtpSession
from mailjobs.transports.watching import watched_by
from mailsettings.core.send_systems import DEFAULT_SEND_SYSTEM, SEND_SYSTEMS, Over

ENDS_SOON = 14  # days that a certificate is valid yet
Report = Callable[[Finding], None]
Answer = TypeVar("Answer")
_ORDER = {  # in which the phases come, by TLS mode
    "implicit": (Phase.RESOLVE, Phase.CONNECT, Phase.TLS, Phase.GREETING, Phase.EHLO, Phase.AUTH),
    "starttls": (Phase.RESOLVE, Phase.CONNECT, Phase.GREETING, Phase.EHLO, Phase.TLS, Phase.AUTH),
    "off": (Phase.RESOLVE, Phase.CONNECT, Phase.GREETING, Phase.EHLO, Phase.AUTH),
}
_WEB = (Phase.RESOLVE, Phase.CONNECT, Phase.TLS, Phase.AUTH)


def probe(case: Case, report: Report, deadline: float) -> bool:
    """Walk until `deadline` (`time.monotonic`) and report each step when it is known; whether all of them went well."""
    return asyncio.run(_Walk(case, report, deadline).go())


@dataclass(slots=True)
class _Walk:
    case: Case
    report: Report
    deadline: float
    begun: float = field(default_factory=time.monotonic)
    said: int = 0  # lines of the transcript that belong to steps before
    reached: list[Phase] = field(default_factory=list)
    loopback: bool = False
    well: bool = True

    async def go(self) -> bool:
        """Whether nothing failed."""
        limit = max(self.deadline - time.monotonic(), 0.1)
        session: Session | None = None
        try:
            async with asyncio.timeout(limit):
                session = await self._open()
                self._say_what_was_not_needed()
                if isinstance(session, SmtpSession) and not self.case.by_workers_identity:
                    await self._ask(session)
        except TransportError as error:
            self._failed(error)
        except TimeoutError:
            self._late()
        finally:
            if session is not None:
                await session.close()
        return self.well

    async def _open(self) -> Session:
        """Without a login where it is the worker's: then the test mail says what becomes of it."""
        endpoint = self._endpoint
        if self.case.by_workers_identity:
            endpoint = replace(endpoint, send_system=DEFAULT_SEND_SYSTEM, username="")
        if endpoint.token is not None:
            await self._fetch_token(endpoint)
        with watched_by(self._watch):
            return await tokens.open_session(endpoint, _in_thread)

    async def _fetch_token(self, endpoint: Endpoint) -> None:
        """What goes wrong on the way to the authority is a matter of the login, whatever the phase."""
        try:
            await tokens.with_token(endpoint, _in_thread)
        except TransportError as error:
            step, cause = locate(error, system=endpoint.send_system)
            if step is not Step.CONFIGURATION:
                step = Step.AUTHENTICATION
            self._tell(step, Verdict.FAILED, cause, reply=str(error), dialogue=error.transcript)
            self.well = False
            raise _Told from error

    # Steps that went well

    def _watch(self, phase: Phase, found: Mapping[str, Any], transcript: Sequence[str]) -> None:
        dialogue, self.said = tuple(transcript[self.said :]), max(self.said, len(transcript))
        self.reached.append(phase)
        facts = dict(found)
        if phase is Phase.CONNECT:
            self.loopback = ipaddress.ip_address(facts["address"].partition("%")[0]).is_loopback
        if phase is Phase.TLS:
            facts |= certificates.read(facts.pop("certificate", b""))
        reply = str(facts.pop("reply", ""))
        cause = self._doubt(phase, facts)
        self._tell(
            STEP_OF[phase], Verdict.WARNED if cause else Verdict.PASSED, cause, reply=reply, dialogue=dialogue, facts=facts
        )

    def _doubt(self, phase: Phase, facts: Mapping[str, Any]) -> str:
        left = certificates.days_left(facts.get("until", ""), timezone.now()) if phase is Phase.TLS else None
        return Cause.CERTIFICATE_ENDS if left is not None and left < ENDS_SOON else ""

    def _say_what_was_not_needed(self) -> None:
        if Phase.AUTH not in self.reached and not self.case.by_workers_identity:
            self._tell(Step.AUTHENTICATION, Verdict.PASSED, facts={"mechanism": ""})
        if self._endpoint.tls == "off":
            cause = "" if self.loopback else Cause.NO_TLS
            self._tell(Step.TLS, Verdict.WARNED if cause else Verdict.PASSED, cause, facts={"version": ""})

    async def _ask(self, session: SmtpSession) -> None:
        """Sender, recipients and size, then RSET."""
        template = self.case.template
        envelope = Envelope(template.sender_address if template else "", self.case.probed)
        handover = await session.probe(envelope, size=self.case.size)
        lines = session.transcript[self.said :]
        cut = next((at for at, line in enumerate(lines) if line.startswith("C: RCPT")), len(lines))
        if handover.error is not None and not handover.recipients:
            handover.error.transcript = tuple(session.transcript)
            raise handover.error
        self._judge(handover, envelope.sender, tuple(lines[:cut]), tuple(lines[cut:]))
        if self.well:
            self._tell(Step.SIZE, Verdict.PASSED, facts={"limit": session.capabilities.get("size", ""), "size": self.case.size})

    def _judge(self, handover: HandOver, sender: str, at_mail: tuple[str, ...], at_rcpt: tuple[str, ...]) -> None:
        refused = {address: reply for address, reply in handover.recipients.items() if not reply.positive}
        if not refused:
            self._tell(Step.SENDER_ACCEPTED, Verdict.PASSED, reply=str(handover.final or ""), dialogue=at_mail)
            accepted = next(iter(handover.recipients.values()))
            self._tell(Step.RECIPIENT_ACCEPTED, Verdict.PASSED, reply=str(accepted), dialogue=at_rcpt)
            return
        address, reply = self._worst(refused, sender)
        step, cause = locate_reply(Phase.RCPT, reply, system=self._endpoint.send_system, sender=sender)
        if step is not Step.SENDER_ACCEPTED:
            self._tell(Step.SENDER_ACCEPTED, Verdict.PASSED, reply=str(handover.final or ""), dialogue=at_mail)
        self.well = False
        facts = {"refused": list(refused), "accepted": len(handover.recipients) - len(refused)}
        self._tell(step, Verdict.FAILED, cause, reply=f"{reply} <{address}>", dialogue=at_rcpt, facts=facts)

    def _worst(self, refused: Mapping[str, Reply], sender: str) -> tuple[str, Reply]:
        """A refused sender or login before a refused recipient, a lasting refusal before one that passes."""

        def rank(item: tuple[str, Reply]) -> tuple[bool, bool]:
            step, _cause = locate_reply(Phase.RCPT, item[1], system=self._endpoint.send_system, sender=sender)
            return step is Step.RECIPIENT_ACCEPTED, item[1].temporary

        return min(refused.items(), key=rank)

    # Steps that did not

    def _failed(self, error: TransportError) -> None:
        if isinstance(error, _Told):
            return
        self.well = False
        template = self.case.template
        sender = template.sender_address if template else ""
        step, cause = locate(error, system=self._endpoint.send_system, sender=sender)
        for earlier in self._between(step):
            self._tell(earlier, Verdict.PASSED)
        dialogue = error.transcript[self.said :]
        self._tell(step, Verdict.FAILED, cause, reply=str(error), dialogue=dialogue)

    def _between(self, step: Step) -> Iterator[Step]:
        """What went well without a word of its own: sender and recipients, where only the size was refused or objected to."""
        if step is Step.RECIPIENT_ACCEPTED:
            yield Step.SENDER_ACCEPTED

    def _late(self) -> None:
        """Nothing came in the time that a diagnosis has."""
        self.well = False
        system = SEND_SYSTEMS[self._endpoint.send_system]
        order = _ORDER[self._endpoint.tls] if system.over is Over.SMTP else _WEB
        phase = next((phase for phase in order if phase not in self.reached), Phase.MAIL)
        step = STEP_OF[phase]
        cause = Cause.DNS_FAILURE if step is Step.NAME_RESOLUTION else Cause.TIMEOUT
        self._tell(step, Verdict.FAILED, cause, reply="timeout")

    def _tell(self, step: Step, verdict: Verdict, cause: str = "", **more: Any) -> None:
        now = time.monotonic()
        milliseconds, self.begun = round((now - self.begun) * 1000), now
        self.report(Finding(step, verdict, cause, milliseconds, **more))

    @property
    def _endpoint(self) -> Endpoint:
        if self.case.route is None:
            raise ValueError("nothing to walk to")
        return self.case.route.endpoint


class _Told(TransportError):
    """Has been reported already."""

    def __init__(self) -> None:
        super().__init__(phase=Phase.AUTH)


async def _in_thread(call: Callable[..., Answer], *arguments: object) -> Answer:
    def run() -> Answer:
        try:
            return call(*arguments)
        finally:
            connections.close_all()

    found: Awaitable[Answer] = asyncio.to_thread(run)
    return await found
