"""One thing that a provider's server says in its own way."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProviderSaying:
    """All conditions that are given must hold: reply codes, enhanced codes (as in `core.sayings`), words, send systems.

    `cause` and `who` as the contract has them; `meaning` and `remedy` are lazy texts, `source` the provider's public page.
    """

    key: str
    provider: str
    cause: str
    who: str
    meaning: object
    remedy: object
    source: str
    codes: frozenset[int] = frozenset()
    enhanced: tuple[str, ...] = ()
    text: re.Pattern[str] | None = None
    systems: frozenset[int] = frozenset()


def words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


ADMIN, PROVIDER, RECIPIENT, OPERATOR, YOU = "administrator", "provider", "recipient", "operator", "you"
EWS, GRAPH = frozenset({6, 7}), frozenset({10, 11})
