"""The classes into which the delivery contract sorts what servers say (delivery contract 3)."""

from enum import StrEnum


class ReplyClass(StrEnum):
    """What a reply, or its absence, means for the mail."""

    ACCEPTED = "accepted"
    RETRY = "retry"  # not reached: name service, connection, greeting
    HOST_UNKNOWN = "host_unknown"  # NXDOMAIN
    TLS_RETRY = "tls_retry"
    LOGIN_REFUSED = "login_refused"
    IDENTITY_MISSING = "identity_missing"  # the process's own is not there for now; no account can be locked by trying again
    SENDER_REFUSED = "sender_refused"  # no recipient is bad
    RECIPIENT_REFUSED = "recipient_refused"
    TOO_MANY_RECIPIENTS = "too_many_recipients"  # the rest in a mail of its own
    CONTENT_REFUSED = "content_refused"  # size too
    GREYLISTED = "greylisted"
    THROTTLED = "throttled"  # the connection waits
    QUOTA = "quota"  # the same, of a day's or hour's allowance
    TEMPORARY = "temporary"
    PERMANENT = "permanent"
    LOST_BEFORE_BODY = "lost_before_body"  # nothing was handed over
    LOST_IN_BODY = "lost_in_body"  # nobody knows
    CONFIGURATION = "configuration"  # trying again is useless until somebody changes a setting
