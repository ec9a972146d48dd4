"""The HTTP API (contract): programs hand mails in and learn what became of them.

Each module has one router; `portal.api` puts them together. An app above this one adds its own before the addresses are made,
in its `AppConfig.ready`: `from mailjobs.api.portal import api; api.add_router("", router)`. Such a router takes
`auth=Bearer(Scope...)`, describes its errors by `schemas.extra(...)` and raises `problems.Problem`.
"""
