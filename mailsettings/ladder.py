"""The introduction ladder of a print model: its rungs, where it stands, who gets redirected mail, who moved it (rules M, U)."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailsettings.changes import STAGE_MOVED, name_of_model
from mailsettings.core.parameters import on_anywhere, resolve
from mailsettings.core.send_systems import Stage
from mailsettings.models import AuditEvent, PrintModel, StageChoices, User
from mailsettings.selectors import World

STAGE_TEXTS = {
    Stage.DRAFT: gettext_lazy("All mail becomes a draft for the user's own mail client; the portal sends none of it."),
    Stage.REDIRECTED: gettext_lazy("All mail goes to the redirect addresses instead of its recipients."),
    Stage.HELD: gettext_lazy("Each mail waits for an administrator's approval, then it goes to its recipients."),
    Stage.LIVE: gettext_lazy("All mail goes to its recipients, as the delivery mode says."),
}
# What a move up means, for whoever is asked to say yes to it.
ARRIVALS = {
    Stage.DRAFT: gettext_lazy("The portal sends none of this print model's mail from then on."),
    Stage.REDIRECTED: gettext_lazy("From then on the portal sends this print model's mail, to the redirect addresses only."),
    Stage.HELD: gettext_lazy("From then on this print model's mail goes to its real recipients, each after an approval."),
    Stage.LIVE: gettext_lazy("From then on this print model's mail goes to its real recipients without anybody's approval."),
}
STAGE_ICONS = {Stage.DRAFT: "pencil", Stage.REDIRECTED: "redirect", Stage.HELD: "state-held", Stage.LIVE: "send"}
STAGE_STAMPS = {Stage.DRAFT: "new", Stage.REDIRECTED: "deferred", Stage.HELD: "held", Stage.LIVE: "sent"}
MOVES = 25  # that the history shows; older ones are counted


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the ladder as the page shows it; `move`: what its button says, empty where there is none."""

    stage: Stage
    label: str
    text: str
    icon: str
    here: bool
    climbed: bool
    move: str


@dataclass(frozen=True, slots=True)
class Diversion:
    """Who gets the mail of the redirected rung: `addresses` in force, `dummy` where some user has none; or nobody at all."""

    addresses: tuple[str, ...]
    dummy: bool
    capture_only: bool

    @property
    def warning(self) -> str:
        """What the dummy address means, where somebody's mail goes to it (U1, U6)."""
        if self.addresses:
            return _("Not every user has a redirect address; theirs goes to <USER>@test-dummy.at, a public domain.")
        return _("No redirect address is entered: mail goes to <USER>@test-dummy.at, a public domain.")


def rungs_of(model: PrintModel) -> list[Rung]:
    """The ladder, from the lowest rung up."""
    here = Stage(model.stage)
    return [
        Rung(
            stage=stage,
            label=str(StageChoices(stage).label),
            text=str(STAGE_TEXTS[stage]),
            icon=STAGE_ICONS[stage],
            here=stage is here,
            climbed=stage.rung < here.rung,
            move=_say_move(here, stage) if here.leads_to(stage) else "",
        )
        for stage in Stage
    ]


def diversion_of(world: World) -> Diversion:
    """Where the redirected rung leads for the users of a world: each has the addresses of the nearest level that has any (U1)."""
    addresses: dict[str, None] = {}
    dummy = capture_only = False
    for login in world.users:
        layers = world.layers_for(login)
        named = resolve(layers, "redirect_addresses").value
        found = named if isinstance(named, (tuple, list)) else ()
        addresses.update(dict.fromkeys(map(str, found)))
        dummy = dummy or not found
        capture_only = capture_only or on_anywhere(layers, "redirect_capture_only")
    return Diversion(tuple(addresses), dummy, capture_only)


def history_of(model: PrintModel, reader: User) -> list[dict[str, str]]:
    """The moves of a print model, newest first, as entries of a timeline."""
    events = list(_events(model)[:MOVES])
    people = {user.login: user for user in User.objects.filter(login__in=[event.actor for event in events])}
    return [_entry(event, say_actor(event.actor, people, reader)) for event in events]


def earlier_moves(model: PrintModel) -> int:
    """How many moves the history leaves out."""
    return max(_events(model).count() - MOVES, 0)


def _events(model: PrintModel) -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(tenant=model.tenant, action=STAGE_MOVED, subject=name_of_model(model))


def _say_move(here: Stage, stage: Stage) -> str:
    words = {"stage": StageChoices(stage).label}
    return _("Up to “%(stage)s”") % words if stage.rung > here.rung else _("Down to “%(stage)s”") % words


def _entry(event: AuditEvent, who: str) -> dict[str, str]:
    before, after = _stage(event.before), _stage(event.after)
    words = {"before": _label(before), "after": _label(after)}
    why = str(event.after.get("why", ""))
    return {
        "kind": "stage",
        "icon": STAGE_ICONS[after] if after else "history",
        "title": _("%(before)s → %(after)s") % words if before else _("Made at “%(after)s”") % words,
        "when": date_format(localtime(event.at), "SHORT_DATETIME_FORMAT"),
        "text": f"{who}: {why}" if why else who,
    }


def say_actor(actor: str, people: Mapping[str, User], reader: User) -> str:
    """Who did it; of the firm's people a Com customer reads the firm's name only (T4)."""
    person = people.get(actor)
    if person is None:
        return _("An import (%(actor)s)") % {"actor": actor}
    if person.tenant_id != reader.tenant_id and reader.tenant is not None and reader.tenant.firm is not None:
        return _("The operator") if person.is_operator else reader.tenant.firm.name
    return f"{person.name} ({person.login})"


def _stage(values: Mapping[str, object]) -> Stage | None:
    stage = values.get("stage")
    return Stage(stage) if isinstance(stage, str) and stage in StageChoices.values else None


def _label(stage: Stage | None) -> str:
    return str(StageChoices(stage).label) if stage else "–"
