"""Settings: the only module that reads the environment. Every name is explained in `.env.example`."""

from __future__ import annotations

import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

PACKAGE_DIR = Path(__file__).resolve().parent
BASE_DIR = PACKAGE_DIR.parent
env = environ.Env()
if (BASE_DIR / ".env").is_file():
    env.read_env(BASE_DIR / ".env")


def bundled(name: str) -> Path:
    """Return a folder of the checkout, or its copy inside the installed wheel."""
    inside = PACKAGE_DIR / f"_{name}"
    return inside if inside.is_dir() else BASE_DIR / name


def read_secret(name: str) -> str:
    """Read a secret from NAME or from the file that NAME_FILE names; empty when neither is set."""
    path = env.str(f"{name}_FILE", default="")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE={path} cannot be read: {error.strerror}") from error
    return str(env.str(name, default=""))


def local_secret(folder: Path) -> str:
    """Return the secret kept in the data folder, made at first use, so that a local start needs no setting."""
    path = folder / "secret-key"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(50), encoding="utf-8")
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"The data folder {folder} cannot be written ({error.strerror}). Set ECSCONSOLE_VAR_DIR to one that can."
        ) from error


VAR_DIR = Path(env.str("ECSCONSOLE_VAR_DIR", default=str(Path.cwd() / "var"))).resolve()
DEBUG = env.bool("DEBUG", default=False)
# Production is the default: plain HTTP and a secret made on the spot are asked for by name.
# The folder of a demo, which the demo has marked, says it too, so that its commands need no second word; but never for
# a console that has a secret of its own.
OWN_SECRET = read_secret("SECRET_KEY")
LOCAL = env.bool("ECSCONSOLE_LOCAL", default=not OWN_SECRET and (VAR_DIR / "demo-data").exists())
SECRET_KEY = OWN_SECRET or (local_secret(VAR_DIR) if LOCAL or DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set. Set SECRET_KEY or SECRET_KEY_FILE, or ECSCONSOLE_LOCAL=1; for a command beside a demo "
        "name its data folder by ECSCONSOLE_VAR_DIR, such as var/demo."
    )
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    # First, so that its createsuperuser, which writes to the ledger, is found before Django's.
    "ecsconsole",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_filters",
    "django_htmx",
    "django_structlog",
    "template_partials",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.mfa",
    "axes",
    "csp",
    "audit",
    "access",
    "live",
    "notifications",
    "clusters",
    "logs",
    "deployments",
    "api",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "access.middleware.SessionLimitMiddleware",
    "access.middleware.SignInRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "ecsconsole.logging.RequestLogMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "access.middleware.AccessMiddleware",
    "access.middleware.FactorRequiredMiddleware",
    "ecsconsole.characters.CharactersMiddleware",
    "ecsconsole.errors.ErrorPageMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "ecsconsole.urls"
ASGI_APPLICATION = "ecsconsole.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [bundled("templates")],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "ecsconsole.http.shell",
            ],
        },
    }
]

# SQLite in the data folder unless DATABASE_URL names PostgreSQL.
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'ecsconsole.sqlite3'}")
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # IMMEDIATE takes the write lock at BEGIN, so that two writers wait for each other instead of failing.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=134217728;",
    }
elif DATABASE_POOL := env.int("DATABASE_POOL", default=16):
    DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {"min_size": 1, "max_size": DATABASE_POOL}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", default="redis://127.0.0.1:6379/0")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "ec",
    }
}

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_MINIMUM = 12
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": PASSWORD_MINIMUM},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "fleet"
LOGOUT_REDIRECT_URL = "sign-in"
AXES_FAILURE_LIMIT = env.int("SIGN_IN_FAILURE_LIMIT", default=5)
AXES_COOLOFF_TIME = timedelta(minutes=env.int("SIGN_IN_COOLOFF_MINUTES", default=15))
# Locking the pair, not the name alone: nobody can lock a colleague out from elsewhere.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_ENABLE_ADMIN = False
AXES_LOCKOUT_CALLABLE = "access.views.locked_out"
AXES_IPWARE_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0) or None

# Single sign-on by OpenID Connect; off without an issuer.
OIDC_ISSUER = env.str("OIDC_ISSUER", default="")
OIDC_CLIENT_ID = env.str("OIDC_CLIENT_ID", default="")
OIDC_CLIENT_SECRET = read_secret("OIDC_CLIENT_SECRET")
OIDC_NAME = env.str("OIDC_NAME", default="single sign-on")
OIDC_SCOPES = env.str("OIDC_SCOPES", default="openid profile email").split()
OIDC_GROUPS_CLAIM = env.str("OIDC_GROUPS_CLAIM", default="groups")
if OIDC_ISSUER:
    if not (OIDC_CLIENT_ID and OIDC_CLIENT_SECRET):
        raise ImproperlyConfigured("OIDC_ISSUER is set; set OIDC_CLIENT_ID and OIDC_CLIENT_SECRET as well.")
    if not OIDC_ISSUER.startswith("https://") and not LOCAL:
        raise ImproperlyConfigured(f"OIDC_ISSUER={OIDC_ISSUER} is not https: anybody between could sign in.")
    if len(OIDC_ISSUER) > 200:
        raise ImproperlyConfigured("OIDC_ISSUER is longer than 200 characters; accounts are kept under it.")
    if "openid" not in OIDC_SCOPES:
        raise ImproperlyConfigured("OIDC_SCOPES lacks openid; without it there is no word on who signs in.")
SOCIALACCOUNT_REQUESTS_TIMEOUT = 10

# Of whom a second factor is asked: none, all, or roles.
MFA_REQUIRED = [name for name in env.list("MFA_REQUIRED", default=["none"]) if name != "none"]
MFA_ADAPTER = "access.factors.adapter.FactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
# One step to either side: phones' clocks drift.
MFA_TOTP_TOLERANCE = 1
# Wrong codes are limited by person, as wrong passwords are by name and address.
ACCOUNT_RATE_LIMITS = {
    "login_failed": f"{AXES_FAILURE_LIMIT}/{int(AXES_COOLOFF_TIME.total_seconds() // 60)}m/key"
}

SESSION_IDLE = timedelta(minutes=env.int("SESSION_IDLE_MINUTES", default=60))
SESSION_ABSOLUTE = timedelta(hours=env.int("SESSION_ABSOLUTE_HOURS", default=12))
# How old a sign-in may be for an act on production; a console on one's own machine asks once a working day.
STEP_UP = timedelta(minutes=env.int("STEP_UP_MINUTES", default=8 * 60 if LOCAL else 15))
# Whether more than looking at production is granted by two people.
ACCESS_SECOND_PERSON = env.bool("ACCESS_SECOND_PERSON", default=not LOCAL)
SESSION_COOKIE_AGE = int(SESSION_ABSOLUTE.total_seconds())
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "ecsconsole.errors.csrf_failure"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if not LOCAL:
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
    SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    if env.bool("BEHIND_TLS_PROXY", default=False):
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "object-src": [NONE],
    }
}

STATIC_URL = "static/"
STATICFILES_DIRS = [bundled("static")]
STATIC_ROOT = VAR_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = LOCAL or DEBUG
if LOCAL:
    # Made empty: whitenoise warns of a folder that is not there, and locally the finders serve.
    STATIC_ROOT.mkdir(parents=True, exist_ok=True)
WHITENOISE_AUTOREFRESH = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if LOCAL or DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Outcomes live in our own rows, so that a flushed Redis loses nothing.
CELERY_TASK_IGNORE_RESULT = True
# A page that enqueues must not wait for a broker that went away; by default the second message waits six seconds.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "ops"
CELERY_TASK_ROUTES = {
    "clusters.tasks.*": {"queue": "poll"},
    "logs.tasks.*": {"queue": "poll"},
    # It waits for CloudTrail's two calls a second, and a rollback must not wait behind it.
    "deployments.tasks.find_identities": {"queue": "poll"},
    "deployments.tasks.*": {"queue": "ops"},
    "audit.tasks.*": {"queue": "ops"},
    "notifications.tasks.*": {"queue": "ops"},
}
CELERY_TASK_TIME_LIMIT = 60
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 3
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")

# Poll intervals in seconds: services that change or are looked at, all others, and a walk of the whole inventory.
POLL_HOT_SECONDS = env.float("POLL_HOT_SECONDS", default=3.0)
POLL_QUIET_SECONDS = env.float("POLL_QUIET_SECONDS", default=30.0)
POLL_FULL_SECONDS = env.float("POLL_FULL_SECONDS", default=300.0)
# A service that has not been read for this long is shown as unknown.
STALE_AFTER_SECONDS = env.float("STALE_AFTER_SECONDS", default=60.0)
# Share of the account's API budget that the console may use; AWS's own console and CI need the rest.
AWS_BUDGET_SHARE = env.float("AWS_BUDGET_SHARE", default=0.5)
# Each token may ask this often; following a change with ?wait= costs one request a minute.
API_REQUESTS_PER_MINUTE = env.int("API_REQUESTS_PER_MINUTE", default=300)
AWS_REGIONS = env.list("ECSCONSOLE_REGIONS", default=[])

# Signs the ledger's checkpoints. A local console makes its own beside, not in, the database.
LEDGER_KEY_FILE = env.str("LEDGER_KEY_FILE", default=str(VAR_DIR / "ledger-key.pem"))
LEDGER_KEY_IS_MADE = (LOCAL or DEBUG) and "LEDGER_KEY_FILE" not in env
LEDGER_COPY_DIR = env.str("LEDGER_COPY_DIR", default="")
LEDGER_COPY_S3 = env.str("LEDGER_COPY_S3", default="")
LEDGER_COPY_S3_REGION = env.str("LEDGER_COPY_S3_REGION", default="")
LEDGER_COPY_S3_ROLE_ARN = env.str("LEDGER_COPY_S3_ROLE_ARN", default="")
LEDGER_COPY_S3_EXTERNAL_ID = env.str("LEDGER_COPY_S3_EXTERNAL_ID", default="")
LEDGER_COPY_LOCK_MODE = env.str("LEDGER_COPY_LOCK_MODE", default="COMPLIANCE")
LEDGER_COPY_KEEP = timedelta(days=env.int("LEDGER_COPY_KEEP_DAYS", default=400))
LEDGER_COPY_ENTRIES = env.bool("LEDGER_COPY_ENTRIES", default=True)
if LEDGER_COPY_S3 and not (LEDGER_COPY_S3.startswith("s3://") and LEDGER_COPY_S3_REGION):
    raise ImproperlyConfigured(
        f"LEDGER_COPY_S3={LEDGER_COPY_S3} must be s3://bucket/prefix, and LEDGER_COPY_S3_REGION the bucket's region."
    )
if LEDGER_COPY_LOCK_MODE not in {"COMPLIANCE", "GOVERNANCE"}:
    raise ImproperlyConfigured(
        f"LEDGER_COPY_LOCK_MODE={LEDGER_COPY_LOCK_MODE} is not known. Use COMPLIANCE or GOVERNANCE."
    )

# Where people reach the console: messages sent elsewhere link to it.
CONSOLE_URL = env.str("CONSOLE_URL", default="").rstrip("/")
if CONSOLE_URL and not CONSOLE_URL.startswith(("https://", "http://")):
    raise ImproperlyConfigured(
        f"CONSOLE_URL={CONSOLE_URL} must begin with https:// and hold no path but its own."
    )
# Hosts that webhooks may name although they are on a private network, or plain http.
NOTIFICATION_ALLOW_HOSTS = env.list("NOTIFICATION_ALLOW_HOSTS", default=[])
# The server may need a password, so the whole address may come from a file.
EMAIL_URL = read_secret("EMAIL_URL")
HAS_EMAIL = bool(EMAIL_URL)
try:
    # Without a server nothing is sent, and a channel that tries says so.
    globals().update(environ.Env.email_url_config(EMAIL_URL or "dummymail://"))
except KeyError as error:
    raise ImproperlyConfigured(
        "EMAIL_URL is not known. Use smtp://, smtp+tls:// or smtps://user:password@host:port."
    ) from error
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="ecsconsole@localhost")

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOG_FORMAT = env.str("LOG_FORMAT", default="console" if LOCAL else "json")
if LOG_FORMAT not in {"console", "json"}:
    raise ImproperlyConfigured(f"LOG_FORMAT={LOG_FORMAT} is not known. Use console or json.")
LOGGING_CONFIG = "ecsconsole.logging.configure"
LOGGING: dict[str, Any] = {"level": LOG_LEVEL, "format": LOG_FORMAT}
