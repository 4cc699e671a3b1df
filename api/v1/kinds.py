"""The names that attribute kinds have on the wire, such as `float_series`."""

from runs.models import AttributeKind

_BY_NAME = {str(kind.label): kind for kind in AttributeKind}
KIND_NAMES = sorted(_BY_NAME)


def kind_by_name(name: str) -> AttributeKind:
    return _BY_NAME[name]
