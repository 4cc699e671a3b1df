"""Finds tensors, arrays and plain values in the description of a pickle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runs.files.facts import CheckpointFacts, Tensor
from runs.files.limits import Deadline, LimitExceeded
from runs.files.pickles import Call, Global, Mapping, Persistent

MAX_NODES = 1_000_000
MAX_DEPTH = 100

_STORAGE_DTYPES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "QInt8Storage": "qint8",
    "QUInt8Storage": "quint8",
    "QInt32Storage": "qint32",
}
_BUILTINS = "bool bytearray bytes complex dict float frozenset int list range set slice str tuple"
# Names that make values and nothing else, by module. Everything that is not here is reported.
_HARMLESS: dict[str, str] = {
    "torch": (
        "bfloat16 bool complex128 complex32 complex64 double float float16 float32 float64 float8_e4m3fn "
        "float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu half int int16 int32 int64 int8 long qint32 qint8 "
        "quint2x4 quint4x2 quint8 short uint16 uint32 uint64 uint8 Size Tensor device per_tensor_affine "
        "per_channel_affine " + " ".join(_STORAGE_DTYPES)
    ),
    "torch._utils": (
        "_rebuild_device_tensor_from_numpy _rebuild_meta_tensor_no_storage _rebuild_nested_tensor _rebuild_parameter "
        "_rebuild_parameter_with_state _rebuild_qtensor _rebuild_sparse_tensor _rebuild_tensor _rebuild_tensor_v2 "
        "_rebuild_tensor_v3"
    ),
    "torch.storage": "TypedStorage UntypedStorage",
    "torch.nn.parameter": "Parameter Buffer",
    "torch.serialization": "_get_layout",
    "collections": "OrderedDict Counter",
    "builtins": _BUILTINS,
    "__builtin__": _BUILTINS,
    "numpy": "ndarray dtype",
    "numpy.core.multiarray": "_reconstruct scalar",
    "numpy._core.multiarray": "_reconstruct scalar",
    "numpy.core.numeric": "_frombuffer",
    "numpy._core.numeric": "_frombuffer",
    "joblib.numpy_pickle": "NumpyArrayWrapper",
    "_codecs": "encode",
    "datetime": "date datetime timedelta timezone",
}
HARMLESS = frozenset((module, name) for module, names in _HARMLESS.items() for name in names.split())


def report_imports(facts: CheckpointFacts, found: set[Global]) -> None:
    """Note what loading would import beyond HARMLESS."""
    facts.imports = sorted({str(name) for name in found if (name.module, name.name) not in HARMLESS})


def report_values(facts: CheckpointFacts, described: Any, deadline: Deadline) -> None:
    """Note tensors and arrays with the names they have inside nested containers, and plain values of the outermost."""
    seen: set[int] = set()
    waiting: list[tuple[str, Any, int]] = [("", described, 0)]
    for count in range(MAX_NODES):
        if not waiting:
            return
        if count % 1000 == 0:
            deadline.check()
        name, value, depth = waiting.pop()
        tensor = _tensor(name, value)
        if tensor is not None:
            facts.tensors.append(tensor)
        elif isinstance(value, bool | int | float | str) and depth == 1:
            facts.values.append((name, value))
        elif id(value) not in seen and depth < MAX_DEPTH:
            seen.add(id(value))
            children = [(_join(name, key), child, depth + 1) for key, child in _children(value)]
            waiting += reversed(children)
    raise LimitExceeded(f"it holds more than {MAX_NODES} values")


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    """What a container holds, with keys. Objects show the attributes they would get, as state_dict names them."""
    if isinstance(value, list | tuple):
        yield from ((str(index), item) for index, item in enumerate(value))
    elif isinstance(value, Mapping):
        yield from _named(value.pairs)
    elif isinstance(value, Call):
        yield from _named(value.pairs)
        yield from ((str(index), item) for index, item in enumerate((*value.items, *_sequence(value.arguments))))
        for part in (value.state, *_sequence(value.state)):
            if isinstance(part, Mapping):
                yield from _named(part.pairs)


def _sequence(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else ()


def _named(pairs: list[tuple[Any, Any]]) -> Iterator[tuple[str, Any]]:
    # A module keeps what belongs to it in these; its own state_dict leaves them out of the names.
    for key, value in pairs:
        yield ("" if key in ("_parameters", "_buffers", "_modules") else _key(key)), value


def _key(key: Any) -> str:
    return str(key) if isinstance(key, str | int | float | bool) else "(key)"


def _join(name: str, key: str) -> str:
    return f"{name}.{key}" if name and key else name or key


def _tensor(name: str, value: Any) -> Tensor | None:
    if not isinstance(value, Call) or not isinstance(value.function, Global):
        return None
    if not isinstance(value.arguments, tuple):
        return None
    try:
        return _BY_FUNCTION.get(value.function.name, _nothing)(name, value)
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def _nothing(name: str, call: Call) -> None:
    return None


def _torch_tensor(name: str, call: Call) -> Tensor | None:
    """_rebuild_tensor_v2(storage, offset, size, stride, …); v3 has the dtype behind, as a global."""
    storage, _, size = call.arguments[:3]
    if not isinstance(storage, Persistent) or not isinstance(storage.identity, tuple):
        return None
    _, kind, key, _, elements = storage.identity[:5]
    dtype = _STORAGE_DTYPES.get(kind.name, kind.name.removesuffix("Storage").lower())
    shape = _shape(size)
    if call.function.name == "_rebuild_tensor_v3" or kind.name == "UntypedStorage":
        dtype = next(
            (each.name for each in call.arguments if isinstance(each, Global) and each.module == "torch"), dtype
        )
        return Tensor(name, dtype, shape, ("storage", str(key)), _product(shape))
    return Tensor(name, dtype, shape, ("storage", str(key)), int(elements))


def _wrapped_tensor(name: str, call: Call) -> Tensor | None:
    """_rebuild_parameter(tensor, …)"""
    return _tensor(name, call.arguments[0])


def _shape(value: Any) -> tuple[int, ...]:
    lengths = value.arguments[0] if isinstance(value, Call) else value  # torch.Size((2, 3)) or (2, 3)
    if not isinstance(lengths, tuple | list) or not all(isinstance(each, int) and each >= 0 for each in lengths):
        raise ValueError("no shape")
    return tuple(lengths)


def _product(shape: tuple[int, ...]) -> int:
    result = 1
    for length in shape:
        result *= length
    return result


def _numpy_array(name: str, call: Call) -> Tensor | None:
    """_reconstruct(type, …) with the state (version, shape, dtype, is_fortran, bytes)"""
    _, shape, dtype = call.state[:3]
    lengths = _shape(shape)
    return Tensor(name, _numpy_dtype(dtype), lengths, id(call), _product(lengths))


def _numpy_buffer(name: str, call: Call) -> Tensor | None:
    """_frombuffer(bytes, dtype, shape, order)"""
    lengths = _shape(call.arguments[2])
    return Tensor(name, _numpy_dtype(call.arguments[1]), lengths, id(call), _product(lengths))


def _joblib_array(name: str, call: Call) -> Tensor | None:
    """A NumpyArrayWrapper: its state names shape and dtype; the bytes follow the pickle's step."""
    state = {key: value for key, value in call.state.pairs if isinstance(key, str)}
    lengths = _shape(state["shape"])
    return Tensor(name, _numpy_dtype(state["dtype"]), lengths, id(call), _product(lengths))


_NUMPY_KINDS = {
    "f": "float",
    "i": "int",
    "u": "uint",
    "c": "complex",
    "b": "bool",
    "O": "object",
    "S": "bytes",
    "U": "str",
}


def _numpy_dtype(value: Any) -> str:
    """numpy.dtype("f8", …) as float64"""
    if isinstance(value, Call) and isinstance(value.arguments, tuple) and value.arguments:
        return numpy_name(str(value.arguments[0]))
    return "unknown"


def numpy_name(code: str) -> str:
    """`<f8` as float64, `|b1` as bool; other codes as they are."""
    bare = code.lstrip("<>|=")
    kind, digits = bare[:1], bare[1:]
    if kind == "b":
        return "bool"
    if kind in "fiuc" and digits.isdecimal():
        return f"{_NUMPY_KINDS[kind]}{int(digits[:4]) * 8}"
    return _NUMPY_KINDS.get(kind, code)


_BY_FUNCTION = {
    "_rebuild_tensor": _torch_tensor,
    "_rebuild_tensor_v2": _torch_tensor,
    "_rebuild_tensor_v3": _torch_tensor,
    "_rebuild_qtensor": _torch_tensor,
    "_rebuild_parameter": _wrapped_tensor,
    "_rebuild_parameter_with_state": _wrapped_tensor,
    "_reconstruct": _numpy_array,
    "_frombuffer": _numpy_buffer,
    "NumpyArrayWrapper": _joblib_array,
}
