"""Which state does a mail have after a try, and which may follow which (delivery contract 1 to 3, J7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from mailjobs.core.envelope import HandOver, Phase, Reply, Trouble
from mailjobs.core.reply import ReplyClass, classify
from mailjobs.core.retry import Retry


class State(StrEnum):
    """The states of delivery contract 1."""

    NEW = "new"
    HELD = "held"
    SENDING = "sending"
    DEFERRED = "deferred"
    SENT = "sent"
    PARTLY_SENT = "partly_sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


class RecipientState(StrEnum):
    """What became of one recipient."""

    PENDING = "pending"  # not judged: nothing was said of this recipient, or only of the whole mail
    ACCEPTED = "accepted"
    REFUSED = "refused"
    DEFERRED = "deferred"
    UNKNOWN = "unknown"


TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.NEW: frozenset({State.SENDING, State.HELD, State.CANCELLED}),
    State.HELD: frozenset({State.NEW, State.CANCELLED}),
    State.SENDING: frozenset(
        {
            State.NEW,  # withdrawn before the body, or the lease ran out there
            State.HELD,  # a policy judged at the last moment, or a restored database
            State.DEFERRED,
            State.SENT,
            State.PARTLY_SENT,
            State.FAILED,
            State.UNKNOWN,
        }
    ),
    State.DEFERRED: frozenset({State.SENDING, State.HELD, State.FAILED, State.PARTLY_SENT, State.CANCELLED}),
    State.SENT: frozenset(),
    State.PARTLY_SENT: frozenset({State.NEW}),  # Sendestatus zurückstellen
    State.FAILED: frozenset({State.NEW, State.HELD}),  # reset; a direct one given to the mail client (X2)
    State.UNKNOWN: frozenset({State.NEW, State.SENT, State.PARTLY_SENT}),  # reset or resent; a late 2xx or a look-up heals
    State.CANCELLED: frozenset({State.NEW}),
}

MOST_TRIES = {ReplyClass.HOST_UNKNOWN: 3, ReplyClass.TLS_RETRY: 2}  # further tries after the first

_THROTTLES = frozenset({ReplyClass.THROTTLED, ReplyClass.QUOTA})
_TRY_AGAIN = _THROTTLES | {
    ReplyClass.RETRY,
    ReplyClass.HOST_UNKNOWN,
    ReplyClass.IDENTITY_MISSING,
    ReplyClass.TLS_RETRY,
    ReplyClass.TOO_MANY_RECIPIENTS,
    ReplyClass.GREYLISTED,
    ReplyClass.TEMPORARY,
    ReplyClass.LOST_BEFORE_BODY,
}
_WHOLE_MAIL = frozenset({ReplyClass.LOGIN_REFUSED, ReplyClass.SENDER_REFUSED, ReplyClass.CONFIGURATION})  # no recipient is bad
_WAITS = {  # the first that occurs
    ReplyClass.QUOTA: Retry.QUOTA,
    ReplyClass.THROTTLED: Retry.CONNECTION,
    ReplyClass.GREYLISTED: Retry.GREYLIST,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a try came to.

    `recipients` has all that were open, each with the reply that settled it. `error` begins with the reply code where there is
    one (J4), empty when all is well. `retry` is set exactly when the state is deferred. `reason` is the class of what decided.
    `wait`: how many seconds the server asked to be left alone.
    """

    state: State
    recipients: dict[str, tuple[RecipientState, Reply | None]]
    error: str = ""
    retry: Retry | None = None
    login_refused: bool = False
    throttled: bool = False
    reason: ReplyClass | None = None
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class _Verdict:
    """One recipient's result, and the class of the reply (its own or the mail's) that gave it."""

    state: RecipientState
    reply: Reply | None
    reason: ReplyClass | None


@dataclass(frozen=True, slots=True)
class _End:
    """How the exchange ended for those whom no reply of their own had refused: by the final reply or by an error."""

    reason: ReplyClass | None
    reply: Reply | None = None
    error: str = ""


def settle(
    handover: HandOver,
    open_recipients: Sequence[str],
    *,
    sender: str,
    already_accepted: int = 0,
    already_refused: int = 0,
    direct: bool = False,
    given_up: bool = False,
    attempts: int = 1,
) -> Outcome:
    """The next state after a hand-over to the open recipients, those not yet accepted or refused for good.

    An error before any MAIL is a hand-over that has nothing but the error.

    `already_accepted`, `already_refused`: how many recipients earlier tries settled. `attempts`: tries so far, this one included.
    `direct` (S2) and `given_up` (too old) mean that a temporary refusal is the end. Only a mail split for its many recipients is
    deferred even then, with Retry.SPLIT: the rest is to be handed over in the same call.
    """
    if handover.withdrawn:
        return Outcome(State.NEW, dict.fromkeys(open_recipients, (RecipientState.PENDING, None)))
    end = _end(handover, sender)
    verdicts = _judge(handover, open_recipients, end, sender)
    last = direct or given_up or _tried_enough(end.reason, attempts)
    if last:
        verdicts = _for_good(verdicts)
    state, retry = _state(list(verdicts.values()), already_accepted=already_accepted, already_refused=already_refused)
    error, reason = _error(state, verdicts, end)
    reasons = {verdict.reason for verdict in verdicts.values()} | {end.reason}
    return Outcome(
        state,
        {address: (verdict.state, verdict.reply) for address, verdict in verdicts.items()},
        error,
        retry,
        login_refused=ReplyClass.LOGIN_REFUSED in reasons,
        throttled=bool(reasons & _THROTTLES),
        reason=reason,
        wait=end.reply.wait if end.reply else 0.0,
    )


def _end(handover: HandOver, sender: str) -> _End:
    """The final reply decides before an error: what breaks after it changes nothing."""
    if handover.final is not None:
        reason = classify(Phase.BODY, handover.final, None, sender)
        return _End(reason, handover.final, str(handover.final))
    if (error := handover.error) is not None:
        reply = error.reply if error.reply and error.reply.code >= 400 else None  # what broke off was not accepted, a 354 neither
        reason = classify(error.phase, reply, error.trouble, sender)
        return _End(reason, reply, str(error))
    return _End(None, error=str(Trouble.OTHER))


def _judge(handover: HandOver, open_recipients: Sequence[str], end: _End, sender: str) -> dict[str, _Verdict]:
    verdicts: dict[str, _Verdict] = {}
    carried = any(reply.positive for reply in handover.recipients.values())
    for address in open_recipients:
        reply = handover.recipients.get(address)
        if reply is None:
            verdicts[address] = _untouched(end, carried=carried)
        elif reply.positive:
            verdicts[address] = _carried(end)
        else:
            verdicts[address] = _answered(reply, classify(Phase.RCPT, reply, None, sender), carried=carried)
    return verdicts


def _answered(reply: Reply, reason: ReplyClass, *, carried: bool) -> _Verdict:
    """A recipient refused at RCPT. Where nobody was taken, a refused sender or login speaks of the mail, not of the recipient."""
    if reason in _TRY_AGAIN:
        return _Verdict(RecipientState.DEFERRED, reply, reason)
    if reason in _WHOLE_MAIL and not carried:
        return _Verdict(RecipientState.PENDING, reply, reason)
    return _Verdict(RecipientState.REFUSED, reply, reason)


def _carried(end: _End) -> _Verdict:
    """A recipient accepted at RCPT shares the fate of the body; where nobody says what that was, it is unknown."""
    match end.reason:
        case ReplyClass.ACCEPTED:
            return _Verdict(RecipientState.ACCEPTED, end.reply, end.reason)
        case None | ReplyClass.LOST_IN_BODY:
            return _Verdict(RecipientState.UNKNOWN, None, ReplyClass.LOST_IN_BODY)
        case reason if reason in _TRY_AGAIN:
            return _Verdict(RecipientState.DEFERRED, end.reply, reason)
        case reason if reason in _WHOLE_MAIL:
            return _Verdict(RecipientState.PENDING, end.reply, reason)
        case reason:
            return _Verdict(RecipientState.REFUSED, end.reply, reason)


def _untouched(end: _End, *, carried: bool) -> _Verdict:
    """A recipient that got no reply of its own: not offered, or the exchange broke off before."""
    match end.reason:
        case ReplyClass.ACCEPTED | None:
            return _Verdict(RecipientState.DEFERRED, None, ReplyClass.TOO_MANY_RECIPIENTS)
        case ReplyClass.LOST_IN_BODY if not carried:
            return _Verdict(RecipientState.UNKNOWN, None, end.reason)
        case ReplyClass.LOST_IN_BODY:
            return _Verdict(RecipientState.PENDING, None, end.reason)
        case reason if reason in _TRY_AGAIN:
            return _Verdict(RecipientState.DEFERRED, end.reply, reason)
        case reason:
            return _Verdict(RecipientState.PENDING, end.reply, reason)


def _tried_enough(reason: ReplyClass | None, attempts: int) -> bool:
    return reason in MOST_TRIES and attempts > MOST_TRIES[reason]


def _for_good(verdicts: Mapping[str, _Verdict]) -> dict[str, _Verdict]:
    """At the last try what would be deferred is refused by the reply it got; without one nothing was said of it.

    But the rest of a split mail still goes, as long as each part of it gets somewhere.
    """
    progress = any(verdict.state is RecipientState.ACCEPTED for verdict in verdicts.values())
    settled = dict(verdicts)
    for address, verdict in verdicts.items():
        if verdict.state is not RecipientState.DEFERRED or (progress and verdict.reason is ReplyClass.TOO_MANY_RECIPIENTS):
            continue
        settled[address] = replace(verdict, state=RecipientState.REFUSED if verdict.reply else RecipientState.PENDING)
    return settled


def _state(verdicts: Sequence[_Verdict], *, already_accepted: int, already_refused: int) -> tuple[State, Retry | None]:
    states = [verdict.state for verdict in verdicts]
    if RecipientState.UNKNOWN in states:
        return State.UNKNOWN, None
    accepted = states.count(RecipientState.ACCEPTED)
    if RecipientState.DEFERRED in states:
        waiting = {verdict.reason for verdict in verdicts if verdict.state is RecipientState.DEFERRED}
        return State.DEFERRED, _retry(waiting, progress=accepted > 0)
    if not accepted + already_accepted:
        return State.FAILED, None
    return (State.SENT if accepted == len(states) and not already_refused else State.PARTLY_SENT), None


def _retry(waiting: set[ReplyClass | None], *, progress: bool) -> Retry:
    """The longest wait that any of them needs; the rest of a split mail goes at once if the first part went."""
    for reason, retry in _WAITS.items():
        if reason in waiting:
            return retry
    return Retry.SPLIT if progress and waiting == {ReplyClass.TOO_MANY_RECIPIENTS} else Retry.BACKOFF


def _error(state: State, verdicts: Mapping[str, _Verdict], end: _End) -> tuple[str, ReplyClass | None]:
    """What to show as last error: what ended the exchange or the whole mail, else the first refusal that explains the state."""
    if state is State.SENT:
        return "", ReplyClass.ACCEPTED
    if end.reason not in {None, ReplyClass.ACCEPTED} and any(verdict.reason is end.reason for verdict in verdicts.values()):
        return end.error, end.reason
    whole = next((verdict for verdict in verdicts.values() if verdict.reply and verdict.state is RecipientState.PENDING), None)
    if whole is not None:
        return str(whole.reply), whole.reason
    wanted = RecipientState.DEFERRED if state is State.DEFERRED else RecipientState.REFUSED
    ordered = sorted(verdicts.items(), key=lambda item: item[1].state is not wanted)  # stable: the first of the wanted ones
    for address, verdict in ordered:
        if verdict.reply is not None and verdict.state is not RecipientState.ACCEPTED:
            return f"{verdict.reply} <{address}>", verdict.reason
    reasons = [verdict.reason for verdict in verdicts.values() if verdict.state is not RecipientState.ACCEPTED]
    return end.error if end.reason is not ReplyClass.ACCEPTED else "", reasons[0] if reasons else end.reason
