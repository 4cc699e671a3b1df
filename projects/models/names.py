"""Which names organizations, projects and project keys may have.

They stand in addresses and in the clients' `organization/project` identifiers, so separators, spaces and look-alike
characters are refused.
"""

from django.core.validators import RegexValidator

NAME_MAX_LENGTH = 100
KEY_MAX_LENGTH = 12

# The first parts of the site's own addresses: an organization of that name would hide a page or be hidden by one.
RESERVED_NAMES = frozenset(
    [
        "account",
        "accounts",
        "admin",
        "api",
        "auth",
        "e",
        "get_my_api_token",
        "healthz",
        "help",
        "login",
        "logout",
        "new",
        "o",
        "organizations",
        "p",
        "projects",
        "readyz",
        "runs",
        "search",
        "settings",
        "share",
        "signup",
        "static",
        "media",
        "metrics",
    ]
)

validate_name = RegexValidator(
    r"^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z",
    "Use letters, digits, '.', '_' and '-', beginning and ending with a letter or digit.",
    code="invalid_name",
)
validate_key = RegexValidator(
    r"^[A-Z][A-Z0-9]*\Z", "Use capital letters and digits, beginning with a letter.", code="invalid_key"
)
