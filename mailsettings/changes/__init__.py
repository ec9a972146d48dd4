"""The only writer of settings: every change with its consequences (P3, P5, P6, C2, S3, S7, T2, U2), audited.

Forms, admin, API and import call it. A value that cannot be is `Refused`; what is allowed but unwise comes back as a warning.
"""

from mailsettings.changes.accounts import (
    STAGE_MOVED,
    move_stage,
    name_of_model,
    save_account,
    save_print_model,
    template_objections,
)
from mailsettings.changes.book import (
    POLICY_KEYS,
    Book,
    Objection,
    Owner,
    Record,
    Refused,
    Trust,
    after_tightening,
    audit,
    is_sensitive,
    own_values,
)
from mailsettings.changes.parameters import (
    clean_values,
    refuse_shared_identity,
    save_parameters,
    sender_from_employee,
    sync_sender,
)
from mailsettings.changes.people import (
    departures,
    moves_sender,
    refuse_deputy,
    refuse_losing_administrator,
    roles_at,
    save_appearance,
    save_employee,
    save_user,
    set_deputy,
    set_password,
)
from mailsettings.changes.secrets import forget_secret, save_secret, secret_fits, secrets_of, warn_of_stale_secrets
from mailsettings.changes.tenants import save_locks, save_tenant, warn_of_ignored
from mailsettings.changes.vanishing import (
    Lost,
    lost_senders,
    own_sender_of,
    refuse_own_sender,
    refuse_vanishing_address,
    say_lost,
)

__all__ = [
    "POLICY_KEYS",
    "STAGE_MOVED",
    "Book",
    "Lost",
    "Objection",
    "Owner",
    "Record",
    "Refused",
    "Trust",
    "after_tightening",
    "audit",
    "clean_values",
    "departures",
    "forget_secret",
    "is_sensitive",
    "lost_senders",
    "move_stage",
    "moves_sender",
    "name_of_model",
    "own_sender_of",
    "own_values",
    "refuse_deputy",
    "refuse_losing_administrator",
    "refuse_own_sender",
    "refuse_shared_identity",
    "refuse_vanishing_address",
    "roles_at",
    "save_account",
    "save_appearance",
    "save_employee",
    "save_locks",
    "save_parameters",
    "save_print_model",
    "save_secret",
    "save_tenant",
    "save_user",
    "say_lost",
    "secret_fits",
    "secrets_of",
    "sender_from_employee",
    "set_deputy",
    "set_password",
    "sync_sender",
    "template_objections",
    "warn_of_ignored",
    "warn_of_stale_secrets",
]
