"""What servers really say, and what it means for the mail (delivery contract 3)."""

import re

import pytest

from mailjobs.core.envelope import Phase, Reply, Trouble
from mailjobs.core.reply import ReplyClass, classify
from mailjobs.core.sayings import PECULIARITIES, SAYINGS, SOURCES

SENDER = "anna@kanzlei-huber.example"

# phase, code, enhanced, text, class; who says it as id
# who says it, in which phase, what, and the class
SAID = [
    # accepted
    ("postfix mail", "mail", "250 2.1.0 Ok", "accepted"),
    ("postfix rcpt", "rcpt", "250 2.1.5 Ok", "accepted"),
    ("rfc5321 forward", "rcpt", "251 User not local; will forward to <max@example.org>", "accepted"),
    ("postfix data", "data", "354 End data with <CR><LF>.<CR><LF>", "accepted"),
    ("postfix queued", "body", "250 2.0.0 Ok: queued as 4XkQ1z2N3dz9sPk", "accepted"),
    ("exchange queued", "body", "250 2.6.0 <x@y> [InternalId=1] Queued mail for delivery", "accepted"),
    # authentication
    ("postfix sasl", "auth", "535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6", "login_refused"),
    ("google password", "auth", "535 5.7.8 Username and Password not accepted. Learn more at ...", "login_refused"),
    ("google app password", "auth", "534 5.7.9 Application-specific password required.", "login_refused"),
    ("exchange password", "auth", "535 5.7.3 Authentication unsuccessful", "login_refused"),
    (
        "exchange online client auth",
        "auth",
        "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",
        "login_refused",
    ),
    (
        "exchange online basic auth",
        "auth",
        "550 5.7.30 Basic authentication is not supported for Client Submission.",
        "login_refused",
    ),
    (
        "exchange online basic auth late",
        "body",
        "550 5.7.30 Basic authentication is not supported for Client Submission.",
        "login_refused",
    ),
    (
        "exchange not logged in",
        "mail",
        "530 5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM",
        "login_refused",
    ),
    ("google not logged in", "mail", "530 5.7.0 Authentication Required. Learn more at ...", "login_refused"),
    ("hoster not logged in", "rcpt", "550 SMTP AUTH is required for message submission on port 587", "login_refused"),
    ("postfix not logged in", "rcpt", f"553 5.7.1 <{SENDER}>: Sender address rejected: not logged in", "login_refused"),
    ("exim", "auth", "535 Incorrect authentication data", "login_refused"),
    ("gmx", "auth", "535 Authentication credentials invalid", "login_refused"),
    ("dovecot transition", "auth", "432 4.7.12 A password transition is needed", "login_refused"),
    ("postfix auth backend", "auth", "454 4.7.0 Temporary authentication failure: Connection lost to server", "retry"),
    ("exchange auth backend", "auth", "454 4.7.0 Temporary authentication failure", "retry"),
    ("google too many logins", "auth", "454 4.7.0 Too many login attempts, please try again later.", "throttled"),
    ("mechanism unknown", "auth", "504 5.5.4 Unrecognized authentication type", "configuration"),
    ("auth not offered", "auth", "503 5.5.1 Error: authentication not enabled", "configuration"),
    ("rfc4954 encryption", "auth", "538 5.7.11 Encryption required for requested authentication mechanism", "configuration"),
    ("postfix starttls first", "mail", "530 5.7.0 Must issue a STARTTLS command first", "configuration"),
    ("exchange starttls first", "mail", "451 5.7.3 STARTTLS is required to send mail", "configuration"),
    # TLS
    ("postfix tls off", "tls", "454 4.7.0 TLS not available due to local problem", "tls_retry"),
    ("tls refused", "tls", "502 5.5.1 Command not implemented", "tls_retry"),
    ("exchange old tls", "auth", "421 4.7.66 TLS 1.0 and 1.1 are not supported. Please upgrade/update your client.", "tls_retry"),
    # sender
    ("postfix not owned", "rcpt", f"553 5.7.1 <{SENDER}>: Sender address rejected: not owned by user anna", "sender_refused"),
    ("exchange send as", "body", "550 5.7.60 SMTP; Client does not have permissions to send as this sender", "sender_refused"),
    ("exchange 2010 send as", "mail", "550 5.7.1 Client does not have permissions to send as this sender", "sender_refused"),
    (
        "exchange online send as",
        "body",
        "554 5.2.252 SendAsDenied; relay@x.example not allowed to send as anna@y.example; STOREDRV",
        "sender_refused",
    ),
    ("names the sender", "rcpt", f"550 5.7.1 {SENDER} is no address of this login", "sender_refused"),
    ("names the sender in capitals", "body", f"550 5.7.1 Not yours: {SENDER.upper()}", "sender_refused"),
    ("553 names the sender", "mail", f"553 <{SENDER}> you may not use that here", "sender_refused"),
    ("postfix no domain", "rcpt", f"550 5.1.8 <{SENDER}>: Sender address rejected: Domain not found", "sender_refused"),
    ("exim verify", "rcpt", "550 Sender verify failed", "sender_refused"),
    ("postfix syntax", "mail", "501 5.1.7 Bad sender address syntax", "sender_refused"),
    ("exchange online blocked", "body", "550 5.1.8 Access denied, bad outbound sender AS(1234)", "sender_refused"),
    ("strato", "mail", "550 Sender address is not allowed", "sender_refused"),
    ("1und1", "body", "550 Sender address is not allowed.", "sender_refused"),
    ("ews send as", "body", "550 ErrorSendAsDenied: The user account does not have the right", "sender_refused"),
    # recipients
    (
        "postfix unknown",
        "rcpt",
        "550 5.1.1 <max@example.org>: Recipient address rejected: User unknown in virtual mailbox table",
        "recipient_refused",
    ),
    ("to oneself", "rcpt", f"550 5.1.1 <{SENDER}>: Recipient address rejected: User unknown", "recipient_refused"),
    ("to oneself 5.7.1", "rcpt", f"550 5.7.1 <{SENDER}>: Recipient address rejected: closed", "recipient_refused"),
    ("postfix relay", "rcpt", "554 5.7.1 <max@example.org>: Relay access denied", "recipient_refused"),
    ("exchange relay", "rcpt", "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", "recipient_refused"),
    ("exchange unknown", "rcpt", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found", "recipient_refused"),
    ("exchange edge", "rcpt", "550 5.4.1 Recipient address rejected: Access denied.", "recipient_refused"),
    (
        "exchange group",
        "body",
        "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required",
        "recipient_refused",
    ),
    ("google unknown", "rcpt", "550 5.1.1 The email account that you tried to reach does not exist.", "recipient_refused"),
    ("dovecot full", "rcpt", "552 5.2.2 <max@example.org> Quota exceeded (mailbox for user is full)", "recipient_refused"),
    ("full without a code", "rcpt", "552 Requested mail action aborted: mailbox quota exceeded", "recipient_refused"),
    ("disabled", "rcpt", "550 5.2.1 The email account that you tried to reach is disabled.", "recipient_refused"),
    ("exim unknown", "rcpt", "550 No such user here", "recipient_refused"),
    ("postfix soft relay", "rcpt", "454 4.7.1 <max@example.org>: Relay access denied", "temporary"),
    ("full for now", "rcpt", "452 4.2.2 Mailbox full", "temporary"),
    ("full for now without a code", "rcpt", "452 mailbox over quota, try later", "temporary"),
    (
        "google busy mailbox",
        "rcpt",
        "450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents more",
        "temporary",
    ),
    ("postfix sender domain", "rcpt", f"450 4.1.8 <{SENDER}>: Sender address rejected: Domain not found", "temporary"),
    ("rfc5321 busy", "rcpt", "450 Requested mail action not taken: mailbox unavailable", "temporary"),
    # greylisting
    (
        "postgrey",
        "rcpt",
        "450 4.2.0 <max@example.org>: Recipient address rejected: Greylisted, see http://postgrey.example/",
        "greylisted",
    ),
    ("milter-greylist", "rcpt", "451 4.7.1 Greylisting in action, please come back in 00:02:59", "greylisted"),
    ("exchange tarpit", "rcpt", "451 4.7.1 Service unavailable - try again later", "greylisted"),
    ("policyd", "rcpt", "450 4.7.1 <max@example.org>: Recipient address rejected: Policy Rejection", "greylisted"),
    ("rspamd after the dot", "body", "451 4.7.1 Try again later: greylisted", "greylisted"),
    # throttles
    ("postfix errors", "rcpt", "421 4.7.0 mail.example.org Error: too many errors", "throttled"),
    ("postfix connections", "greeting", "421 4.7.0 Error: too many connections from 192.0.2.1", "throttled"),
    ("postfix anvil mail", "mail", "450 4.7.1 Error: too much mail from 192.0.2.1", "throttled"),
    ("postfix anvil rcpt", "rcpt", "450 4.7.1 Error: too many recipients from 192.0.2.1", "throttled"),
    ("exchange threads", "body", "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded; [Hostname=AM0]", "throttled"),
    ("exchange resources", "mail", "452 4.3.1 Insufficient system resources", "throttled"),
    ("postfix disk", "mail", "452 4.3.1 Insufficient system storage", "throttled"),
    ("no code disk", "mail", "452 Insufficient system storage", "throttled"),
    ("exchange rate", "mail", "421 4.4.2 Message submission rate for this client has exceeded the configured limit", "throttled"),
    ("exchange online busy", "rcpt", "451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77714)", "throttled"),
    ("google rate", "body", "421 4.7.28 Our system has detected an unusual rate of mail", "throttled"),
    ("ionos", "rcpt", "450 Requested mail action aborted: Mail send limit exceeded.", "throttled"),
    ("ratelimit policyd", "rcpt", "450 4.7.1 <max@example.org>: Recipient address rejected: Rate limit exceeded", "throttled"),
    ("graph", "body", "429 ApplicationThrottled: Application is over its MailboxConcurrency limit.", "throttled"),
    ("ews busy", "body", "501 ErrorServerBusy: The server cannot service this request right now.", "throttled"),
    # quotas in the dress of 5xx
    ("google daily", "mail", "550 5.4.5 Daily user sending limit exceeded. For more information ...", "quota"),
    ("google relay", "body", "550 5.4.5 Daily SMTP relay sending limit exceeded", "quota"),
    (
        "exchange online quota",
        "body",
        "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message",
        "quota",
    ),
    ("exchange online daily", "rcpt", "550 5.1.90 Your message can't be sent because you've reached your daily limit", "quota"),
    ("exchange online trial", "body", "550 5.7.232 trial tenant has exceeded its daily limit", "quota"),
    ("hoster hourly", "rcpt", "550 Hourly sending quota exceeded for this account", "quota"),
    ("hoster rate", "rcpt", "554 5.7.1 You have exceeded your hourly message limit", "quota"),
    # many recipients
    ("postfix many", "rcpt", "452 4.5.3 Error: too many recipients", "too_many_recipients"),
    ("exchange many", "rcpt", "452 4.5.3 Too many recipients", "too_many_recipients"),
    ("google many", "rcpt", "452 4.5.3 Your message has too many recipients. For more information ...", "too_many_recipients"),
    ("rfc5321 many", "rcpt", "552 Too many recipients", "too_many_recipients"),
    ("exchange hard many", "rcpt", "550 5.5.3 RESOLVER.ADR.RecipLimit; too many recipients", "too_many_recipients"),
    # content
    ("postfix size", "mail", "552 5.3.4 Message size exceeds fixed limit", "content_refused"),
    ("exchange size", "body", "552 5.3.4 Message size exceeds fixed maximum message size", "content_refused"),
    ("size without a code", "body", "552 Message size limit exceeded", "content_refused"),
    (
        "google attachment",
        "body",
        "552 5.7.0 This message was blocked because its content presents a security issue",
        "content_refused",
    ),
    ("amavis", "body", "554 5.7.0 Reject, id=1 - BANNED: .exe", "content_refused"),
    ("clamav", "body", f"550 5.7.1 virus Eicar found in mail from <{SENDER}>", "content_refused"),
    ("rspamd", "body", "554 5.7.1 Spam message rejected", "content_refused"),
    ("exchange content filter", "body", "550 5.7.1 Message rejected as spam by Content Filtering.", "content_refused"),
    ("exchange conversion", "body", "554 5.6.0 Corrupt message content", "content_refused"),
    ("postfix header check", "body", "550 5.7.1 message content rejected", "content_refused"),
    # the rest
    ("spamhaus", "rcpt", "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", "permanent"),
    ("no service", "greeting", "554 No SMTP service here", "permanent"),
    ("helo", "ehlo", "550 Access denied - Invalid HELO name", "permanent"),
    ("no valid recipients", "data", "554 5.5.1 Error: no valid recipients", "permanent"),
    ("policy after the dot", "body", "554 Transaction failed. Reject due to policy restrictions.", "permanent"),
    ("unknown parameter", "mail", "555 5.5.4 Unsupported option: SMTPUTF8", "permanent"),
    ("local error", "body", "451 4.3.0 Error: queue file write error", "temporary"),
    ("greeting later", "greeting", "450 Try later", "retry"),
    ("enhanced before basic, softer", "body", "554 4.4.1 Connection to the next server timed out", "temporary"),
    ("enhanced before basic, harder", "rcpt", "450 5.1.1 User unknown", "recipient_refused"),
    ("enhanced of a success in an error", "rcpt", "550 2.0.0 No", "recipient_refused"),
]


@pytest.mark.parametrize(("phase", "said", "expected"), [row[1:] for row in SAID], ids=[row[0] for row in SAID])
def test_delivery_3_reply_is_classified(phase: str, said: str, expected: str) -> None:
    assert classify(Phase(phase), _reply(said), None, SENDER) == expected


def _reply(said: str) -> Reply:
    code, enhanced, text = re.fullmatch(r"(\d{3}) (?:(\d\.\d+\.\d+) )?(.*)", said, re.DOTALL).groups("")  # type: ignore[union-attr]
    return Reply(int(code), enhanced, text)


def test_delivery_3_table_has_at_least_sixty_sayings() -> None:
    assert len(SAID) >= 60


def test_delivery_3_553_names_nobody_is_a_recipients_matter() -> None:
    assert classify(Phase.RCPT, Reply(553, "5.7.1", "not here"), None, SENDER) is ReplyClass.RECIPIENT_REFUSED


def test_delivery_3_sender_unknown_never_counts_as_named() -> None:
    assert classify(Phase.RCPT, Reply(550, "5.7.1", "nothing said"), None, "") is ReplyClass.RECIPIENT_REFUSED


@pytest.mark.parametrize(
    ("phase", "trouble", "expected"),
    [
        ("resolve", "host_unknown", "host_unknown"),
        ("resolve", "dns_failure", "retry"),
        ("resolve", "host_not_allowed", "configuration"),
        ("connect", "refused", "retry"),
        ("connect", "timeout", "retry"),
        ("connect", "unreachable", "retry"),
        ("greeting", "not_smtp", "retry"),
        ("greeting", "closed_by_server", "retry"),
        ("ehlo", "starttls_missing", "tls_retry"),
        ("tls", "tls_version", "tls_retry"),
        ("tls", "certificate_expired", "tls_retry"),
        ("tls", "certificate_name", "tls_retry"),
        ("tls", "certificate_untrusted", "tls_retry"),
        ("tls", "closed_by_server", "tls_retry"),
        ("tls", "timeout", "retry"),
        ("auth", "auth_needs_tls", "configuration"),
        ("auth", "mechanism_missing", "configuration"),
        ("auth", "closed_by_server", "retry"),
        ("connect", "unsupported", "configuration"),
        ("mail", "too_large", "content_refused"),
        ("mail", "smtputf8_missing", "permanent"),
        ("mail", "closed_by_server", "lost_before_body"),
        ("rcpt", "timeout", "lost_before_body"),
        ("data", "closed_by_server", "lost_before_body"),
        ("body", "closed_by_server", "lost_in_body"),
        ("body", "timeout", "lost_in_body"),
        ("body", "not_smtp", "lost_in_body"),
        ("body", None, "lost_in_body"),
        ("rcpt", None, "lost_before_body"),
    ],
)
def test_delivery_3_trouble_decides_only_without_a_reply(phase: str, trouble: str | None, expected: str) -> None:
    kind = Trouble(trouble) if trouble else None
    assert classify(Phase(phase), None, kind) == expected
    assert classify(Phase.BODY, Reply(250), kind) is ReplyClass.ACCEPTED


@pytest.mark.parametrize("code", [0, 100, 354, 399, 600, 999])
def test_delivery_2_7_junk_after_the_dot_leaves_the_mail_unknown(code: int) -> None:
    assert classify(Phase.BODY, Reply(code, "", "what?"), None) is ReplyClass.LOST_IN_BODY


def test_delivery_3_every_saying_has_a_condition_beside_the_severity() -> None:
    for saying in (*PECULIARITIES, *SAYINGS):
        assert saying.codes or saying.enhanced or saying.text or saying.names_sender


def test_delivery_3_every_saying_of_somebody_has_its_source_and_every_source_a_saying() -> None:
    assert {saying.by for saying in (*PECULIARITIES, *SAYINGS)} - {""} == set(SOURCES)


def test_delivery_3_every_phase_and_trouble_has_a_class() -> None:
    for phase in Phase:
        for trouble in [*Trouble, None]:
            assert classify(phase, None, trouble) is not ReplyClass.ACCEPTED
