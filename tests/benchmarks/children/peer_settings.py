"""The Django project in which the peers run: django-post-office, django-mailer, and Celery with Django's own mail."""

import json
import os

import environ

SECRET_KEY = "only-for-benchmarks-" + "x" * 50
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "post_office", "mailer"]
DATABASES = {"default": environ.Env.db_url_config(os.environ["DATABASE_URL"])}
DATABASES["default"]["CONN_MAX_AGE"] = 60  # as ours
MEDIA_ROOT = os.environ["VAR_DIR"]  # django-post-office keeps attachments as files

EMAIL_HOST = "127.0.0.1"
EMAIL_PORT = int(os.environ.get("BENCHMARK_SMTP_PORT", "0"))
DEFAULT_FROM_EMAIL = "office@kanzlei-huber.example"
POST_OFFICE = json.loads(os.environ.get("BENCHMARK_POST_OFFICE", "{}"))
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]

CELERY_BROKER_URL = os.environ["REDIS_URL"]
CELERY_TASK_DEFAULT_QUEUE = os.environ.get("QUEUE", "mail")
CELERY_TASK_IGNORE_RESULT = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {name: {"level": "WARNING", "handlers": [], "propagate": True} for name in ("post_office", "mailer")},
}
