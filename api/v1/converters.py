"""What may stand in the API's addresses; anything else is an unknown address."""

from django.urls.converters import StringConverter

from projects.models.names import NAME_MAX_LENGTH


class NameConverter(StringConverter):
    """The name of an organization or a project."""

    regex = rf"[A-Za-z0-9._-]{{1,{NAME_MAX_LENGTH}}}"


class NumberConverter:
    """An id that fits the database's integers."""

    regex = "[0-9]{1,18}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)
