"""The addresses of the pages about mail, of log-in and of health."""

from django.contrib.auth.views import LogoutView
from django.urls import include, path

from mailjobs.views.account import LogIn, SetTheme, set_language
from mailjobs.views.addresses import AddressAsk, AddressConfirm, Addresses
from mailjobs.views.audit import Audit
from mailjobs.views.com_customers import ComCustomer, ComCustomers, ComCustomersExport
from mailjobs.views.connections import Connections
from mailjobs.views.dashboard import Dashboard
from mailjobs.views.figures import FiguresPage
from mailjobs.views.finding import JobsExport, LogExport, SavedFilters
from mailjobs.views.health import healthz, readyz
from mailjobs.views.inbox import Inbox
from mailjobs.views.incident import IncidentPage
from mailjobs.views.job import Job, JobAttachment, JobEml, JobMailto, JobPreview
from mailjobs.views.jobs import Jobs
from mailjobs.views.keys import ApiDocumentation, Keys
from mailjobs.views.log import Log, LogEntry
from mailjobs.views.mailbox import Mailbox, MailboxCallback
from mailjobs.views.proof import JobProof, JobProofPdf
from mailjobs.views.releases import Release, Releases
from mailjobs.views.run import Run, RunReport
from mailjobs.views.run_row import RunRow, RunRowFrame
from mailjobs.views.runs import NewRun, Runs
from mailjobs.views.senders import Senders, SendersExport
from mailjobs.views.template_preview import PrintModelPreview

urlpatterns = [
    path("api/", include("mailjobs.api.urls")),
    path("addresses/", Addresses.as_view(), name="addresses"),
    path("addresses/<int:pk>/", AddressAsk.as_view(), name="address_ask"),
    path("addresses/confirm/<str:token>/", AddressConfirm.as_view(), name="address_confirm"),
    path("settings/audit/", Audit.as_view(), name="audit"),
    path("mailboxes/callback/", MailboxCallback.as_view(), name="mailbox_callback"),
    path("mailboxes/<str:kind>/<int:pk>/", Mailbox.as_view(), name="mailbox"),
    path("settings/own/keys/", Keys.as_view(), name="own_keys"),
    path("settings/own/keys/documentation/", ApiDocumentation.as_view(), name="api_documentation"),
    path("users/<int:pk>/keys/", Keys.as_view(), name="user_keys"),
    path("", Dashboard.as_view(), name="dashboard"),
    path("figures/", FiguresPage.as_view(), name="figures"),
    path("jobs/", Jobs.as_view(), name="jobs"),
    path("jobs/<int:pk>/", Job.as_view(), name="job"),
    path("jobs/<int:pk>/mailto/", JobMailto.as_view(), name="job_mailto"),
    path("jobs/<int:pk>/mail.eml", JobEml.as_view(), name="job_eml"),
    path("jobs/<int:pk>/preview/", JobPreview.as_view(), name="job_preview"),
    path("jobs/<int:pk>/attachments/<int:number>/", JobAttachment.as_view(), name="job_attachment"),
    path("jobs/<int:pk>/proof.json", JobProof.as_view(), name="job_proof"),
    path("jobs/<int:pk>/proof.pdf", JobProofPdf.as_view(), name="job_proof_pdf"),
    path("jobs/export/", JobsExport.as_view(), name="jobs_export"),
    path("log/export/", LogExport.as_view(), name="log_export"),
    path("filters/", SavedFilters.as_view(), name="saved_filters"),
    path("log/", Log.as_view(), name="log"),
    path("log/<int:pk>/", LogEntry.as_view(), name="log_entry"),
    path("connections/", Connections.as_view(), name="connections"),
    path("inbox/", Inbox.as_view(), name="inbox"),
    path("inbox/incidents/<int:pk>/", IncidentPage.as_view(), name="incident"),
    path("com-customers/", ComCustomers.as_view(), name="com_customers"),
    path("com-customers/leaks.csv", ComCustomersExport.as_view(), name="com_customers_csv"),
    path("com-customers/<int:pk>/", ComCustomer.as_view(), name="com_customer"),
    path("com-customers/releases/", Releases.as_view(), name="releases"),
    path("com-customers/releases/<int:pk>/", Release.as_view(), name="release"),
    path("runs/", Runs.as_view(), name="runs"),
    path("runs/new/", NewRun.as_view(), name="run_new"),
    path("runs/<int:pk>/", Run.as_view(), name="run"),
    path("runs/<int:pk>/report/", RunReport.as_view(), name="run_report"),
    path("runs/<int:pk>/lines/<int:line>/", RunRow.as_view(), name="run_row"),
    path("runs/<int:pk>/lines/<int:line>/frame/", RunRowFrame.as_view(), name="run_row_frame"),
    path("senders/", Senders.as_view(), name="senders"),
    path("print-models/<int:pk>/preview/", PrintModelPreview.as_view(), name="print_model_preview"),
    path("senders/matrix.csv", SendersExport.as_view(), name="senders_csv"),
    path("accounts/login/", LogIn.as_view(), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("accounts/theme/", SetTheme.as_view(), name="set_theme"),
    path("i18n/setlang/", set_language, name="set_language"),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
]
