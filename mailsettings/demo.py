"""The logins of the demo tenants; shown on the log-in page of a demo installation and nowhere else (Z14)."""

from django.utils.translation import gettext_lazy as _

PASSWORD = "postausgang-demo"  # noqa: S105 (guards the demo tenants only)
LOGINS = [
    ("anna.huber", _("Firm administrator of Kanzlei Huber")),
    ("bernd.moser", _("Firm user of Kanzlei Huber")),
    ("max.muster", _("Com administrator of Musterkunde GmbH")),
    ("mia.muster", _("Com user of Musterkunde GmbH")),
    ("eva.beispiel", _("Com administrator of Beispiel Handels KG")),
    ("betrieb", _("Operator of the installation")),
]
