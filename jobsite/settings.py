"""The settings of the site. Every knob is an environment variable; `.env.example` explains each.

From a clean checkout the defaults run the site for this machine alone, on SQLite. A site is taken
to be public as soon as `ALLOWED_HOSTS` names a host that is not this machine; it is then served
over HTTPS only, with hashed static files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import django

from jobsite.environment import CHECKOUT, Environment
from jobsite.mail import older_settings
from jobsite.secret_key import local_secret_key

# Typed, so that the type checker knows it of `django.conf.settings` as well.
BASE_DIR: Path = CHECKOUT

env = Environment.of_site()
VAR_DIR = env.var_dir()

# Who may reach the site

LOOPBACK_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

DEBUG = env.flag("DEBUG", False)
ALLOWED_HOSTS = env.listing("ALLOWED_HOSTS", LOOPBACK_HOSTS)
CSRF_TRUSTED_ORIGINS = env.origins("CSRF_TRUSTED_ORIGINS")
LOCAL_ONLY = set(ALLOWED_HOSTS) <= set(LOOPBACK_HOSTS)

SECRET_KEY = env.require(
    "SECRET_KEY",
    env.text("SECRET_KEY", local_secret_key(VAR_DIR)),
    "set it to a long random text, or run `make setup`, which makes one in VAR_DIR",
)
SECRET_KEY_FALLBACKS = env.listing("SECRET_KEY_FALLBACKS")

# What is installed

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    # Before django_q: of two commands of one name the first app's counts, and qcluster is ours.
    "jobs",
    "conversations",
    "analytics",
    "django_q",
    "jobsite",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "jobsite.middleware.ContentSecurityPolicyMiddleware",
    "jobsite.static_files.StaticFilesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "jobsite.urls"
ASGI_APPLICATION = "jobsite.asgi.application"
WSGI_APPLICATION = "jobsite.wsgi.application"

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
            ],
        },
    },
]

# Where data is kept

database: dict[str, Any] = env.database(
    "DATABASE_URL", default=VAR_DIR / "jobsite.sqlite3", base=BASE_DIR
)
if database.get("ENGINE", "").endswith("sqlite3"):
    # WAL lets readers go on beside the one writer, and IMMEDIATE makes a writer wait for its turn
    # at the start of its transaction: a deferred one fails in the middle with "database is locked".
    database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    database["CONN_MAX_AGE"] = env.whole("DATABASE_MAX_AGE", 0)
    database["CONN_HEALTH_CHECKS"] = True
DATABASES = {"default": database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# django-q2's cluster states lie in this cache, so it has to be one that all processes see. Without
# Redis that is a folder: unlike a table it costs SQLite's only writer nothing.
REDIS_URL = env.url("REDIS_URL", ["redis", "rediss", "unix"])
CACHES: dict[str, dict[str, Any]]
if REDIS_URL:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
            "KEY_PREFIX": "jobsite",
        }
    }
else:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": VAR_DIR / "cache",
            "OPTIONS": {"MAX_ENTRIES": 10_000},
        }
    }

# Mail, as alerts and notifications send it

MAILERS = {"default": env.mailer("MAIL_URL", "smtp://localhost:25")}
if django.VERSION < (6, 1):
    globals().update(older_settings(MAILERS["default"]))
DEFAULT_FROM_EMAIL = env.text("MAIL_FROM", "jobsite@localhost")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# Background work

TASKS: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "jobs.backend.LedgerBackend", "QUEUES": []},
}
JOBS_RELEASE = env.text("JOBS_RELEASE")
JOBS_METRICS_TOKEN = env.text("JOBS_METRICS_TOKEN")
JOBS_TRANSPORT = env.choice("JOBS_TRANSPORT", "database", ["database", "sync"])
job_timeout = env.whole("JOBS_TIMEOUT", 300, at_least=1)
JOBS_POOLS = {
    "default": {
        "queues": [
            "critical",
            "high",
            "default",
            "webhooks",
            "notifications",
            "ai",
            "analytics",
            "low",
        ],
        "processes": env.whole("JOBS_WORKERS", 2, at_least=1),
        "timeout": job_timeout,
    },
}
# Encrypt the sensitive arguments of jobs. Without one a job that has such arguments is refused.
JOBS_ENCRYPTION_KEYS = env.listing("JOBS_ENCRYPTION_KEYS")
Q_CLUSTER = {
    "name": "jobsite",
    "label": "django-q2",
    "broker_class": "jobs.django_q2.broker.LedgerBroker",
    "workers": JOBS_POOLS["default"]["processes"],
    "timeout": job_timeout,
    # Ours never redeliver by a timer; django-q2 only warns when this is not above its timeout.
    "retry": job_timeout + 60,
    "catch_up": False,
}

# Language and time

LANGUAGE_CODE = "en-us"
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.time_zone("TIME_ZONE", "UTC")

# Pages, passwords and static files

LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

STATIC_URL = "static/"
# A site for this machine alone is served from the packages' own folders, without `collectstatic`.
STATIC_ROOT = None if LOCAL_ONLY else VAR_DIR / "static"
WHITENOISE_USE_FINDERS = LOCAL_ONLY
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if LOCAL_ONLY
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}

# Security

HTTPS = env.flag("HTTPS", not LOCAL_ONLY)
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health/"]
SECURE_HSTS_SECONDS = env.whole("HSTS_SECONDS", 2_592_000) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
if env.flag("BEHIND_PROXY", False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
X_FRAME_OPTIONS = "DENY"

# Logs

LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"])
TASKS_LEVEL = "WARNING" if LOG_LEVEL == "INFO" else LOG_LEVEL
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line"},
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        # Its own console handler, there while DEBUG is on, would print each line a second time.
        "django": {"level": LOG_LEVEL, "handlers": []},
        "jobs": {"level": LOG_LEVEL},
        # Named here so that django-q2 does not fit a console handler of its own beside ours.
        "django-q": {"level": LOG_LEVEL, "handlers": ["console"], "propagate": False},
        # On Django 6 these would else mail ADMINS for each failed job, as children of `django`.
        # What they say of every job at INFO would bury the rest.
        "django.tasks": {"level": TASKS_LEVEL, "handlers": ["console"], "propagate": False},
        "django_tasks": {"level": TASKS_LEVEL, "handlers": ["console"], "propagate": False},
    },
}

env.finish()
