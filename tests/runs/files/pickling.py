"""Makes files as torch.save does, without torch: a zip with `data.pkl` and a member per storage, or the old format."""

from __future__ import annotations

import io
import math
import pickle
import sys
import types
import zipfile
from collections import OrderedDict

_MODULES = {"torch": ("FloatStorage", "HalfStorage"), "torch._utils": ("_rebuild_tensor_v2",)}


class Torch:
    """A tensor that looks at the storage `key`, which has `elements` elements."""

    def __init__(self, kind: str, key: str, shape: tuple[int, ...], elements: int | None = None) -> None:
        self.kind, self.key, self.shape = kind, key, shape
        self.elements = math.prod(shape) if elements is None else elements

    def __reduce__(self):
        return _name("torch._utils", "_rebuild_tensor_v2"), (_Storage(self), 0, self.shape, (), False, OrderedDict())


class _Storage:
    def __init__(self, tensor: Torch) -> None:
        self.tensor = tensor


class _Pickler(pickle.Pickler):
    def __init__(self, output: io.BytesIO, *, is_legacy: bool) -> None:
        super().__init__(output, protocol=2)
        self.is_legacy = is_legacy

    def persistent_id(self, value: object) -> object:
        if not isinstance(value, _Storage):
            return None
        tensor = value.tensor
        identity = ("storage", _name("torch", tensor.kind), tensor.key, "cpu", tensor.elements)
        return (*identity, None) if self.is_legacy else identity


def _name(module: str, name: str) -> type:
    """A class that pickles as `module.name`."""
    return getattr(sys.modules[module], name)


def _dump(value: object, *, is_legacy: bool = False) -> bytes:
    """Pickles with stand-ins for torch in place; they are taken away again."""
    for module, names in _MODULES.items():
        stand_in = types.ModuleType(module)
        for name in names:
            setattr(stand_in, name, type(name, (), {"__module__": module}))
        sys.modules[module] = stand_in
    try:
        output = io.BytesIO()
        _Pickler(output, is_legacy=is_legacy).dump(value)
        return output.getvalue()
    finally:
        for module in _MODULES:
            del sys.modules[module]


def storage_zip(value: object = None, *, raw: bytes | None = None) -> bytes:
    """What torch.save(value) writes; `raw` stands in for data.pkl."""
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        archive.writestr("archive/data.pkl", _dump(value) if raw is None else raw)
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/data/0", b"\0" * 80)
        archive.writestr("archive/version", "3\n")
    return output.getvalue()


def legacy_file(value: object) -> bytes:
    """What torch.save(value, _use_new_zipfile_serialization=False) writes."""
    parts = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    pickles = b"".join(pickle.dumps(part, protocol=2) for part in parts)
    return pickles + _dump(value, is_legacy=True) + pickle.dumps(["0", "1"], protocol=2) + b"\0" * 1000
