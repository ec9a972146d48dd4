"""D3: every cause, every registered code and every provider's saying has words, somebody who acts, and a source."""

import pytest
from django.utils import translation

from mailjobs.catalogue import CAUSES, ENHANCED, REPLIES, SAYINGS, explain, said_by
from mailjobs.core.envelope import Reply
from mailjobs.core.status_codes import STATUS_CODES
from mailjobs.remedies import remedy_for

WHO = {"you", "administrator", "provider", "recipient", "operator"}
CONTRACT = [
    "no_server",
    "secret_needed",
    "host_not_allowed",
    "libraries_missing",
    "shared_identity",
    "no_sender",
    "check_sender",
    "address_invalid",
    "redirected",
    "host_unknown",
    "dns_failure",
    "refused",
    "timeout",
    "unreachable",
    "not_smtp",
    "greeting_refused",
    "bad_reply",
    "starttls_missing",
    "tls_version",
    "certificate_expired",
    "certificate_name",
    "certificate_untrusted",
    "auth_needs_tls",
    "mechanism_missing",
    "wrong_credentials",
    "account_locked",
    "basic_auth_disabled",
    "no_ticket",
    "clock_skew",
    "token_expired",
    "token_refused",
    "sender_refused",
    "recipient_refused",
    "greylisted",
    "relay_denied",
    "mailbox_full",
    "too_many_recipients",
    "too_large",
    "no_worker",
    "login_paused",
    "quota",
    "rate_limited",
    "no_reply",
    "closed_by_server",
    "spf",
    "dkim",
    "dmarc",
    "mx",
    "other",
]

# What servers say → whose saying it is. Each saying of the catalogue stands here once at least.
SAID = """
535 5.7.30 Basic authentication is not supported for Client Submission|online_basic_off
535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant|online_smtp_off_tenant
535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox|online_smtp_off_mailbox
535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy|online_security_defaults
535 5.7.139 Authentication unsuccessful, the request did not pass all criteria|online_security_defaults
535 5.7.139 Authentication unsuccessful, account is locked|online_locked
535 5.7.139 Authentication unsuccessful, the user credentials were incorrect|online_wrong_password
530 5.7.57 Client not authenticated to send mail|online_not_authenticated
550 5.7.64 TenantAttribution; Relay Access Denied|online_relay_attribution
554 5.2.252 SendAsDenied; anna not allowed to send as office|online_send_as
550 5.7.60 SMTP; Client does not have permissions to send as this sender|send_as_denied
550 5.7.1 Client does not have permissions to send as this sender|send_as_denied_old
550 5.7.1 Anonymous client does not have permissions to send as this sender|anonymous_send_as
554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException|online_daily_quota
550 5.7.233 exceeded tenant external recipient rate|online_tenant_external
432 4.3.2 Concurrent connections limit exceeded|online_concurrent
451 4.7.0 submission rate limit of 30 per minute|online_per_minute
550 5.1.8 Access denied, bad outbound sender|online_outbound_spam
550 5.7.705 Access denied, tenant has exceeded threshold|online_tenant_threshold
550 5.7.606 Access denied, banned sending IP [192.0.2.1]|online_ip_blocked
451 4.7.650 The mail server has been temporarily rate limited|online_ip_slowed
550 5.7.509 Access denied, sending domain does not pass DMARC verification|online_dmarc
550 5.4.1 Recipient address rejected: Access denied|online_recipient_unknown
550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup|recipient_restricted
550 5.7.1 RESOLVER.RST.NotAuthorized; not authorized|recipient_restricted_old
550 5.2.122 recipient has exceeded their limit|recipient_rate
550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain|unable_to_relay
452 4.3.1 Insufficient system resources|back_pressure
421 4.4.2 Message submission rate for this client has exceeded the configured limit|house_message_rate
421 4.7.0 Too many errors on this connection, closing transmission channel|house_too_many_errors
552 5.3.4 Message size exceeds fixed maximum message size|house_too_large
554 5.2.2 STOREDRV.Submit.Exception:QuotaExceededException|sender_mailbox_full
535 5.7.3 Authentication unsuccessful|house_ntlm
500 HTTP EWS ErrorSendAsDenied|ews_send_as
500 HTTP EWS ErrorAccessDenied|ews_access
500 HTTP EWS ErrorNonExistentMailbox|ews_mailbox
500 HTTP EWS ErrorServerBusy|ews_busy
500 HTTP EWS ErrorExceededMessageLimit|ews_quota
500 HTTP EWS ErrorMessageSizeExceeded|ews_size
500 HTTP EWS ErrorInvalidRecipients|ews_recipients
429 HTTP ApplicationThrottled|graph_throttled
403 HTTP ErrorSendAsDenied|graph_send_as
403 HTTP ErrorAccessDenied|graph_permission
404 HTTP ErrorInvalidUser|graph_mailbox
401 HTTP InvalidAuthenticationToken|graph_token
534 5.7.9 Application-specific password required|google_app_password
534 5.7.14 Please log in via your web browser and then try again|google_web_login
535 5.7.8 Username and Password not accepted|google_credentials
550 5.4.5 Daily user sending limit exceeded|google_daily
450 4.2.1 Peak SMTP relay limit exceeded for customer|google_relay_peak
550 5.7.1 Mail relay denied [192.0.2.1]|google_relay_denied
550 5.7.26 Unauthenticated email from kanzlei.example is not accepted|google_unauthenticated
421 4.7.28 unusual rate of unsolicited mail from your SPF domain|google_suspicious_rate
550 5.1.1 The email account that you tried to reach does not exist|google_unknown
550 5.2.1 The email account that you tried to reach is disabled|google_inactive
552 5.2.2 The recipient's inbox is out of storage space|google_full
554 No SMTP service IP address is block listed|united_blocked
550 Reject due to SPF policy|united_spf
421 Reject due to policy violations|united_policy
554 Transaction failed Reject due to policy restrictions|united_policy_hard
421 Rate limit reached. Please try again later|united_rate
554 Bad DNS PTR resource record|united_dns
535 Authentication credentials invalid|ionos_login
550 Requested action not taken: mailbox unavailable|ionos_unavailable
550 Quota exceeded|ionos_quota
451 Requested action aborted: local error in processing|ionos_local
550 5.7.1 Refused by local policy. No SPAM please! (B-URL)|strato_spam
554 5.7.1 Suspected phishing attempt|strato_phishing
550 sorry, no mailbox here by that name|strato_unknown
552 5.2.2 User has exhausted allowed storage space|strato_full
554 IP=192.0.2.1 - A problem occurred. (BL)|t_online_reputation
554 Dialup/transient IP not allowed. (DIAL)|t_online_dialup
552 Message exceeds maximum allowed size|a1_size
450 damit das Limit von 30 Mails pro Stunde|livedesign_hourly
450 4.7.1 message count quota exceeded|adit_count
451 The limit on the number of allowed outgoing messages was exceeded|plesk_limit
571 5.7.1 message classified as spam|bytecamp_spam
450 4.7.1 Docking request denied, you have been greylisted|mittwald_greylisted
553 5.7.1 <a@x.example>: Sender address rejected: not owned by user anna|postfix_not_owned
553 5.7.1 <a@x.example>: Sender address rejected: not logged in|postfix_not_logged_in
450 4.1.8 <a@x.example>: Sender address rejected: Domain not found|postfix_sender_domain
554 5.7.1 <b@y.example>: Relay access denied|postfix_relay
550 5.1.1 <b@y.example>: Recipient address rejected: User unknown in local recipient table|postfix_unknown
450 4.2.0 <b@y.example>: Recipient address rejected: Greylisted|postfix_greylisted
450 4.7.25 Client host rejected: cannot find your hostname|postfix_no_hostname
550 5.7.1 <pc>: Helo command rejected: need fully-qualified hostname|postfix_helo
554 5.7.1 <x[192.0.2.1]>: Client host rejected: Access denied|postfix_client_denied
552 5.3.4 Message size exceeds fixed limit|postfix_size
421 4.7.0 Error: too many connections from 192.0.2.1|postfix_connections
452 4.5.3 Error: too many recipients|postfix_recipients
452 4.3.1 Insufficient system storage|postfix_queue_space
535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6|postfix_sasl
454 4.7.0 Temporary authentication failure: Connection lost|postfix_sasl_down
530 5.7.0 Must issue a STARTTLS command first|postfix_starttls
550 relay not permitted|exim_relay
550 Sender verify failed|exim_sender_verify
451 Could not complete sender verify|exim_sender_later
550 Unrouteable address|exim_unrouteable
535 Incorrect authentication data|exim_login
550 Domain x.example has exceeded the max emails per hour (50/50 (100%)) allowed|exim_hourly
554 SMTP synchronization error|exim_protocol
554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org|spamhaus_policy
554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using ix.dnsbl.manitu.net|block_list
"""
ROWS = [tuple(line.rsplit("|", 1)) for line in SAID.strip().splitlines()]


def test_d3_each_cause_of_the_contract_has_words() -> None:
    for cause in CONTRACT:
        found = explain(cause, None)
        assert found.cause == cause, cause
        assert found.who in WHO, cause
        assert str(found.meaning), cause
        assert str(found.remedy), cause


def test_d3_each_registered_code_has_words_and_no_others() -> None:
    assert {row.code for row in STATUS_CODES} == set(ENHANCED)
    for code in ENHANCED:
        for severity in "45":
            found = explain(None, Reply(int(severity) * 100 + 50, f"{severity}.{code}", "no words that anybody knows"))
            assert found.who in WHO, code
            assert str(found.meaning), code
            assert str(found.remedy), code
            assert found.source.startswith("https://"), code
    for reply in REPLIES:
        found = explain(None, Reply(reply, "", "no words that anybody knows"))
        assert str(found.meaning), reply
        assert str(found.remedy), reply
        assert found.source.startswith("https://"), reply
        assert (found.who in WHO) == (reply >= 400), reply


@pytest.mark.parametrize(("said", "key"), ROWS, ids=[key for _said, key in ROWS])
def test_d3_what_a_provider_says_is_recognised(said: str, key: str) -> None:
    reply = Reply(int(said[:3]), *_split(said[4:]))
    systems = {"ews": 7, "graph": 11}
    saying = said_by(reply, systems.get(key.partition("_")[0], 1))
    assert saying is not None
    assert saying.key == key
    found = explain(None, said, systems.get(key.partition("_")[0], 1))
    assert found.who in WHO
    assert found.cause in CAUSES
    assert found.source.startswith("https://")


def test_d3_there_are_sixty_sayings_at_least_and_each_has_been_tried() -> None:
    assert len({saying.key for saying in SAYINGS}) == len(SAYINGS) >= 60
    assert {key for _said, key in ROWS} == {saying.key for saying in SAYINGS}
    assert {saying.provider for saying in SAYINGS} >= {"Exchange", "Exchange Online", "Google", "Postfix", "Exim", "GMX", "A1"}


def test_d3_what_nobody_knows_falls_back_to_the_code_and_never_to_nothing() -> None:
    assert explain(None, "550 5.1.1 what was never said").meaning == ENHANCED["1.1"][1]
    assert explain(None, "552 what was never said").meaning == REPLIES[552][1]
    assert explain(None, "577 5.9.9 what was never said").meaning == "The server refuses for good."
    assert explain(None, "460 what was never said").meaning == "The server refuses for now."
    for odd in ("", "no code at all", "999", "5", None):
        found = explain(None, odd)
        assert str(found.meaning)
        assert str(found.remedy)
        assert found.who in WHO


def test_d3_a_code_that_others_use_too_is_no_provider_s_saying() -> None:
    for said, meaning in {
        "550 5.4.5 system congested": ENHANCED["4.5"][1],
        "550 5.1.10 domain takes no mail": ENHANCED["1.10"][1],
        "535 5.7.13 account disabled": ENHANCED["7.13"][1],
        "535 5.7.12 password transition needed": ENHANCED["7.12"][1],
    }.items():
        assert explain(None, said, 1).meaning == meaning, said


def test_d3_a_saying_of_a_web_service_counts_for_it_alone() -> None:
    assert said_by(Reply(404, "", "not here"), 11)
    assert said_by(Reply(404, "", "not here"), 1) is None
    assert said_by(Reply(500, "", "HTTP EWS ErrorSendAsDenied"), 1) is None


def test_d3_the_cause_that_is_known_stays_and_a_saying_gives_the_words() -> None:
    found = explain("wrong_credentials", "535 5.7.8 Username and Password not accepted")
    assert found.cause == "wrong_credentials"
    assert "app password" in str(found.remedy)
    assert explain("greylisted", "450 4.2.0 something").meaning == CAUSES["greylisted"].meaning
    assert "tries again by itself" in str(explain(None, "450 4.1.1 something").remedy)


def test_d3_pages_of_failed_mails_say_the_same() -> None:
    error = "550 5.7.60 SMTP; Client does not have permissions to send as this sender"
    remedy = remedy_for(error, state="failed")
    assert remedy is not None
    assert str(explain(None, error).remedy) in str(remedy.text)
    with translation.override("de"):
        assert "Add-RecipientPermission" in str(remedy.text)


def _split(text: str) -> tuple[str, str]:
    first, _space, rest = text.partition(" ")
    return (first, rest) if first[:2] in {"4.", "5."} else ("", text)
