"""What providers say in words and codes of their own, and each sentence of delivery contract 3 about replies."""

import re

import pytest

from mailjobs.core.envelope import HandOver, Phase, Reply
from mailjobs.core.lifecycle import Outcome, RecipientState, State, settle
from mailjobs.core.reply import ReplyClass, classify
from mailjobs.core.retry import Retry

SENDER = "anna@kanzlei-huber.example"
MAX, EVA = "max@example.org", "eva@example.org"

# who says it, in which phase, what, and the class
SAID = [
    # Exchange Online
    ("quota 5.2.2", "body", "550 5.2.2 Submission quota exceeded", "quota"),
    ("quota in words", "body", "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException", "quota"),
    ("quota 5.1.90", "rcpt", "550 5.1.90 Your message can't be sent because you've reached your daily limit", "quota"),
    ("ipv6 range", "mail", "550 5.7.508 Access denied, [2001:db8::1] has exceeded permitted limits within ::/64 range", "quota"),
    (
        "own mailbox full",
        "body",
        "554 5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded",
        "quota",
    ),
    ("mailbox full", "body", "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException", "recipient_refused"),
    ("busy mailbox", "body", "432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded", "temporary"),
    ("busy sender", "body", "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", "throttled"),
    ("recipient per hour", "body", "550 5.2.121 Recipient's per hour message receive limit from specific sender", "temporary"),
    ("recipient per hour from all", "rcpt", "550 5.2.122 Recipient's per hour message receive limit exceeded", "temporary"),
    (
        "connections",
        "auth",
        "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending",
        "throttled",
    ),
    ("suspicious", "rcpt", "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited", "throttled"),
    ("suspicious without words", "rcpt", "451 4.7.699 Access denied, please try again later", "throttled"),
    ("suspicious ip", "mail", "450 4.7.850 Access denied, please try again later", "throttled"),
    ("beside the range", "rcpt", "451 4.7.700 Access denied, please try again later", "greylisted"),
    (
        "smtp auth off",
        "auth",
        "535 5.7.139 Authentication unsuccessful, user is locked by your organization's policy",
        "login_refused",
    ),
    ("basic auth", "auth", "550 5.7.30 Basic authentication is not supported for Client Submission.", "login_refused"),
    ("requiretls", "body", "550 5.7.30 REQUIRETLS support required", "permanent"),
    ("own people only", "body", "550 5.7.12 Sender was not authenticated by organization", "recipient_refused"),
    ("public folder", "rcpt", "550 5.7.135 Sender was not authenticated for public folder", "recipient_refused"),
    ("group", "body", "550 5.7.124 Sender not in allowed-senders list", "recipient_refused"),
    ("banned recipient", "body", "550 5.7.505 Access denied, banned recipient", "recipient_refused"),
    ("tenant blocks it", "body", "550 5.7.703 one or more recipients are blocked by your organization", "recipient_refused"),
    ("hotmail unknown", "rcpt", "550 5.5.0 Requested action not taken: mailbox unavailable", "recipient_refused"),
    ("connector", "rcpt", "550 5.7.64 TenantAttribution; Relay Access Denied", "configuration"),
    ("spam account", "body", "550 5.7.501 Access denied, spam abuse detected", "sender_refused"),
    ("dmarc", "body", "550 5.7.509 Access denied, sending domain x.example does not pass DMARC verification", "sender_refused"),
    ("strange domain", "body", "550 5.7.750 Client blocked from sending from unregistered domain", "sender_refused"),
    ("no from", "body", "550 5.7.512 Access denied, message must be RFC 5322 section 3.6.2 compliant", "content_refused"),
    ("bare line feed", "body", "550 5.6.11 Invalid characters", "content_refused"),
    ("our address banned", "rcpt", "550 5.7.606 Access denied, banned sending IP [192.0.2.1]", "permanent"),
    ("our address banned 649", "mail", "550 5.7.649 Access denied, banned sending IP [192.0.2.1]", "permanent"),
    ("tenant banned", "body", "550 5.7.705 Access denied, tenant has exceeded threshold", "permanent"),
    ("traffic", "body", "550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP", "permanent"),
    ("new tls", "ehlo", "421 4.7.66 TLS 1.0 and 1.1 are not supported. Please upgrade/update your client.", "tls_retry"),
    ("our address banned 511", "mail", "550 5.7.511 Access denied, banned sender", "permanent"),
    ("group of own people", "body", "550 5.7.1 RESOLVER.RST.AuthRequired; authentication required", "recipient_refused"),
    # Exchange Web Services and Graph
    ("graph busy", "body", "429 Retry-After: 60", "throttled"),
    ("graph busy in words", "body", "503 ApplicationThrottled: Application is over its MailboxConcurrency limit.", "throttled"),
    ("ews quota", "body", "500 ErrorExceededMessageLimit", "quota"),
    ("ews send as", "body", "500 ErrorSendAsDenied", "sender_refused"),
    ("ews size", "body", "500 ErrorMessageSizeExceeded", "content_refused"),
    ("graph size", "body", "413 Request Entity Too Large", "content_refused"),
    ("ews recipients", "body", "500 ErrorInvalidRecipients", "recipient_refused"),
    ("ews of its own words", "body", "500 HTTP EWS ErrorSendAsDenied: no right", "sender_refused"),
    ("ews busy", "auth", "500 HTTP EWS ErrorServerBusy: try again later", "throttled"),
    ("ews mailbox full", "body", "500 HTTP EWS ErrorQuotaExceeded: the mailbox is full", "quota"),
    ("ews mailbox moves", "body", "500 HTTP EWS ErrorMailboxMoveInProgress: being moved", "temporary"),
    ("ews mailbox moves at login", "auth", "500 HTTP EWS ErrorMailboxMoveInProgress: being moved", "retry"),
    ("ews impersonation", "auth", "500 HTTP EWS ErrorImpersonateUserDenied: no right", "login_refused"),
    ("ews mailbox missing", "auth", "500 HTTP EWS ErrorNonExistentMailbox: no mailbox", "configuration"),
    ("ews schema", "body", "500 HTTP EWS ErrorInvalidSchemaVersionForMailboxVersion: too new", "configuration"),
    ("ews mime", "body", "500 HTTP EWS ErrorMimeContentInvalid: not understood", "content_refused"),
    ("ews what nobody knows", "body", "500 HTTP EWS ErrorItemSave: not saved", "permanent"),
    ("ews what nobody knows at login", "auth", "500 HTTP EWS ErrorItemSave: not saved", "retry"),
    ("ews switched off", "auth", "403 HTTP EWS is switched off for this login", "login_refused"),
    ("graph token", "body", "401 InvalidAuthenticationToken", "login_refused"),
    ("graph rights", "body", "403 ErrorAccessDenied", "permanent"),
    # Basic codes of the RFCs, without an enhanced one
    ("rfc5248 privacy", "auth", "523 A privacy layer is wanted", "configuration"),
    ("rfc4954 encryption", "auth", "538 Not without TLS", "configuration"),
    ("rfc4954 login", "mail", "530 Please say who you are", "login_refused"),
    ("rfc5248 disabled", "mail", "525 Account disabled", "login_refused"),
    ("rfc4954 transition", "auth", "432 A password transition is needed", "login_refused"),
    ("exchange busy", "mail", "432 Busy", "throttled"),
    ("rfc7504 no mail", "body", "556 Domain does not accept mail", "recipient_refused"),
    ("rfc5321 storage", "body", "552 Requested mail action aborted", "content_refused"),
    ("names the sender", "rcpt", f"553 <{SENDER}> is none of ours", "sender_refused"),
    (
        "list of members",
        "rcpt",
        "550 5.2.0 <max@x.example>: Recipient address rejected: sender is not allowed",
        "recipient_refused",
    ),
    ("busy mailbox without 4.2.1", "rcpt", "450 4.2.0 Too many messages for this mailbox", "temporary"),
    # Google
    ("peak", "rcpt", "450 4.2.1 Peak SMTP relay limit exceeded for customer. This is a temporary error.", "throttled"),
    ("busy mailbox", "rcpt", "450 4.2.1 The user you are trying to contact is receiving mail too quickly.", "temporary"),
    (
        "one domain",
        "rcpt",
        "451 4.3.0 Multiple destination domains per transaction is unsupported. Please try again.",
        "too_many_recipients",
    ),
    (
        "policy size",
        "rcpt",
        "452 4.5.3 Domain policy size per transaction exceeded, please try this recipient in a separate",
        "too_many_recipients",
    ),
    ("dkim", "body", "550 5.7.30 This mail has been blocked because DKIM does not pass.", "sender_refused"),
    ("hops", "body", "450 4.4.6 Too many hops", "temporary"),
    ("daily relay", "body", "550 5.7.1 Daily SMTP relay limit exceeded for customer.", "quota"),
    ("relay login", "mail", "550 5.7.1 Invalid credentials for relay [192.0.2.1].", "login_refused"),
    ("browser", "auth", "534 5.7.14 Please log in through your web browser and then try again.", "login_refused"),
    ("login first", "mail", "530 5.5.1 Authentication Required.", "login_refused"),
    (
        "unauthenticated",
        "body",
        "550 5.7.26 Unauthenticated email from x.example is not accepted due to domain's DMARC policy.",
        "sender_refused",
    ),
    ("attachment", "body", "552 5.7.0 Our system detected an illegal attachment on your message.", "content_refused"),
    ("large", "body", "552 5.2.3 Your message exceeded Google's message size limits.", "content_refused"),
    ("busy", "greeting", "421 4.4.5 Server busy, try again later.", "throttled"),
    # Amazon SES, SendGrid
    ("ses rate", "body", "454 Throttling failure: Maximum sending rate exceeded.", "throttled"),
    ("ses day", "body", "454 Throttling failure: Daily message quota exceeded.", "quota"),
    ("ses address", "body", "554 Message rejected: Email address is not verified.", "sender_refused"),
    (
        "ses user",
        "body",
        "554 Access denied: User `arn:aws:iam::1:user/x' is not authorized to perform `ses:SendRawEmail'",
        "configuration",
    ),
    ("sendgrid credits", "auth", "451 Authentication failed: Maximum credits exceeded", "quota"),
    ("sendgrid address", "body", "550 The from address does not match a verified Sender Identity.", "sender_refused"),
    ("sendgrid login", "mail", "550 Unauthenticated senders not allowed", "login_refused"),
    # Postfix, Exim, cPanel, Plesk, Dovecot
    ("postfix auth flood", "auth", "450 4.7.0 Error: too many AUTH commands from 192.0.2.1", "throttled"),
    ("postfix host name", "rcpt", "450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]", "greylisted"),
    ("postfix configuration", "rcpt", "451 4.3.5 Server configuration problem", "temporary"),
    ("postfix milter", "body", "451 4.7.1 Service unavailable - try again later", "temporary"),
    ("exim relay", "rcpt", "550 relay not permitted", "recipient_refused"),
    ("exim relay login", "rcpt", "550 relay not permitted, authentication required", "login_refused"),
    ("exim ratelimit", "rcpt", "450 Sender rate overlimit - 120.4 / 1h", "throttled"),
    (
        "cpanel",
        "rcpt",
        "550 Domain x.example has exceeded the max emails per hour (250/200 (125%)) allowed. Message discarded.",
        "quota",
    ),
    (
        "cpanel failures",
        "rcpt",
        "550 Domain x.example has exceeded the max defers and failures per hour (5/5 (100%)) allowed.",
        "quota",
    ),
    ("plesk", "body", "550 5.7.1 The limit on the number of allowed outgoing messages was exceeded. Try again later.", "quota"),
    ("dovecot tls first", "mail", "530 5.7.0 TLS required.", "configuration"),
    ("dovecot tls to log in", "auth", "523 5.7.10 TLS required.", "configuration"),
    ("dovecot disabled", "auth", "525 5.7.13 User disabled", "login_refused"),
    ("dovecot backend", "auth", "454 4.7.0 Temporary internal failure", "retry"),
    ("dovecot shutting down", "mail", "421 4.3.2 Shutting down", "throttled"),
    ("dovecot slow", "body", "451 4.2.0 <max@example.org> Execution timed out", "temporary"),
    # German hosters
    (
        "gmx blocked",
        "greeting",
        "554 Nemesis ESMTP Service not available No SMTP service IP address is block listed.",
        "permanent",
    ),
    (
        "gmx spf",
        "body",
        "550 Reject due to SPF policy. The originating IP is not permitted by the domain owner",
        "sender_refused",
    ),
    ("gmx unknown", "rcpt", "550 Requested action not taken: mailbox unavailable", "recipient_refused"),
    ("ionos", "mail", "450 Requested mail action not taken: mailbox unavailable Mail send limit exceeded.", "throttled"),
    (
        "web.de full",
        "rcpt",
        "550 Benutzer hat das Speichervolumen ueberschritten. / User has exhausted allowed storage space.",
        "recipient_refused",
    ),
    ("t-online full", "body", "552 5.2.2 Over STORAGE quota", "recipient_refused"),
    ("t-online blocked", "greeting", "554 IP=192.0.2.1 - A problem occurred. (Ask your postmaster for help)", "permanent"),
    (
        "postfwd",
        "rcpt",
        "450 4.7.1 <max@example.org>: Recipient address rejected: Number messages per hour exceeded",
        "throttled",
    ),
    ("postfwd for good", "rcpt", "554 5.7.1 <x>: Recipient address rejected: Number messages per hour exceeded", "quota"),
    ("count quota", "rcpt", "450 4.7.1 message count quota exceeded", "throttled"),
    ("mail limit", "body", "550 5.7.1 Your mail limit has been reached.", "quota"),
    ("in german", "rcpt", "550 Ihr Versandlimit wurde überschritten", "quota"),
    ("in german, for now", "rcpt", "450 Zu viele Nachrichten in kurzer Zeit", "throttled"),
    ("sender in german", "mail", "550 Diese Absenderadresse ist nicht erlaubt", "sender_refused"),
]


def _reply(said: str) -> Reply:
    code, enhanced, text = re.fullmatch(r"(\d{3}) (?:(\d\.\d+\.\d+) )?(.*)", said, re.DOTALL).groups("")  # type: ignore[union-attr]
    return Reply(int(code), enhanced, text)


@pytest.mark.parametrize(("phase", "said", "expected"), [row[1:] for row in SAID], ids=[row[0] for row in SAID])
def test_delivery_3_what_providers_say_is_classified(phase: str, said: str, expected: str) -> None:
    assert classify(Phase(phase), _reply(said), None, SENDER) == expected


# The sentences of delivery contract 3, one after another.


@pytest.mark.parametrize("said", ["535 5.7.8 No", "534 5.7.9 No", "530 5.7.0 No", "550 5.7.30 No"])
@pytest.mark.parametrize("phase", [Phase.AUTH, Phase.MAIL])
def test_delivery_3_these_refuse_the_login(phase: Phase, said: str) -> None:
    if said.startswith("534") and phase is Phase.MAIL:
        said = "534 Authentication mechanism is too weak"
    assert classify(phase, _reply(said), None, SENDER) is ReplyClass.LOGIN_REFUSED


def test_delivery_3_454_at_log_in_retries() -> None:
    assert classify(Phase.AUTH, _reply("454 4.7.0 Temporary authentication failure"), None) is ReplyClass.RETRY


def _settled(replies: dict[str, str], final: str = "") -> Outcome:
    handover = HandOver({address: _reply(said) for address, said in replies.items()}, _reply(final) if final else None)
    return settle(handover, tuple(replies), sender=SENDER)


@pytest.mark.parametrize(
    "said",
    [
        "550 5.7.60 Client does not have permissions to send as this sender",
        "554 5.2.252 SendAsDenied",
        f"550 5.7.1 <{SENDER}> is not yours",
        f"553 5.7.1 <{SENDER}>: Sender address rejected: not owned by user relay",
    ],
)
def test_delivery_3_a_sender_refused_at_rcpt_fails_the_mail_and_no_recipient_is_bad(said: str) -> None:
    outcome = _settled({MAX: said, EVA: said})
    assert (outcome.state, outcome.reason) == (State.FAILED, ReplyClass.SENDER_REFUSED)
    assert {state for state, _reply in outcome.recipients.values()} == {RecipientState.PENDING}


def test_delivery_3_452_4_5_3_splits_the_mail() -> None:
    outcome = _settled({MAX: "250 Ok", EVA: "452 4.5.3 Too many recipients"}, "250 Ok")
    assert (outcome.state, outcome.retry) == (State.DEFERRED, Retry.SPLIT)
    assert outcome.recipients[MAX][0] is RecipientState.ACCEPTED
    assert not outcome.throttled


@pytest.mark.parametrize("said", ["450 4.7.1 Try again", "451 4.7.1 Try again", "450 4.7.25 Try again"])
def test_delivery_3_greylisting_defers_that_recipient_and_the_connection_goes_on(said: str) -> None:
    outcome = _settled({MAX: said, EVA: "250 Ok"}, "250 Ok")
    assert (outcome.state, outcome.retry, outcome.throttled) == (State.DEFERRED, Retry.GREYLIST, False)
    assert outcome.recipients[EVA][0] is RecipientState.ACCEPTED


@pytest.mark.parametrize("text", ["Rate limit exceeded", "too many messages from 192.0.2.1", "Error: too much mail", "slow down"])
def test_delivery_3_450_4_7_that_names_a_rate_makes_the_connection_wait(text: str) -> None:
    outcome = _settled({MAX: f"450 4.7.1 {text}"})
    assert (outcome.state, outcome.retry, outcome.throttled) == (State.DEFERRED, Retry.CONNECTION, True)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase not in {Phase.RESOLVE, Phase.CONNECT}])
@pytest.mark.parametrize("said", ["421 4.3.0 Bye", "421 Bye", "432 4.3.2 Busy", "452 4.3.1 Full"])
def test_delivery_3_these_throttle_in_every_phase(phase: Phase, said: str) -> None:
    assert classify(phase, _reply(said), None) is ReplyClass.THROTTLED


@pytest.mark.parametrize("said", ["550 5.4.5 Daily user sending limit exceeded.", "554 5.2.0 X:SubmissionQuotaExceededException"])
@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT, Phase.BODY])
def test_delivery_3_quotas_that_come_as_5xx_make_the_connection_wait(phase: Phase, said: str) -> None:
    assert classify(phase, _reply(said), None, SENDER) is ReplyClass.QUOTA


@pytest.mark.parametrize("said", ["552 5.3.4 Too big", "554 5.6.0 Corrupt", "554 5.6.3 No"])
def test_delivery_3_content_and_size_fail(said: str) -> None:
    outcome = _settled({MAX: "250 Ok"}, said)
    assert (outcome.state, outcome.reason) == (State.FAILED, ReplyClass.CONTENT_REFUSED)
