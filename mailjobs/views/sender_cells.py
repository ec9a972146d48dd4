"""The sender matrix in a reader's words: cells, what narrows them, and equal ones told once (R4, T4)."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from mailjobs.core.plan import Channel, Hazard, Plan
from mailjobs.discretion import Discretion
from mailjobs.explanation import document_of
from mailjobs.matrix import WITHOUT
from mailjobs.views.explained import hazards_of
from mailjobs.views.short_words import SHORT_HOLDS, SHORT_REFUSALS, Danger
from mailjobs.wording import CHANNELS, HAZARDS
from mailsettings.models import User

HAZARDOUS, STOPPED, AS_FIRM = "hazards", "stopped", "firm"
FEW = 3  # that many print models of the largest group are still named


@dataclass(frozen=True, slots=True)
class Answer:
    """What a cell says. `stop`: refused, held or empty; `stopped_by`, `diverted` (by the redirect mode) in a few words."""

    address: str
    name: str
    channel: str
    system: int | None
    server: str
    stop: str
    stopped_by: str
    diverted: str
    hazards: tuple[Danger, ...]

    @property
    def severe(self) -> bool:
        return any(danger.severe for danger in self.hazards)

    @property
    def way(self) -> str:
        """`SMTP (1) mail.kanzlei.example`: over what, send system, server."""
        return f"{self.channel} ({self.system}) {self.server}" if self.system is not None else self.channel

    @property
    def redirect_note(self) -> str:
        """Nothing where a hazard says it already."""
        return "" if any(danger.code == Hazard.REDIRECT_DUMMY for danger in self.hazards) else self.diverted

    @property
    def full(self) -> str:
        """The address with its name, for the tooltip."""
        return f"{self.name} <{self.address}>" if self.name else self.address


@dataclass(frozen=True, slots=True)
class Cell:
    """One place of the matrix; `answer` is None where the filter leaves it out."""

    model: str
    url: str
    answer: Answer | None
    same: bool = False  # as the mail without a print model, so it need not catch the eye
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Print models with one answer, for the cards: `label` where they need not be named."""

    answer: Answer
    cells: tuple[Cell, ...]
    label: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One user of the matrix."""

    user: User
    cells: tuple[Cell, ...]
    groups: tuple[Group, ...]


Plans = Mapping[str, Sequence[Plan]]  # by user-ID, in the order of the columns


def answer_of(plan: Plan, discretion: Discretion) -> Answer:
    """What the cell of a plan says to this reader."""
    document = document_of(plan)
    sender = document["sender"] or {"address": _offered(plan), "name": ""}
    stop, stopped_by = "", ""
    if plan.refused:
        stop, stopped_by = "refused", str(SHORT_REFUSALS.get(plan.refused) or document["refused"]["message"])
    elif plan.held:
        stop, stopped_by = "held", str(SHORT_HOLDS.get(plan.held, ""))
    return Answer(
        address=sender["address"],
        name=sender["name"],
        channel="" if plan.channel is Channel.NONE else str(CHANNELS[plan.channel]),
        system=plan.connection.send_system if plan.connection and plan.channel.by_server else None,
        server=_host(discretion.server(document, document["connection"]["server"])) if plan.channel.by_server else "",
        stop=stop,
        stopped_by=stopped_by,
        diverted=_diverted(plan),
        hazards=tuple(hazards_of(document, discretion)),
    )


def codes_of(plan: Plan, discretion: Discretion) -> tuple[str, ...]:
    """The hazards of a plan that this reader is told of; quick where nothing is concealed."""
    if not discretion.applies:
        return tuple(hazard.value for hazard in plan.hazards)
    return tuple(danger.code for danger in hazards_of(document_of(plan), discretion))


def filter_named(only: str, discretion: Discretion) -> Callable[[Plan], bool] | None:
    """What a cell must be so that it is shown; None: all are. `only` is one of the three filters, or a hazard."""
    match only:
        case "hazards":
            return lambda plan: bool(codes_of(plan, discretion))
        case "stopped":
            return lambda plan: plan.refused is not None or plan.held is not None
        case "firm":
            return lambda plan: plan.facts.tenant.is_com_customer and plan.sender.from_firm
        case _ if only in HAZARDS:
            return lambda plan: only in codes_of(plan, discretion)
        case _:
            return None


def count(plans: Plans, discretion: Discretion) -> Counter[str]:
    """How many cells there are, how many of each filter and of each hazard."""
    found: Counter[str] = Counter()
    filters = {only: filter_named(only, discretion) for only in (HAZARDOUS, STOPPED, AS_FIRM)}
    for row in plans.values():
        found["all"] += len(row)
        for plan in row:
            found.update(codes_of(plan, discretion))
            found.update(only for only, holds in filters.items() if holds is not None and holds(plan))
    return found


def line_of(
    user: User,
    plans: Sequence[Plan | None],
    columns: Sequence[str],
    discretion: Discretion,
    *,
    url: Callable[[str, str], str],
    chosen: str | None,
) -> Line:
    """A user's row; a plan is None where the filter leaves it out, `chosen` is the print model asked for on top."""
    answers = [answer_of(plan, discretion) if plan else None for plan in plans]
    cells = tuple(
        Cell(
            model=column,
            url=url(user.login, column),
            answer=answer,
            same=column != WITHOUT and answer == answers[0],
            chosen=column == chosen,
        )
        for column, answer in zip(columns, answers, strict=True)
    )
    return Line(user, cells, tuple(_groups(cells)))


def _groups(cells: Sequence[Cell]) -> Iterable[Group]:
    """Equal answers once; what most print models have comes last, under one name."""
    members: dict[Answer, list[Cell]] = {}
    for cell in cells:
        if cell.answer is not None:
            members.setdefault(cell.answer, []).append(cell)
    models = {cell.model for cell in cells} - {WITHOUT}
    whole = all(cell.answer is not None for cell in cells)
    largest = max(members.values(), key=len, default=[])
    for answer, group in sorted(members.items(), key=lambda pair: pair[1] is largest):
        label = ""
        if models and {cell.model for cell in group} >= models and whole:
            label = _("All print models")
        elif group is largest and whole and len(group) > FEW:
            label = _("All other print models")
        yield Group(answer, tuple(group), label)


def _offered(plan: Plan) -> str:
    return plan.sender.offer.address if plan.sender.offer else ""


def _diverted(plan: Plan) -> str:
    if plan.refused or not plan.redirect.active:
        return ""
    if plan.redirect.capture_only:
        return _("captured, not sent")
    return _("redirected to %(addresses)s") % {"addresses": ", ".join(plan.redirect.addresses)}


def _host(server: str) -> str:
    """A server's name without the rest of a web address."""
    return server.partition("//")[2].partition("/")[0] or server
