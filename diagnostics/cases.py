"""What is diagnosed: the mail that would really go, over what and to whom, decided as for every other mail (D1)."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from django.utils.translation import gettext as _

from diagnostics.core.findings import Cause, Finding, Step, Verdict
from diagnostics.core.refused import REFUSED
from diagnostics.prospects import Prospect
from mailjobs import sharing
from mailjobs.core.plan import Channel, Hold, Plan, Refusal, make_plan
from mailjobs.judging import Barred, Held, request_of
from mailjobs.models import JobRecipient, MailJob, RecipientStateChoices
from mailjobs.refusals import details_of_plan
from mailjobs.routing import Broken, Route, Settings, route_of
from mailjobs.trial import APPROVED
from mailjobs.wording import say_refusal
from mailsettings.core.addresses import AddressInvalid, Mailbox, parse_recipient, parse_sender
from mailsettings.core.facts import Facts, PrintModelFacts, Request
from mailsettings.core.relay import Connection, decide_relay
from mailsettings.core.send_systems import DEFAULT_SEND_SYSTEM, DeliveryMode
from mailsettings.core.sender import origin_of
from mailsettings.models import EmailAccount, Employee, PrintModel, User
from mailsettings.selectors import World, world_of

USUAL_SIZE = 2_048  # octets of the test mail, about


class AskedInvalid(ValueError):
    """Such a diagnosis cannot be made; says why, in the reader's words."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Of whom or what a diagnosis is wanted. `user`: whose mail it is; `by`: who asks, the same user unless given, to whom the
    test mail goes, save for an administrator's `to` (Z19). `to`: the recipient, empty for the own address; `mode`: "direct",
    "async" or empty for the send system's own; `prospect`: settings that are tried and not in force, without a test mail.
    """

    user: User
    account: EmailAccount | None = None
    print_model: PrintModel | None = None
    job: MailJob | None = None
    to: str = ""
    mode: str = ""
    test_mail: bool = True
    by: User | None = None
    prospect: Prospect | None = None

    @property
    def asker(self) -> User:
        return self.by or self.user


@dataclass(slots=True)
class Case:
    """The mail as it would go. `template` is a job that is not stored; `route` None where it goes nowhere, as `findings` say."""

    asked: Asked
    findings: list[Finding] = field(default_factory=list)
    template: MailJob | None = None
    route: Route | None = None
    connection: Connection | None = None
    shared: int = 0  # id of the `SharedConnection`
    sender: Mailbox | None = None
    probed: tuple[str, ...] = ()  # recipients that the server is asked for
    test_to: Mailbox | None = None
    size: int = USUAL_SIZE
    may_send: bool = True

    @property
    def direct(self) -> bool:
        return self.asked.mode == "direct" or (not self.asked.mode and not self._system % 2)

    @property
    def mode(self) -> str:
        return "direct" if self.direct else "async"

    @property
    def by_workers_identity(self) -> bool:
        """Whether a worker's own identity logs in (S1): what this process is, says nothing about it."""
        return not self.direct and self.connection is not None and self.connection.shared_identity

    @property
    def send_system(self) -> int:
        """The number with the timing that is diagnosed."""
        return self._system - self._system % 2 + (0 if self.direct else 1)

    @property
    def _system(self) -> int:
        if self.connection is not None:
            return self.connection.send_system
        return DEFAULT_SEND_SYSTEM if self.asked.mode != "async" else DEFAULT_SEND_SYSTEM + 1

    @property
    def account(self) -> str | None:
        """The id of the account whose sender it is."""
        named = self.asked.account or (self.template.account if self.template else None)
        return named.slug if named else None


def case_of(asked: Asked) -> Case:
    """Decide everything that no server need be asked for: configuration, sender and redirect. Raises AskedInvalid."""
    user = asked.user
    if user.tenant is None:
        raise AskedInvalid(_("There is no user %(id)s at a tenant.") % {"id": user.login})
    world = world_of(user.tenant, [user])
    world = asked.prospect.of(world) if asked.prospect else world
    case = Case(asked)
    if asked.job is not None:
        _as_stored(case, asked.job)
    elif not _as_planned(case, world):
        return case
    _decide(case, world)
    return case


def _as_stored(case: Case, job: MailJob) -> None:
    """Exactly this mail, whatever would be decided for a new one."""
    names = [each.attname for each in MailJob._meta.concrete_fields if each.attname != "id"]
    case.template = MailJob(**{name: getattr(job, name) for name in names})
    case.template.held_reason, case.template.approved = "", sorted({*APPROVED, *job.approved})
    if Channel(job.channel).by_client:
        case.template.channel = Channel.SMTP
    case.size = job.size
    left = JobRecipient.objects.filter(job=job).exclude(state=RecipientStateChoices.ACCEPTED)
    case.probed = tuple(left.values_list("address", flat=True))


def _as_planned(case: Case, world: World) -> bool:
    """A new mail; False where it may not go, as the findings say."""
    facts = _facts(case.asked, world)
    plan = make_plan(facts)
    warned = None
    if plan.allowed and plan.channel.by_client and plan.connection is not None:
        warned = Finding(Step.CONFIGURATION, Verdict.WARNED, Cause.BY_CLIENT, facts=_configured(plan))
        plan = make_plan(_by_server(facts))
    elif plan.allowed and plan.channel.by_client:
        plan = replace(plan, refused=Refusal.NO_CONNECTION)
    if plan.refused is not None:
        case.connection = plan.connection
        case.findings.extend(_refused(plan.refused, say_refusal(plan.refused, details_of_plan(plan))))
        return False
    case.template = _template(case.asked, plan)
    if warned is not None:
        case.findings.append(warned)
    return True


def _facts(asked: Asked, world: World) -> Facts:
    model = asked.print_model.slug if asked.print_model else None
    facts = world.facts_for(asked.user.login, Request(print_model=model))
    if asked.account is None:
        return facts
    account = world.accounts.get(asked.account.pk)
    if account is None:
        raise AskedInvalid(_("There is no such account at the user's tenant."))
    named = PrintModelFacts(id="", mode=DeliveryMode.BACKGROUND_SMTP, account=account)  # as a print model names it (A2)
    return replace(facts, print_model=named, own_account=None)


def _by_server(facts: Facts) -> Facts:
    """The same mail over the server, where it would go through the mail client."""
    model = facts.print_model or PrintModelFacts(id="")
    return replace(facts, print_model=replace(model, mode=DeliveryMode.BACKGROUND_SMTP, stage=type(model.stage).LIVE))


def _template(asked: Asked, plan: Plan) -> MailJob:
    offer = plan.sender.offer
    account = offer.account if offer else None
    return MailJob(
        tenant=asked.user.tenant,
        user=asked.user,
        print_model=asked.print_model,
        account_id=int(account.holder.owner.partition(":")[2]) if account else None,
        approved=list(APPROVED),
        unattended=plan.facts.unattended,
        channel=plan.channel.value,
        send_system=plan.connection.send_system if plan.connection else None,
        sender_address=plan.sender.mailbox.address if plan.sender.mailbox else "",
        sender_level=plan.sender.level or "",
        sender_origin=origin_of(plan.facts, plan.sender) or "",
        redirected_then=list(plan.redirect.addresses) if plan.redirect.active else None,
        captured_then=plan.redirect.active and plan.redirect.capture_only,
    )


def _decide(case: Case, world: World) -> None:
    """Over what the template leaves now, by the decision that every stored mail gets when its turn comes."""
    job = case.template
    if job is None:
        return
    settings = Settings()
    settings.refresh([job])
    if case.asked.prospect is not None:
        settings.worlds[job.user.tenant_id or 0] = world
    facts = world.facts_for(job.user.login, request_of(job))
    account = world.accounts.get(job.account_id or 0)
    case.connection = decide_relay(facts, account, job.sender_level).connection
    found = route_of(settings, job)
    if isinstance(found, Held) and found.hold is Hold.HELD_BY_FIRM:
        case.may_send = False
        job.approved = [*job.approved, Hold.HELD_BY_FIRM.value]
        found = route_of(settings, job)
    case.findings.extend(_judged(case, found))
    if isinstance(found, Route):
        case.route = found
        case.shared = sharing.ids_of([found.login])[found.login]
        job.connection_id = case.shared
        job.direct = case.direct
        _name_people(case, found)


def _judged(case: Case, found: Route | Barred | Held | Broken) -> Iterator[Finding]:
    match found:
        case Barred():
            yield from _refused(found.refusal, say_refusal(found.refusal, found.details))
        case Held():
            yield from _passed(Step.CONFIGURATION, Step.SENDER)
            yield Finding(Step.REDIRECT, Verdict.FAILED, Cause.CAPTURED)
        case Broken():
            yield Finding(Step.CONFIGURATION, Verdict.FAILED, Cause.OTHER)
        case Route():
            yield from _allowed(case, found)


def _allowed(case: Case, route: Route) -> Iterator[Finding]:
    job, connection = case.template, case.connection
    if not case.findings:  # else it has been warned already
        where = {"server": route.server, "login": route.endpoint.username, "level": str(connection.level) if connection else ""}
        yield Finding(Step.CONFIGURATION, Verdict.PASSED, facts=where)
    sent_by = {"address": job.sender_address, "level": job.sender_level} if job else {}
    if case.may_send:
        yield Finding(Step.SENDER, Verdict.PASSED, facts=sent_by)
    else:
        yield Finding(Step.SENDER, Verdict.WARNED, Cause.HELD, facts=sent_by)
    if route.redirected_to is None:
        yield Finding(Step.REDIRECT, Verdict.PASSED)
    else:
        yield Finding(Step.REDIRECT, Verdict.WARNED, Cause.REDIRECTED, facts={"to": list(route.redirected_to)})


def _refused(refusal: Refusal, said: str) -> Iterator[Finding]:
    step, cause = REFUSED[refusal]
    order = tuple(Step)
    yield from _passed(*order[: order.index(step)])
    yield Finding(step, Verdict.FAILED, cause, reply=said)


def _passed(*steps: Step) -> Iterator[Finding]:
    for step in steps:
        yield Finding(step, Verdict.PASSED)


def _configured(plan: Plan) -> dict[str, object]:
    connection = plan.connection
    return {"server": f"{connection.host}:{connection.port}", "login": connection.username} if connection else {}


def _name_people(case: Case, route: Route) -> None:
    """Whom the server is asked for, and who gets the test mail: whom a redirect names, else as asked, else the user (Z19)."""
    job = case.template
    case.sender = parse_sender(job.sender_address) if job and job.sender_address else None
    asker = case.asked.asker
    own = own_address(asker) or (case.sender.address if case.sender else "")
    wanted = case.asked.to if asker.role_enum.administers else ""
    case.test_to = _mailbox(wanted or own)
    if case.asked.to:
        case.probed = (_mailbox(case.asked.to).address,)
    if route.redirected_to is not None:
        case.probed = tuple(_mailbox(address).address for address in route.redirected_to)
    case.probed = case.probed or (case.test_to.address,)


def own_address(user: User) -> str:
    """Where a person reads mail: at the user's address, else the linked employee's; empty where none is known."""
    if user.email:
        return user.email
    return Employee.objects.filter(user=user).values_list("email", flat=True).first() or ""


def _mailbox(address: str) -> Mailbox:
    try:
        return parse_recipient(address)
    except AddressInvalid as invalid:
        raise AskedInvalid(_("%(address)s is no address to which mail can be sent.") % {"address": address or "–"}) from invalid
