"""What providers' servers say, the most particular first: the first that fits counts."""

from typing import Final

from mailjobs.catalogue.hosters import HOSTERS
from mailjobs.catalogue.microsoft import MICROSOFT
from mailjobs.catalogue.saying import ProviderSaying
from mailjobs.catalogue.servers import SERVERS
from mailjobs.catalogue.web_services import WEB_SERVICES

__all__ = ["SAYINGS", "ProviderSaying"]

SAYINGS: Final[tuple[ProviderSaying, ...]] = (*WEB_SERVICES, *MICROSOFT, *HOSTERS, *SERVERS)
