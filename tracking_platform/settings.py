"""Settings, read from the environment; every name is listed in docs/reference/settings.md.

The embedded default (nothing set) keeps all state under DATA_DIR: SQLite, files on disk and a broker made of files.
"""

import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

import django_stubs_ext
import environ
from django.core.exceptions import ImproperlyConfigured

from tracking_platform.storage import file_storage

os.umask(0o077)  # whatever is written, in whatever folder, is this user's alone

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()


def _number(name: str, default: int, lowest: int, highest: int) -> int:
    try:
        value: int = env.int(name, default=default)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number.") from None
    if not lowest <= value <= highest:
        raise ImproperlyConfigured(f"{name} must lie between {lowest} and {highest}.")
    return value


django_stubs_ext.monkeypatch()  # lets generic Django classes be subscripted: ModelAdmin[Run]

DEBUG = env.bool("DEBUG", default=False)
DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)

HOST = env.str("HOST", default="127.0.0.1")
PORT = _number("PORT", 8000, 1, 65_535)
TLS_CERTIFICATE, TLS_KEY = (
    str(Path(_file).resolve()) if (_file := env.str(_name, default="")) else ""
    for _name in ("TLS_CERTIFICATE", "TLS_KEY")
)
if bool(TLS_CERTIFICATE) != bool(TLS_KEY):
    raise ImproperlyConfigured("TLS_CERTIFICATE and TLS_KEY belong together: set both or neither.")
for _name, _file in (("TLS_CERTIFICATE", TLS_CERTIFICATE), ("TLS_KEY", TLS_KEY)):
    if _file and not Path(_file).is_file():
        raise ImproperlyConfigured(f"{_name}={_file} is not a file.")


def _own_address() -> str:
    scheme = "https" if TLS_CERTIFICATE else "http"
    host = "127.0.0.1" if HOST in {"0.0.0.0", "::"} else HOST  # noqa: S104 - compared, not bound
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{PORT}"


# The address people and clients use: absolute links and API tokens are made from it, never from a Host header.
BASE_URL = env.str("BASE_URL", default="").rstrip("/") or _own_address()
_base = urlsplit(BASE_URL)
if _base.scheme not in {"http", "https"} or not _base.hostname or _base.path:
    raise ImproperlyConfigured("BASE_URL must be an origin such as https://tracking.example.org, without a path.")


def _secret_key() -> str:
    """SECRET_KEY from the environment, else a generated one kept in DATA_DIR (mode 0600)."""
    given: str = env.str("SECRET_KEY", default="")
    if given:
        if len(given) < 32:
            raise ImproperlyConfigured("SECRET_KEY must have at least 32 characters.")
        return given
    path = DATA_DIR / "secret-key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    key = secrets.token_urlsafe(64)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(key)
        stream.flush()
        os.fsync(stream.fileno())
    return key


SECRET_KEY = _secret_key()

_LOCAL_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=sorted({_base.hostname, *_LOCAL_HOSTS}))
if "*" in ALLOWED_HOSTS and not DEBUG:
    raise ImproperlyConfigured("ALLOWED_HOSTS must name the hosts; '*' is refused unless DEBUG is on.")
if DEBUG and HOST not in {"127.0.0.1", "::1", "localhost"}:
    raise ImproperlyConfigured("DEBUG may only be on when HOST is a loopback address.")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[BASE_URL])

INSTALLED_APPS = [
    "web",  # before the admin, whose templates it overrides
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "tracking_platform",
    "projects",
    "runs",
    "api",
]

MIDDLEWARE = [
    "tracking_platform.middleware.RequestLogMiddleware",
    "tracking_platform.middleware.ResponseHeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "tracking_platform.middleware.BrowserSessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "tracking_platform.middleware.BrowserAuthenticationMiddleware",
    "tracking_platform.middleware.BrowserMessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "tracking_platform.urls"
WSGI_APPLICATION = "tracking_platform.wsgi.application"
APPEND_SLASH = False  # a redirected POST would lose its body, and the official clients follow redirects

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "web.context.appearance",
            ],
        },
    },
]

# --- database ---------------------------------------------------------------------------------------------------------
DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'database.sqlite3'}")}
DATABASES["default"].update(CONN_MAX_AGE=None, CONN_HEALTH_CHECKS=True)
IS_EMBEDDED = DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3"
if IS_EMBEDDED:
    DATABASES["default"]["ENGINE"] = "tracking_platform.sqlite"
    # FULL: an acknowledged write survives a power cut. IMMEDIATE: a transaction takes the write lock as it starts and
    # waits its turn instead of failing half-way with "database is locked".
    # Tests meet the same kind of file, not a database in memory, which knows neither WAL nor a second connection.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test-database.sqlite3")}
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 30,
        "transaction_mode": "IMMEDIATE",
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY;"
        ),
    }
elif DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    DATABASES["default"]["ENGINE"] = "tracking_platform.postgresql"
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)
    # Compiling a statement takes longer than any of ours runs: searches of runs were measured to spend 0.3 s on it.
    DATABASES["default"]["OPTIONS"].setdefault("options", "-c jit=off")
else:
    raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL (postgres://…) or SQLite (sqlite:///…) database.")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- processes --------------------------------------------------------------------------------------------------------
# SQLite has one writer at a time, and a second web process was measured to gain nothing.
WEB_WORKERS = _number("WEB_WORKERS", 1 if IS_EMBEDDED else min(os.cpu_count() or 1, 4), 1, 64)
TASK_PROCESSES = _number("TASK_PROCESSES", 1 if IS_EMBEDDED else 2, 1, 64)
# PostgreSQL pays for every connection, so all processes together keep to CONNECTIONS unless the numbers are set: one
# for each request thread, for each of the two kinds of stream threads, for the thread that commits for others, for the
# signal sockets, for each task process.
CONNECTIONS = 32
_of_a_worker = (CONNECTIONS - TASK_PROCESSES) // WEB_WORKERS - 2
WEB_STREAM_THREADS = _number("WEB_STREAM_THREADS", min(max(_of_a_worker // 4, 1), 4), 1, 256)
WEB_THREADS = _number("WEB_THREADS", min(max(_of_a_worker - 2 * WEB_STREAM_THREADS, 2), 8), 1, 256)

# --- keeping data -----------------------------------------------------------------------------------------------------
TRASH_DAYS = _number("TRASH_DAYS", 30, 0, 36_500)

# --- tables of many runs ----------------------------------------------------------------------------------------------
TABLE_MEMORY_MB = _number("TABLE_MEMORY_MB", 128, 0, 65_536)

# --- broker and tasks -------------------------------------------------------------------------------------------------
REDIS_URL = env.str("REDIS_URL", default="")
BROKER_DIR = DATA_DIR / "broker"
CELERY_BROKER_URL = REDIS_URL or "filesystem://"
if not REDIS_URL:
    for _folder in ("messages", "processed", "control"):
        (BROKER_DIR / _folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(BROKER_DIR / "messages"),
        "data_folder_out": str(BROKER_DIR / "messages"),
        "processed_folder": str(BROKER_DIR / "processed"),
        "control_folder": str(BROKER_DIR / "control"),
        "store_processed": False,
        # The worker sleeps this long whenever it may not take a message, so also after each task: with the default of a
        # second it does one task a second, and the flush of series waits behind every uploaded picture.
        "polling_interval": 0.1,
    }
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_SOFT_TIME_LIMIT = 240
CELERY_TASK_TIME_LIMIT = 300
# A process that runs tasks keeps its connection for so many of them: to make one anew every few seconds would cost
# PostgreSQL more than most tasks. celery.py looks before each task whether it still works.
CELERY_DB_REUSE_MAX = 1000
# The database knows what is to be done; these look for it. A message that waited past its turn is dropped, so that a
# worker which was away does not find a queue of them.
CELERY_BEAT_SCHEDULE = {
    name: {"task": task, "schedule": seconds, "options": {"expires": max(seconds * 2, 10)}}
    for name, task, seconds in [
        ("flush series", "runs.tasks.flush_series", 5.0),
        ("find unfinished processing", "runs.tasks.requeue_processing", 30.0),
        ("remove abandoned uploads", "runs.tasks.remove_abandoned_uploads", 600.0),
        ("purge the trash", "runs.tasks.purge_trash", 600.0),
        ("apply retention rules", "runs.tasks.apply_retention", 600.0),
        ("remove unreferenced files", "runs.tasks.remove_unreferenced_files", 3600.0),
        ("show that tasks run", "tracking_platform.tasks.beat", 10.0),
    ]
}

# --- accounts ---------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "projects.User"
# The first start makes this account. Without a given password it makes one and writes it to DATA_DIR/first-run.env.
ADMIN_USER = env.str("ADMIN_USER", default="admin")
ADMIN_PASSWORD = env.str("ADMIN_PASSWORD", default="")
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "web:login"
LOGIN_REDIRECT_URL = "web:home"
LOGOUT_REDIRECT_URL = "web:login"
_is_https = _base.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _is_https
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# Browsers remember it: switch it on when https is there to stay.
SECURE_HSTS_SECONDS = _number("HSTS_SECONDS", 0, 0, 10**9)
# A proxy in front that ends TLS says so in this header; trust it only where that proxy sets it on every request.
if env.bool("BEHIND_TLS_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "SAMEORIGIN"
# Left to the operator: other hosts below the domain (W005), the browsers' preload list (W021). The server speaks one
# scheme, so there is nothing to redirect (W008). Our own pages frame previews of files (W019).
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W019", "security.W021"]

# --- language and time ------------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

# --- files ------------------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / ".build" / "static"
FRONTEND_DIR = BASE_DIR / ".build" / "frontend"  # third-party browser libraries, put there by the set-up
STATICFILES_DIRS = [("vendor", FRONTEND_DIR)] if FRONTEND_DIR.is_dir() else []
STORAGE_URL = env.str("STORAGE_URL", default="")
STORAGES = {
    "default": file_storage(STORAGE_URL, DATA_DIR / "files", env),
    "staticfiles": {"BACKEND": "tracking_platform.staticfiles.HashedModulesStorage"},
}
MEDIA_ROOT = ""
# Bodies are read by our own readers, each with its own limit (api/body.py); Django's must not cut them short.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
FILE_UPLOAD_TEMP_DIR = str(DATA_DIR / "tmp")
Path(FILE_UPLOAD_TEMP_DIR).mkdir(mode=0o700, exist_ok=True)

# --- log --------------------------------------------------------------------------------------------------------------
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
if LOG_LEVEL not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
    raise ImproperlyConfigured("LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR.")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"()": "tracking_platform.log.RedactingFormatter"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        # Our own line for each request says the same and more (tracking_platform.middleware).
        "django.request": {"level": "ERROR"},
        "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "celery": {"level": "WARNING"},
        "kombu": {"level": "ERROR"},
        "botocore": {"level": "WARNING"},
        "PIL": {"level": "WARNING"},
    },
}

# --- API --------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "NUM_PROXIES": _number("NUM_PROXIES", 0, 0, 10),
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Tracking Platform API",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "ENUM_NAME_OVERRIDES": {
        "AttributeKind": "api.v1.kinds.KIND_NAMES",
        "ContainerKind": ["run", "project", "model", "model_version"],
        "RunState": ["running", "stalled", "finished", "failed", "stopped"],
        "SignalKind": ["stop", "abort"],
    },
    "PREPROCESSING_HOOKS": ["tracking_platform.schema.only_native_api"],
}
