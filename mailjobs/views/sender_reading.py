"""What the sender pages have in common: whom the reader may ask about, and their plans over one reading of the settings (T4)."""

from collections.abc import Sequence

from django.http import QueryDict
from django.utils.functional import cached_property

from mailjobs.core.plan import Plan
from mailjobs.discretion import Discretion, discretion_for
from mailjobs.filters import address
from mailjobs.matrix import columns_of, row_of
from mailjobs.views.sender_case import FIELDS, Case
from mailjobs.views.sender_cells import filter_named
from mailsettings.access import Right, may
from mailsettings.models import Tenant, User
from mailsettings.portal import SettingsPage
from mailsettings.selectors import World, world_of

KEPT = ("tenant", "q", "only", "page", *FIELDS)  # of the address


class SendersPage(SettingsPage):
    """Everybody has these pages. Who manages a tenant asks about all its users, all others about themselves."""

    right = None

    @cached_property
    def tenant(self) -> Tenant | None:
        """As everywhere; where the address names a user only, the tenant of that user."""
        login = self.request.GET.get("user", "").replace("\0", "")
        if login and not self.request.GET.get("tenant"):
            home = User.objects.filter(login=login).values_list("tenant_id", flat=True).first()
            found = [row for row in self.tenants if row.pk == home]
            if found:
                return found[0]
        return super().tenant

    @cached_property
    def manages(self) -> bool:
        return may(self.reader, Right.MANAGE_SETTINGS)

    @cached_property
    def discretion(self) -> Discretion:
        return discretion_for(self.reader)

    @cached_property
    def people(self) -> list[User]:
        """Whom this reader may ask about, deactivated ones too, by name."""
        if not self.manages:
            return [self.reader]
        return sorted(self.chosen.users.all(), key=lambda user: (user.name.casefold(), user.login))

    @cached_property
    def active(self) -> list[User]:
        return [user for user in self.people if user.is_active]

    @cached_property
    def query(self) -> str:
        return self.request.GET.get("q", "").strip()[:200]

    @cached_property
    def only(self) -> str:
        """The filter in force, empty for none."""
        only = self.request.GET.get("only", "")
        return only if filter_named(only, self.discretion) else ""

    @cached_property
    def matching(self) -> list[User]:
        """The active users that the search finds."""
        wanted = self.query.casefold()
        return [user for user in self.active if wanted in user.name.casefold() or wanted in user.login]

    @cached_property
    def world(self) -> World:
        """One reading of the tenant's settings, however many cells are decided over it."""
        return world_of(self.chosen, self.people)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        return columns_of(self.world)

    @cached_property
    def plans(self) -> dict[str, tuple[Plan, ...]]:
        """All cells of those whom the search finds."""
        return self.plans_of(self.matching)

    def plans_of(self, users: Sequence[User]) -> dict[str, tuple[Plan, ...]]:
        return {user.login: row_of(self.world, user.login, self.columns) for user in users}

    @cached_property
    def narrowed(self) -> dict[str, tuple[Plan | None, ...]]:
        """The cells that the filter holds for, None in place of the others; users without such a cell are left out."""
        holds = filter_named(self.only, self.discretion)
        if holds is None:
            return dict(self.plans)
        rows = {login: tuple(plan if holds(plan) else None for plan in row) for login, row in self.plans.items()}
        return {login: row for login, row in rows.items() if any(row)}

    @cached_property
    def base(self) -> QueryDict:
        """The address without what means nothing here, and always about the same tenant."""
        given = {**{name: self.request.GET.get(name, "") for name in KEPT}, "q": self.query, "only": self.only}
        base = QueryDict(mutable=True)
        base.update({name: value for name, value in given.items() if value})
        if self.chosen.pk != self.reader.tenant_id:
            base["tenant"] = self.chosen.slug
        return base

    def link(self, **changes: str | None) -> str:
        """The same page with other values."""
        return address(self.base, **changes)

    def link_to(self, case: Case) -> str:
        """The same page, asked about another case."""
        return self.link(**{**dict.fromkeys(FIELDS), "user": case.user, "print_model": case.print_model})
