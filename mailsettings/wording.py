"""Words for what the core decides: people's text for codes, in the reader's language."""

from django.utils.translation import gettext_lazy, pgettext_lazy

from mailsettings.core.addresses import Fault
from mailsettings.core.parameters import Group, ParameterInvalid
from mailsettings.core.sender import Reason, SenderLevel, SenderRefusal, StepOutcome

LEVEL_LABELS = {
    SenderLevel.PRINT_MODEL_USER_ACCOUNT: gettext_lazy("Account of the user for this print model"),
    SenderLevel.PRINT_MODEL_ACCOUNT: gettext_lazy("Account of the print model"),
    SenderLevel.USER_ACCOUNT: gettext_lazy("E-mail account of the user"),
    SenderLevel.FORCED_SENDER: gettext_lazy("Always use sender address"),
    SenderLevel.CONTEXT_SENDER: gettext_lazy("Address passed by the program"),
    SenderLevel.USER_PARAMETERS: gettext_lazy("Own settings of the user"),
    SenderLevel.COM_PARAMETERS: gettext_lazy("General settings of the Com customer"),
    SenderLevel.FIRM_PARAMETERS: gettext_lazy("General settings of the firm"),
    SenderLevel.LOCAL_CLIENT: gettext_lazy("Local mail client"),
}
OUTCOME_LABELS = {
    StepOutcome.USED: pgettext_lazy("level of the sender", "used"),
    StepOutcome.OVERRIDDEN: pgettext_lazy("level of the sender", "overridden"),
    StepOutcome.ABSENT: pgettext_lazy("level of the sender", "nothing there"),
    StepOutcome.NOT_AVAILABLE: pgettext_lazy("level of the sender", "not available"),
}
REASONS = {
    Reason.FIRST_WITH_ADDRESS: gettext_lazy("This is the first level that yields an address."),
    Reason.LAST_RESORT: gettext_lazy("No level before yields an address, so the mail client decides."),
    Reason.EARLIER_LEVEL_WON: gettext_lazy("An earlier level already yielded an address."),
    Reason.NO_PRINT_MODEL: gettext_lazy("No print model is used."),
    Reason.NO_OWN_ACCOUNT_HERE: gettext_lazy("The user has no account of their own for this print model."),
    Reason.NO_ACCOUNT_NAMED: gettext_lazy("The print model names no account."),
    Reason.ACCOUNT_RETIRED: gettext_lazy("The account is deactivated."),
    Reason.NO_USER_ACCOUNT: gettext_lazy("No e-mail account belongs to this user."),
    Reason.NOT_FORCED: gettext_lazy("“Always use sender address” is off."),
    Reason.FORCED_WITHOUT_ADDRESS: gettext_lazy("“Always use sender address” is on, but no level has a sender address."),
    Reason.NOTHING_PASSED: gettext_lazy("The program passes no sender address."),
    Reason.NO_EMPLOYEE: gettext_lazy(
        "The program asks for the employee's address, but no active employee is linked to this user."
    ),
    Reason.EMPLOYEE_WITHOUT_EMAIL: gettext_lazy("The program asks for the employee's address, but the employee has no e-mail."),
    Reason.NOT_SET: gettext_lazy("No sender address is set here."),
    Reason.LOCKED: gettext_lazy("The sender address set here is ignored, because a level above has locked it."),
    Reason.NOT_AT_A_FIRM: gettext_lazy("The user belongs to a firm, not to a Com customer."),
    Reason.UNATTENDED: gettext_lazy("Unattended mail never goes through a mail client."),
    Reason.MODE_FORBIDS_CLIENT: gettext_lazy("The delivery mode of the print model never uses the mail client."),
}
SENDER_REFUSALS = {
    SenderRefusal.ADDRESS_INVALID: gettext_lazy("Refused: this is no valid address (rule P7)."),
    SenderRefusal.FOREIGN_ADDRESS: gettext_lazy("Refused: the address belongs to another tenant (rule P8)."),
    SenderRefusal.ADDRESS_UNCONFIRMED: gettext_lazy("Refused: the address has not been confirmed yet (rule T4)."),
    SenderRefusal.CHECK_SENDER_NO_EMPLOYEE: gettext_lazy(
        "Refused: “Check sender” is on, and no active employee is linked (rule C1)."
    ),
    SenderRefusal.CHECK_SENDER_NOT_ON_EMPLOYEE: gettext_lazy(
        "Refused: “Check sender” is on, and the employee has no such address (rule C1)."
    ),
}
ADDRESS_FAULTS = {
    Fault.EMPTY: gettext_lazy("The address is empty. Give one in the form user@domain or Name <user@domain>."),
    Fault.CONTROL_CHARACTER: gettext_lazy(
        "The address contains a line break or another character that cannot be seen. Type it instead of pasting it."
    ),
    Fault.NO_AT: gettext_lazy("An address has the form user@domain or Name <user@domain>. Give it with its @."),
    Fault.SYNTAX: gettext_lazy("Give exactly one address in the form user@domain or Name <user@domain>."),
    Fault.LOCAL_PART: gettext_lazy(
        "The part before the @ is not valid: use letters, digits and signs such as - and _, and single dots only between them."
    ),
    Fault.ROUTE: gettext_lazy(
        "The part before the @ leads on to another mailbox (“%” or “!” and a name). Give the address of that mailbox itself."
    ),
    Fault.LOCAL_NOT_ASCII: gettext_lazy(
        "The part before the @ of a sender or reply address may only have letters without accents, digits and signs; "
        "write it without umlauts."
    ),
    Fault.DOMAIN: gettext_lazy("The domain after the @ is not valid. Write it as in example.com, without a dot at its end."),
    Fault.SINGLE_LABEL: gettext_lazy("The domain after the @ needs at least one dot, as in example.com."),
    Fault.LOOK_ALIKE: gettext_lazy(
        "The address contains characters that stand for others, or mixes alphabets. Type it instead of pasting it, in small "
        "letters."
    ),
    Fault.TOO_LONG: gettext_lazy("The address is too long: it may have 64 characters before the @ and 254 altogether."),
    Fault.NAME_HAS_AT: gettext_lazy("The name before the address must not contain an @; give only the name."),
    Fault.NAME_NEEDS_QUOTES: gettext_lazy(
        'Put a name with a comma or another special sign into quotes: "Huber, Anna" <anna@example.com>.'
    ),
    Fault.NAME_TOO_LONG: gettext_lazy(
        "The name before the address is too long: it may take 75 characters in the mail, and umlauts and signs take several. "
        "Shorten it."
    ),
    Fault.NAME_UNREADABLE: gettext_lazy("The name before the address has characters that cannot be read. Type it again."),
}
GROUP_LABELS = {
    Group.CONNECTION: gettext_lazy("Mail server"),
    Group.SENDER: gettext_lazy("Sender"),
    Group.REDIRECT: gettext_lazy("Redirect mode"),
    Group.EXCHANGE: gettext_lazy("Communication system (Exchange)"),
    Group.OAUTH: gettext_lazy("OAuth 2.0 and Microsoft Graph"),
    Group.LIMITS: gettext_lazy("Limits"),
    Group.KEEPING: gettext_lazy("Logging and keeping"),
}
PARAMETER_LABELS = {
    "smtp_server": gettext_lazy("SMTP server"),
    "smtp_port": gettext_lazy("SMTP port"),
    "smtp_tls": gettext_lazy("TLS"),
    "smtp_tls_min": gettext_lazy("Minimum TLS version"),
    "smtp_user": gettext_lazy("Default user for SMTP"),
    "smtp_password": gettext_lazy("SMTP password"),
    "allow_plain_auth": gettext_lazy("Allow log-in without TLS"),
    "ca_certificate": gettext_lazy("Own CA certificate"),
    "client_certificate": gettext_lazy("Client certificate"),
    "client_key": gettext_lazy("Key of the client certificate"),
    "send_system": gettext_lazy("SMTP mail send system"),
    "confirm_shared_identity": gettext_lazy("Shared identity confirmed"),
    "imap_server": gettext_lazy("IMAP server"),
    "imap_port": gettext_lazy("IMAP port"),
    "imap_tls": gettext_lazy("TLS of the IMAP server"),
    "imap_user": gettext_lazy("User for IMAP"),
    "imap_password": gettext_lazy("IMAP password"),
    "read_bounces": gettext_lazy("Read bounces"),
    "bounce_folder": gettext_lazy("Folder of the bounces"),
    "send_option": gettext_lazy("SMTP send option"),
    "sender_address": gettext_lazy("Sender address"),
    "always_use_sender_address": gettext_lazy("Always use sender address"),
    "check_sender": gettext_lazy("Check sender"),
    "update_sender_from_employee": gettext_lazy("Update default e-mail sender address"),
    "redirect_enabled": gettext_lazy("Activate redirect mode"),
    "redirect_addresses": gettext_lazy("Redirect address(es)"),
    "redirect_capture_only": gettext_lazy("Capture only"),
    "ews_url": gettext_lazy("EWS address"),
    "ews_auth": gettext_lazy("EWS authentication"),
    "ews_version": gettext_lazy("Exchange version"),
    "sent_copy": gettext_lazy("Copy in Sent Items"),
    "ntlm_domain": gettext_lazy("NTLM domain"),
    "oauth_authority": gettext_lazy("OAuth authority"),
    "oauth_tenant": gettext_lazy("OAuth tenant"),
    "oauth_client_id": gettext_lazy("OAuth client ID"),
    "oauth_client_secret": gettext_lazy("OAuth client secret"),
    "oauth_secret_expires": gettext_lazy("OAuth client secret ends on"),
    "graph_url": gettext_lazy("Graph address"),
    "max_connections": gettext_lazy("Connections at once"),
    "per_minute": gettext_lazy("Mails per minute"),
    "per_day": gettext_lazy("Recipients per day"),
    "unknown_policy": gettext_lazy("When the outcome is uncertain"),
    "give_up_hours": gettext_lazy("Give up after (hours)"),
    "log_background_sends": gettext_lazy("Log the sending of e-mails in the background"),
    "retention_days": gettext_lazy("Keep bodies for (days)"),
    "allowed_networks": gettext_lazy("Allowed private networks"),
}
SEND_SYSTEM_LABELS = {
    0: gettext_lazy("0 – Directly over the mail server with user credentials"),
    1: gettext_lazy("1 – Asynchronously over the mail service with user credentials"),
    2: gettext_lazy("2 – Directly over the mail server with DefaultNetworkCredentials"),
    3: gettext_lazy("3 – Asynchronously over the mail service with DefaultNetworkCredentials"),
    4: gettext_lazy("4 – Directly over the mail server with NTLM authentication"),
    5: gettext_lazy("5 – Asynchronously over the mail service with NTLM authentication"),
    6: gettext_lazy("6 – Directly over EWS with user credentials for Exchange"),
    7: gettext_lazy("7 – Asynchronously over EWS with user credentials for Exchange"),
    8: gettext_lazy("8 – Directly over the mail server with OAuth 2.0"),
    9: gettext_lazy("9 – Asynchronously over the mail service with OAuth 2.0"),
    10: gettext_lazy("10 – Directly over Microsoft Graph"),
    11: gettext_lazy("11 – Asynchronously over Microsoft Graph"),
}
CHOICE_LABELS = {
    ("smtp_tls", "off"): gettext_lazy("Off"),
    ("smtp_tls", "starttls"): gettext_lazy("STARTTLS required"),
    ("smtp_tls", "implicit"): gettext_lazy("Implicit TLS"),
    ("imap_tls", "off"): gettext_lazy("Off"),
    ("imap_tls", "starttls"): gettext_lazy("STARTTLS required"),
    ("imap_tls", "implicit"): gettext_lazy("Implicit TLS"),
    ("smtp_tls_min", "1.2"): gettext_lazy("TLS 1.2"),
    ("smtp_tls_min", "1.3"): gettext_lazy("TLS 1.3"),
    ("send_option", "smtp"): gettext_lazy("SMTP"),
    ("send_option", "client"): gettext_lazy("Mail client"),
    ("ews_auth", "basic"): gettext_lazy("User and password"),
    ("ews_auth", "ntlm"): gettext_lazy("NTLM"),
    ("ews_auth", "oauth2"): gettext_lazy("OAuth 2.0"),
    ("unknown_policy", "ask"): gettext_lazy("Ask"),
    ("unknown_policy", "resend"): gettext_lazy("Send again"),
    ("unknown_policy", "assume_sent"): gettext_lazy("Take it as sent"),
}
_PARAMETER_FAULTS = {
    "unknown_parameter": gettext_lazy("There is no such parameter."),
    "not_a_switch": gettext_lazy("The value must be true or false."),
    "not_a_number": gettext_lazy("The value must be a whole number."),
    "out_of_range": gettext_lazy("The number must be within %(detail)s."),
    "not_a_list": gettext_lazy("The value must be a list of texts."),
    "not_a_text": gettext_lazy("The value must be a text."),
    "too_long": gettext_lazy("The value is too long."),
    "control_character": gettext_lazy("The value contains a line break or another control character."),
    "not_a_choice": gettext_lazy("The value must be one of: %(detail)s."),
    "not_a_date": gettext_lazy("The value must be a date as 2027-03-31."),
    "not_a_host": gettext_lazy("The value must be the name or the IP address of a server, without port or scheme."),
    "not_a_certificate": gettext_lazy("The value must be a certificate in PEM form."),
    "firm_only": gettext_lazy("Only a firm can set this parameter."),
    "not_for_accounts": gettext_lazy("An e-mail account has no such parameter."),
}


def say_parameter_fault(invalid: ParameterInvalid) -> str:
    """What is wrong with a parameter's value, and what would do."""
    if invalid.code == "address_invalid":
        return say_address_fault(invalid.detail)
    return str(_PARAMETER_FAULTS[invalid.code]) % {"detail": invalid.detail}


def say_address_fault(code: str) -> str:
    """What is wrong with an address."""
    return str(ADDRESS_FAULTS[Fault(code)])
