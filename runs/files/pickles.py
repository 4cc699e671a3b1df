"""The structure of a pickle, read without executing it.

A pickle is a program for a small stack machine. This is such a machine that builds descriptions only: where the real
one would import a name, here stands `Global("os", "system")`, and where it would call something, a `Call` that says
what with.
"""

from __future__ import annotations

import math
import os
import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from runs.files.limits import Deadline, LimitedReader, LimitExceeded

MAX_OPCODES = 1_000_000

_MARK = object()


class BrokenPickle(Exception):
    """Not a pickle, or one that the real machine could not read either."""


@dataclass(frozen=True, slots=True)
class Global:
    """Something that loading would import."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Call:
    """What loading would make by calling `function`; `items`, `pairs` and `state` are put into the result later."""

    function: Any
    arguments: Any
    state: Any = None
    items: list[Any] = field(default_factory=list)
    pairs: list[tuple[Any, Any]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Mapping:
    """A dict; its keys may be descriptions, which have no hash."""

    pairs: list[tuple[Any, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Persistent:
    """A reference to something outside the pickle, such as a tensor's storage."""

    identity: Any


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that is not described further."""

    what: str


def read_pickle(stream: LimitedReader, deadline: Deadline, globals_found: set[Global]) -> Any:
    """Describe the pickle that begins at the stream's position, and leave the stream behind its end.

    Every name that loading would import is added to `globals_found`, as soon as it is seen: also of a pickle that turns
    out to be broken further on. Raises BrokenPickle, LimitExceeded, and what reading the stream raises.
    """
    machine = _Machine(globals_found)
    for count, (opcode, argument) in enumerate(_opcodes(stream)):
        if count >= MAX_OPCODES:
            raise LimitExceeded(f"it has more than {MAX_OPCODES} steps")
        if count % 1000 == 0:
            deadline.check()
        machine.step(opcode, argument)
        if opcode == "BUILD":
            _skip_array(stream, machine.result())
    return machine.result()


def _skip_array(stream: LimitedReader, built: Any) -> None:
    """joblib writes an array's bytes into the middle of the pickle, right behind the description of the array."""
    if not isinstance(built, Call) or built.function != Global("joblib.numpy_pickle", "NumpyArrayWrapper"):
        return
    try:
        state = {key: value for key, value in built.state.pairs if isinstance(key, str)}
        item_size = int(str(state["dtype"].arguments[0])[1:])
        size = math.prod(state["shape"]) * item_size
    except (AttributeError, KeyError, TypeError, ValueError, LookupError) as error:
        raise BrokenPickle("it holds an array of a kind that is not known") from error
    if state.get("numpy_array_alignment_bytes") is not None:
        size += int.from_bytes(stream.read(1), "little")
    if size < 0:
        raise BrokenPickle("it holds an array of negative size")
    stream.seek(size, os.SEEK_CUR)


def _opcodes(stream: LimitedReader) -> Iterator[tuple[str, Any]]:
    try:
        for opcode, argument, _ in pickletools.genops(stream):  # type: ignore[arg-type]
            yield opcode.name, argument
    except (ValueError, OverflowError, AttributeError, TypeError, LookupError, EOFError) as error:
        raise BrokenPickle(str(error).splitlines()[0][:200] if str(error) else "it ends too early") from error


class _Machine:
    def __init__(self, globals_found: set[Global]) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._globals = globals_found

    def result(self) -> Any:
        return self._stack[-1] if self._stack else None

    def step(self, name: str, argument: Any) -> None:
        try:
            if name in _LITERALS:
                self._stack.append(argument)
            elif name in _MAKERS:
                self._stack.append(_MAKERS[name]())
            else:
                handler = getattr(self, f"_{name.lower()}", None)
                if handler is None:
                    raise BrokenPickle(f"it has a step that is not known: {name}")
                handler(argument)
        except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise BrokenPickle("its steps do not fit together") from error

    def _import(self, module: Any, name: Any) -> Global:
        found = Global(_name(module), _name(name))
        self._globals.add(found)
        return found

    def _pop_to_mark(self) -> list[Any]:
        position = len(self._stack) - 1
        while self._stack[position] is not _MARK:
            position -= 1
            if position < 0:
                raise BrokenPickle("its steps do not fit together")
        items = self._stack[position + 1 :]
        del self._stack[position:]
        return items

    # --- what needs nothing but the stack ---
    def _nothing(self, _: Any) -> None:
        """PROTO, FRAME and STOP change no value."""

    _proto = _frame = _stop = _readonly_buffer = _nothing

    def _mark(self, _: Any) -> None:
        self._stack.append(_MARK)

    def _pop(self, _: Any) -> None:
        self._stack.pop()

    def _pop_mark(self, _: Any) -> None:
        self._pop_to_mark()

    def _dup(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    def _put(self, argument: Any) -> None:
        self._memo[int(argument)] = self._stack[-1]

    _binput = _long_binput = _put

    def _memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _get(self, argument: Any) -> None:
        self._stack.append(self._memo[int(argument)])

    _binget = _long_binget = _get

    def _next_buffer(self, _: Any) -> None:
        self._stack.append(Unknown("buffer outside the pickle"))

    # --- containers ---
    def _tuple(self, _: Any) -> None:
        self._stack.append(tuple(self._pop_to_mark()))

    def _tuple1(self, _: Any) -> None:
        self._stack[-1:] = [tuple(self._stack[-1:])]

    def _tuple2(self, _: Any) -> None:
        self._stack[-2:] = [tuple(self._stack[-2:])]

    def _tuple3(self, _: Any) -> None:
        self._stack[-3:] = [tuple(self._stack[-3:])]

    def _list(self, _: Any) -> None:
        self._stack.append(self._pop_to_mark())

    def _dict(self, _: Any) -> None:
        self._stack.append(Mapping(_pairs(self._pop_to_mark())))

    def _frozenset(self, _: Any) -> None:
        self._stack.append(self._pop_to_mark())

    def _append(self, _: Any) -> None:
        value = self._stack.pop()
        _extend(self._stack[-1], [value])

    def _appends(self, _: Any) -> None:
        values = self._pop_to_mark()
        _extend(self._stack[-1], values)

    _additems = _appends

    def _setitem(self, _: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        _set_items(self._stack[-1], [(key, value)])

    def _setitems(self, _: Any) -> None:
        pairs = _pairs(self._pop_to_mark())
        _set_items(self._stack[-1], pairs)

    # --- imports and calls ---
    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._stack.append(self._import(module, name))

    def _stack_global(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._stack.append(self._import(module, name))

    def _ext1(self, argument: Any) -> None:
        self._stack.append(self._import("copyreg extension", str(argument)))

    _ext2 = _ext4 = _ext1

    def _reduce(self, _: Any) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        self._stack.append(Call(function, arguments))

    _newobj = _reduce

    def _newobj_ex(self, _: Any) -> None:
        keywords, arguments, function = self._stack.pop(), self._stack.pop(), self._stack.pop()
        self._stack.append(Call(function, (arguments, keywords)))

    def _inst(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._stack.append(Call(self._import(module, name), tuple(self._pop_to_mark())))

    def _obj(self, _: Any) -> None:
        function, *arguments = self._pop_to_mark()
        self._stack.append(Call(function, tuple(arguments)))

    def _build(self, _: Any) -> None:
        state = self._stack.pop()
        if isinstance(self._stack[-1], Call):
            self._stack[-1].state = state

    def _persid(self, argument: Any) -> None:
        self._stack.append(Persistent(argument))

    def _binpersid(self, _: Any) -> None:
        self._stack.append(Persistent(self._stack.pop()))


_LITERAL_NAMES = (
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 "
    "BYTEARRAY8 UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8 FLOAT BINFLOAT"
)
_LITERALS = frozenset(_LITERAL_NAMES.split())
_MAKERS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": Mapping,
    "EMPTY_SET": list,
}


def _name(value: Any) -> str:
    """A module or name; one that the pickle computes instead of spelling it out can't be told."""
    return value if isinstance(value, str) else "(computed)"


def _pairs(items: list[Any]) -> list[tuple[Any, Any]]:
    if len(items) % 2:
        raise BrokenPickle("its steps do not fit together")
    return list(zip(items[::2], items[1::2], strict=True))


def _extend(target: Any, values: list[Any]) -> None:
    if isinstance(target, list):
        target.extend(values)
    elif isinstance(target, Call):
        target.items.extend(values)


def _set_items(target: Any, pairs: list[tuple[Any, Any]]) -> None:
    if isinstance(target, Mapping | Call):
        target.pairs.extend(pairs)
