"""What `manage.py check --deploy` says about an installation."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register


@register(Tags.security, deploy=True)
def installation_has_a_name(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """U5: without INSTALLATION_ID a copy of the database elsewhere would send real mail."""
    if settings.EMBEDDED or settings.INSTALLATION_ID:
        return []
    return [
        Warning(
            "DATABASE_URL is set without INSTALLATION_ID: a copy of this database in another environment would not be noticed.",
            hint="Set INSTALLATION_ID to a name that is different in every environment (production, test, training, ...).",
            id="postausgang.W001",
        )
    ]
