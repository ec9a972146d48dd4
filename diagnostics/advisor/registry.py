"""One check: a code, how grave, why, where it is changed, and a function that finds it; registered by decorating the function."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from diagnostics.advisor.ground import Ground
from mailsettings.changes import Book
from mailsettings.core.parameters import ParameterLevel
from mailsettings.models import EmailAccount, User


class Severity(StrEnum):
    """How grave, gravest first."""

    ERROR = "error"  # mail does not go out, or not where it should
    WARNING = "warning"  # it goes out, but somebody will be sorry
    HINT = "hint"  # something is left over


@dataclass(frozen=True, slots=True)
class Place:
    """Whom or what it concerns, and the page where that is changed (URL name, primary key, and before it the kind, where the
    page has kinds), where it is not the check's.
    """

    name: str
    page: str = ""
    pk: int | None = None
    kind: str = ""


Finder = Callable[[Ground], Iterable[Place]]
Fixer = Callable[[Book, Ground], None]


@dataclass(frozen=True, slots=True)
class Check:
    """`title`: what is wrong; `why`: what may come of it and what to do; `page`: the URL name of where it is changed."""

    code: str
    severity: Severity
    title: object
    why: object
    page: str
    find: Finder
    fix: Fixer | None = None
    fix_label: object = ""


CHECKS: dict[str, Check] = {}


def check(
    code: str, severity: Severity, title: object, why: object, page: str, *, fix: Fixer | None = None, fix_label: object = ""
) -> Callable[[Finder], Finder]:
    """Register a function as the check of this code; `fix`: what one click does, only where that can do no harm."""

    def register(find: Finder) -> Finder:
        if code in CHECKS:
            raise ValueError(f"two checks are called {code}")
        CHECKS[code] = Check(code, severity, title, why, page, find, fix, fix_label)
        return find

    return register


def of_users(users: Iterable[User]) -> list[Place]:
    return [Place(f"{user.name} ({user.login})", "user", user.pk) for user in users]


def of_sources(ground: Ground, sources: Iterable[tuple[str, str]]) -> list[Place]:
    """Where the connections of these levels stand."""
    accounts = {account.slug: account for account in ground.accounts}
    users = {user.login: user for user in ground.users}
    found = []
    for level, source in sources:
        if level == ParameterLevel.USER and source in users:
            found += of_users([users[source]])
        elif level not in set(ParameterLevel) and source in accounts:
            found.append(of_account(source, accounts[source]))
        else:
            found.append(Place(ground.tenant.name, "settings"))
    return list(dict.fromkeys(found))


def of_account(name: str, account: EmailAccount | None) -> Place:
    return Place(name, "account", account.pk) if account else Place(name, "settings")
