"""Which step fails where a mail may not go out at all, before any server is asked."""

from collections.abc import Mapping
from types import MappingProxyType

from diagnostics.core.findings import Cause, Step
from mailjobs.core.plan import Refusal

REFUSED: Mapping[Refusal, tuple[Step, Cause]] = MappingProxyType(
    {
        Refusal.USER_INACTIVE: (Step.CONFIGURATION, Cause.USER_INACTIVE),
        Refusal.PRINT_MODEL_UNKNOWN: (Step.CONFIGURATION, Cause.PRINT_MODEL_UNKNOWN),
        Refusal.NO_CONNECTION: (Step.CONFIGURATION, Cause.NO_SERVER),
        Refusal.SHARED_IDENTITY: (Step.CONFIGURATION, Cause.SHARED_IDENTITY),
        Refusal.SECRET_NEEDED: (Step.CONFIGURATION, Cause.SECRET_NEEDED),
        Refusal.HOST_NOT_ALLOWED: (Step.CONFIGURATION, Cause.HOST_NOT_ALLOWED),
        Refusal.VARIABLE_MISSING: (Step.CONFIGURATION, Cause.OTHER),
        Refusal.NO_SENDER: (Step.SENDER, Cause.NO_SENDER),
        Refusal.ADDRESS_INVALID: (Step.SENDER, Cause.ADDRESS_INVALID),
        Refusal.FOREIGN_ADDRESS: (Step.SENDER, Cause.FOREIGN_ADDRESS),
        Refusal.ADDRESS_UNCONFIRMED: (Step.SENDER, Cause.FOREIGN_ADDRESS),
        Refusal.CHECK_SENDER_NO_EMPLOYEE: (Step.SENDER, Cause.CHECK_SENDER),
        Refusal.CHECK_SENDER_NOT_ON_EMPLOYEE: (Step.SENDER, Cause.CHECK_SENDER),
        Refusal.REDIRECT_UNREADABLE: (Step.REDIRECT, Cause.REDIRECT_UNREADABLE),
    }
)
