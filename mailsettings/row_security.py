"""The second wall between tenants: PostgreSQL's row-level security, written from the models (Z1).

A table belongs to tenants where a chain of foreign keys leads from it to `Tenant`; so a new table has its policy as soon as
`manage.py database_roles` runs after its migration. The application's role sees the rows of the tenants that `scope` names for
its session; the workers' role is subject to no policy, so that the engine is as quick as before; the owner sees all by a policy
of its own, although the tables force row security on their owner too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.apps import apps
from django.db import models

from mailsettings.models import ParameterSet, Tenant, User

# Belong to no tenant: what workers share, failed log-ins, and contents, explanations and sessions, which only rows of tenants
# lead to.
SHARED = frozenset(
    {
        "mailsettings_installation",
        "mailsettings_auditlink",
        "mailjobs_sharedconnection",
        "mailjobs_accesstoken",
        "mailjobs_sessionlease",
        "mailjobs_connectionuse",
        "mailjobs_workersign",
        "mailjobs_apiuse",
        "mailjobs_decision",
        "mailjobs_content",
        "mailjobs_searchprogress",
        "people_failedtry",
        "django_session",
        "django_content_type",
        "django_migrations",
        "auth_permission",
        "auth_group",
        "auth_group_permissions",
    }
)
_OPEN = "(SELECT current_setting('postausgang.tenants', true)) = '*'"
_AMONG = "ANY ((SELECT string_to_array(nullif(current_setting('postausgang.{}', true), ''), ','))::bigint[])"
TENANTS, FIRMS = _AMONG.format("tenants"), _AMONG.format("firms")
APPEND_ONLY = ("mailsettings_auditevent",)
READ_ONLY = ("mailsettings_auditlink",)


@dataclass(frozen=True, slots=True)
class Roles:
    """The names of the database's roles: who owns the tables, whom the portal's pages and whom workers and commands log in as."""

    owner: str
    application: str
    worker: str


def statements(roles: Roles) -> Iterator[str]:
    """The SQL that sets all of it up, for a superuser; may be run again at any time, and after each migration."""
    yield from _roles(roles)
    for model in _tables():
        yield from _policies(model, roles)
    app = _quoted(roles.application)
    for table in APPEND_ONLY:
        yield f"REVOKE UPDATE, DELETE, TRUNCATE ON {_quoted(table)} FROM {app}"
    for table in READ_ONLY:
        yield f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {_quoted(table)} FROM {app}"


def condition_of(model: type[models.Model]) -> str:
    """Whose rows of a table are seen; empty where the table belongs to no tenant."""
    return _condition(model, _quoted(model._meta.db_table), ())


def _tables() -> list[type[models.Model]]:
    return [model for model in apps.get_models(include_auto_created=True) if model._meta.managed and not model._meta.proxy]


def _roles(roles: Roles) -> Iterator[str]:
    for name, more in ((roles.owner, ""), (roles.application, " NOBYPASSRLS"), (roles.worker, " BYPASSRLS")):
        exists = f"SELECT FROM pg_roles WHERE rolname = {_text(name)}"
        yield f"DO $$ BEGIN IF NOT EXISTS ({exists}) THEN CREATE ROLE {_quoted(name)} LOGIN; END IF; END $$"
        yield f"ALTER ROLE {_quoted(name)} NOSUPERUSER{more}"
    owner, users = _quoted(roles.owner), f"{_quoted(roles.application)}, {_quoted(roles.worker)}"
    yield f"GRANT USAGE, CREATE ON SCHEMA public TO {owner}"
    yield f"GRANT USAGE ON SCHEMA public TO {users}"
    tables = "SELECT format('ALTER TABLE %I OWNER TO {0}', tablename) AS words FROM pg_tables WHERE schemaname = 'public'"
    functions = (
        "SELECT format('ALTER FUNCTION %s OWNER TO {0}', p.oid::regprocedure) FROM pg_proc p "
        "WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'mailsettings\\_%'"
    )
    found = f"{tables} UNION ALL {functions}".format(owner)
    yield f"DO $$ DECLARE one text; BEGIN FOR one IN {found} LOOP EXECUTE one; END LOOP; END $$"
    yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {users}"
    yield f"GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO {users}"


def _policies(model: type[models.Model], roles: Roles) -> Iterator[str]:
    condition, table = condition_of(model), _quoted(model._meta.db_table)
    for name in ("tenant_rows", "all_rows_for_owner"):
        yield f"DROP POLICY IF EXISTS {name} ON {table}"
    if not condition:
        return
    # What is written may be somebody else's (a message to the firm): the wall is for reading, changing and deleting.
    sees = f"{_OPEN} OR {condition}"
    yield f"CREATE POLICY tenant_rows ON {table} TO {_quoted(roles.application)} USING ({sees}) WITH CHECK (true)"
    yield f"CREATE POLICY all_rows_for_owner ON {table} TO {_quoted(roles.owner)} USING (true) WITH CHECK (true)"
    yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
    yield f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY"


def _condition(model: type[models.Model], table: str, on_the_way: Sequence[type[models.Model]]) -> str:
    """By the foreign keys that must be there; where there are none, by each that may be."""
    if model is Tenant:
        return f"{table}.id = {FIRMS}"
    if model._meta.db_table in SHARED or model in on_the_way:
        return ""
    keys = [field for field in model._meta.concrete_fields if isinstance(field, models.ForeignKey)]
    direct = [field for field in keys if field.related_model is Tenant and field.name == "tenant"]
    needed = [field for field in keys if not field.null]
    for fields in (direct if not _is_owner_choice(model) else [], needed, keys):
        found = [said for field in fields if (said := _by(model, field, table, (*on_the_way, model)))]
        if found:
            return found[0] if len(found) == 1 or fields is needed else f"({' OR '.join(found)})"
    return ""


def _is_owner_choice(model: type[models.Model]) -> bool:
    """Whether its rows belong to a tenant or to a user, the other being empty."""
    return model is ParameterSet


def _by(model: type[models.Model], field: models.ForeignKey, table: str, on_the_way: Sequence[type[models.Model]]) -> str:  # type: ignore[type-arg]
    related: type[models.Model] = field.related_model
    column = f"{table}.{_quoted(field.column)}"
    if related is Tenant:
        return f"{column} = {FIRMS if model in (User, ParameterSet) else TENANTS}"
    if related is User and model is not User:
        return f"{column} IN (SELECT id FROM {_quoted(User._meta.db_table)} WHERE tenant_id = {TENANTS})"
    alias = f"t{len(on_the_way)}"
    inner = _condition(related, alias, on_the_way)
    parent, key = _quoted(related._meta.db_table), _quoted(str(related._meta.pk.column))
    return f"EXISTS (SELECT 1 FROM {parent} {alias} WHERE {alias}.{key} = {column} AND {inner})" if inner else ""


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
