"""One sentence of help for each parameter, and the recommendation behind it (S3, S4)."""

from django.utils.translation import gettext_lazy as _

PARAMETER_HELP = {
    "smtp_server": _("Name of the mail server, for example smtp.office365.com. Outlook shows it under File, Account settings."),
    "smtp_port": _("Empty: 587 with STARTTLS, 465 with implicit TLS, 25 without TLS."),
    "smtp_tls": _("How the connection is encrypted. It never falls back to plain text."),
    "smtp_tls_min": _("Older versions are refused."),
    "smtp_user": _("User name or mail address for the log-in at the mail server. Empty: no log-in."),
    "smtp_password": _("Is stored sealed to server, port, TLS and user, and is never shown again."),
    "allow_plain_auth": _("Only for a server inside your own network that offers no TLS."),
    "ca_certificate": _("In PEM form, where the server's certificate comes from an authority of your own."),
    "send_system": _("How and with whose log-in mail is handed over to the mail server."),
    "confirm_shared_identity": _(
        "With this setting any employee can send with any sender address, the managing director's included."
    ),
    "imap_server": _("For drafts and copies in the mailbox."),
    "send_option": _("Whether mail goes out by SMTP or through your own mail client, where a server is set."),
    "sender_address": _("In the form name@example.com or Name <name@example.com>."),
    "always_use_sender_address": _(
        "Overrides the address that a program passes, but never an e-mail account. Usually not recommended."
    ),
    "check_sender": _("Users may send only with addresses that stand at their linked employee."),
    "update_sender_from_employee": _("The employee's e-mail becomes the linked user's own sender address."),
    "redirect_enabled": _("All mail goes to the redirect addresses only; Cc and Bcc are dropped."),
    "redirect_addresses": _("One address a line. Without one, mail goes to USER@test-dummy.at."),
    "redirect_capture_only": _("Send nothing at all and keep the mails to look at."),
    "ews_url": _("Address of the Exchange web services, for example https://mail.example.com/EWS/Exchange.asmx."),
    "ews_auth": _("How the log-in at Exchange works."),
    "ews_version": _("Only where Exchange does not tell its version itself."),
    "ntlm_domain": _("The Windows domain for NTLM."),
    "oauth_authority": _("Empty: Microsoft's public cloud."),
    "oauth_tenant": _("The directory (tenant) ID of the registered application."),
    "oauth_client_id": _("The application (client) ID."),
    "oauth_client_secret": _("Is stored sealed and never shown again."),
    "graph_url": _("Empty: Microsoft's public cloud."),
    "max_connections": _("How many connections may be open to this login at once. Empty: 3."),
    "per_minute": _("How many mails a minute the server takes."),
    "per_day": _("How many recipients a day the server takes."),
    "unknown_policy": _("What happens to a mail when the server's last answer got lost."),
    "give_up_hours": _("How long a temporary refusal is tried again."),
    "log_background_sends": _("Keep body and dialogue of mails sent in the background."),
    "retention_days": _("After that, bodies and attachments are erased. Mind the legal duty to keep business records elsewhere."),
    "allowed_networks": _("Private networks your servers may be in, one a line, for example 10.1.0.0/16."),
}
PARAMETER_MORE = {
    "send_system": _(
        "Recommended: Exchange in the house: 2, with “Check sender” on; otherwise 0. Com users, mass mail and "
        "performance problems: 1. Microsoft 365: 9 or 11, since log-in with user and password ends there. Systems 2 to 5 with the "
        "identity of the service let every employee send as anyone."
    ),
    "redirect_enabled": _("Recommended while you are still testing with real data."),
    "sender_address": _("Set it for each user, and a general one as the last fallback."),
}
