"""Everything that differs between installations, read from the environment or `.env` (django-environ)."""

import base64
from pathlib import Path

import environ
import structlog
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

env = environ.Env()
env.read_env(BASE_DIR / ".env")

VAR_DIR = Path(env.str("VAR_DIR", default=str(VAR_DIR)))
VAR_DIR.mkdir(parents=True, exist_ok=True)


def _generated_secret(name: str) -> str:
    """A random secret of this installation, made at the first start (embedded default only)."""
    path = VAR_DIR / name
    if not path.exists():
        import secrets  # noqa: PLC0415 (only at the very first start)

        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48))
    return path.read_text().strip()


DATABASE_URL = env.str("DATABASE_URL", default="")
REDIS_URL = env.str("REDIS_URL", default="")
EMBEDDED = not DATABASE_URL  # SQLite under var/, one machine, no other server
DEMO = env.bool("DEMO", default=False)
DEBUG = env.bool("DEBUG", default=False)
HTTPS = env.bool("HTTPS", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or _generated_secret("secret_key")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])  # earlier ones, for sessions and sealed secrets
# Newest first; each 32 bytes as URL-safe base64. Unset: derived from SECRET_KEY. After a change: `manage.py rotate_keys`.
FIELD_KEYS = [base64.urlsafe_b64decode(key) for key in env.list("FIELD_KEYS", default=[])]
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# The name of this environment, so that a copy of its database is noticed elsewhere (`manage.py adopt`).
INSTALLATION_ID = env.str("INSTALLATION_ID", default="") or (_generated_secret("installation_id") if EMBEDDED else "")
# The operator's own relay for log-in, invitation and confirmation mail: smtp+tls://user:password@host:587, smtp+ssl://..., smtp://...
SYSTEM_EMAIL_URL = env.str("SYSTEM_EMAIL_URL", default="")
SYSTEM_EMAIL = env.email_url_config(SYSTEM_EMAIL_URL) if SYSTEM_EMAIL_URL else {}
SYSTEM_EMAIL_FROM = env.str("SYSTEM_EMAIL_FROM", default="Postausgang <postausgang@portal.invalid>")

# The wire: networks that no tenant setting needs to allow. Empty in production.
OUTBOUND_ALLOWED_NETWORKS = env.list("OUTBOUND_ALLOWED_NETWORKS", default=["127.0.0.0/8", "::1/128"] if EMBEDDED else [])
OUTBOUND_CA_FILE = env.str("OUTBOUND_CA_FILE", default="")
DNS_RESOLVER = env.str(
    "DNS_RESOLVER", default=""
)  # host:port, which the checks of senders' domains ask; empty: the machine's own
RETRY_TIME_FACTOR = env.float("RETRY_TIME_FACTOR", default=1.0)
LEASE_SECONDS = env.int("LEASE_SECONDS", default=30)
PENDING_CAP = env.int("PENDING_CAP", default=250_000)  # mails that one tenant may have waiting
API_KEY_PER_MINUTE = env.int("API_KEY_PER_MINUTE", default=600)  # requests; a batch of 1,000 mails is one
API_TENANT_PER_MINUTE = env.int("API_TENANT_PER_MINUTE", default=3000)
SWEEP_SECONDS = env.float("SWEEP_SECONDS", default=5.0)
EHLO_NAME = env.str("EHLO_NAME", default="")  # empty: the address literal of the connection, which names nobody (T1)
SMTP_SINK_DIR = env.str("SMTP_SINK_DIR", default="")  # where the local test mail server stores; shows the test mailbox page
SMTP_SINK_PORT = env.int("SMTP_SINK_PORT", default=8025)

INSTALLED_APPS = [
    "mailsettings",
    "mailjobs",
    "diagnostics",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_tables2",
    "django_filters",
    "django_htmx",
    "csp",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "mailsettings.middleware.PersonalLanguageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "mailsettings.context_processors.portal",
                "mailjobs.context_processors.queue",
            ],
        },
    },
]

if EMBEDDED:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": VAR_DIR / "db.sqlite3",
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
            },
        }
    }
else:
    _database = env.db_url_config(DATABASE_URL)
    # The queue's own statements are planned once for each connection; off for a pooler that cannot do so (PgBouncer before 1.21).
    if "postgresql" in str(_database["ENGINE"]) and env.bool("PREPARED_STATEMENTS", default=True):
        _database["OPTIONS"] = {"prepare_threshold": 5, **_database.get("OPTIONS", {})}
    DATABASES = {"default": {"CONN_MAX_AGE": 60, **_database, "CONN_HEALTH_CHECKS": True}}
# For the processes that answer requests, when their database role is the application's (`manage.py database_roles`).
ROW_LEVEL_SECURITY = not EMBEDDED and env.bool("ROW_LEVEL_SECURITY", default=False)
if ROW_LEVEL_SECURITY:
    _options: dict[str, object] = DATABASES["default"].setdefault("OPTIONS", {})  # type: ignore[assignment]
    _options["options"] = f"{_options.get('options', '')} -c postausgang.tenants=* -c postausgang.firms=*".strip()
    MIDDLEWARE.insert(
        MIDDLEWARE.index("mailsettings.middleware.PersonalLanguageMiddleware"), "mailsettings.middleware.TenantScopeMiddleware"
    )
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "mailsettings.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "login"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("login", "name", "email")},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = env.str("LANGUAGE_CODE", default="de")  # of workers and command line, and where the browser names none
LANGUAGES = [("de", _("German")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", default="Europe/Vienna")

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_KEEP_ONLY_HASHED_FILES = False

# Walls
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31536000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "frame-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# Celery carries wake-up calls with ids, never a mail; the database is the queue (delivery contract).
CELERY_BROKER_URL = REDIS_URL or "filesystem://localhost"
if REDIS_URL:
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "retry_on_timeout": False,
    }
else:
    _bell = VAR_DIR / "bell"
    _bell.mkdir(exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_bell),
        "data_folder_out": str(_bell),
        "control_folder": str(_bell / "control"),
        "polling_interval": 0.1,
    }
CELERY_TASK_DEFAULT_QUEUE = env.str("QUEUE", default="postausgang")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_POOL = "threads"  # the delivery engine is one thread of the worker's process; tasks only ring its bell
CELERY_WORKER_CONCURRENCY = 2
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "beat")
CELERY_BEAT_SCHEDULE = {
    "purge": {"task": "mailjobs.purge", "schedule": 3600.0},
    "drift watch": {"task": "diagnostics.watch_connections", "schedule": 600.0},
    "delay notices": {"task": "mailjobs.delay_notices", "schedule": 60.0},
}

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(message)s"}, "named": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "named"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {"django": {"level": "WARNING"}, "kombu": {"level": "WARNING"}, "fontTools": {"level": "ERROR"}},
}
