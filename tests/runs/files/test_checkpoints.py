"""What checkpoints hold, told without loading any of it."""

from __future__ import annotations

import io
import json
import pickle
import random
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from runs.files import checkpoints
from runs.files.checkpoints import inspect_checkpoint
from runs.files.media_types import sniff
from runs.models import StoredFile
from runs.services.files import store_bytes
from runs.services.previews import describe_checkpoint
from tests.runs.files.pickling import Torch, legacy_file, storage_zip

_events: list[str] | None = None


def _note_event(event: str, arguments: tuple[object, ...]) -> None:
    if _events is not None and event in {"pickle.find_class", "os.system", "os.exec", "subprocess.Popen"}:
        _events.append(event)


sys.addaudithook(_note_event)


@pytest.fixture(autouse=True)
def _nothing_is_loaded():
    """Whatever a test inspects, no unpickler imports a name and nothing is executed."""
    global _events
    _events = []
    yield
    seen, _events = _events, None
    assert seen == []


def facts(data: bytes) -> dict[str, Any]:
    found = inspect_checkpoint(io.BytesIO(data), len(data), sniff(data[:4096])).as_json()
    json.dumps(found, allow_nan=False).encode()
    return found


def tensors(found: dict[str, Any]) -> list[tuple[str, str, list[int]]]:
    return [(each["name"], each["dtype"], each["shape"]) for each in found["tensors"]]


STATE = OrderedDict({"0.weight": Torch("FloatStorage", "0", (20, 10)), "0.bias": Torch("FloatStorage", "1", (20,))})


def test_a_state_dict_shows_its_tensors():
    found = facts(storage_zip(STATE))
    assert found["format"] == "PyTorch"
    assert found["problem"] == ""
    assert tensors(found) == [("0.weight", "float32", [20, 10]), ("0.bias", "float32", [20])]
    assert (found["elements"], found["bytes"], found["imports"]) == (220, {"float32": 880}, [])


def test_a_whole_checkpoint_shows_values_and_what_belongs_to_model_and_optimizer():
    moments = {0: {"step": Torch("FloatStorage", "2", ()), "exp_avg": Torch("HalfStorage", "3", (20, 10))}}
    content = {
        "epoch": 3,
        "best": float("nan"),
        "note": "a\x00b\ud800",
        "big": 2**80,
        "model": STATE,
        "optimizer": {"state": moments},
    }
    found = facts(storage_zip(content))
    assert found["groups"] == {"model": 220, "optimizer": 201}
    assert found["bytes"] == {"float16": 400, "float32": 884}
    assert ("optimizer.state.0.exp_avg", "float16", [20, 10]) in tensors(found)
    values = dict(found["values"])
    assert (values["epoch"], values["best"], values["big"]) == (3, "nan", str(2**80))
    assert values["note"].isprintable()


def test_shared_memory_counts_once():
    whole, part = Torch("FloatStorage", "0", (5, 5)), Torch("FloatStorage", "0", (2, 5), 25)
    content = {"a": whole, "tied": Torch("FloatStorage", "0", (5, 5)), "part": part}
    found = facts(storage_zip(content))
    assert found["tensor_count"] == 3
    assert (found["elements"], found["bytes"]) == (25, {"float32": 100})


def test_the_old_format_of_torch_is_read_too():
    found = facts(legacy_file(STATE))
    assert found["format"] == "PyTorch (before 1.6)"
    assert tensors(found) == [("0.weight", "float32", [20, 10]), ("0.bias", "float32", [20])]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_in_a_pickle_are_found(protocol):
    data = pickle.dumps({"w": np.arange(10.0), "m": [np.ones((2, 3), np.float32)], "n": 1}, protocol=protocol)
    found = facts(data)
    assert tensors(found) == [("w", "float64", [10]), ("m.0", "float32", [2, 3])]
    assert found["values"] == [["n", 1]]
    assert found["imports"] == []


def test_numpy_files_show_their_headers():
    one, many = io.BytesIO(), io.BytesIO()
    np.save(one, np.zeros((3, 4), np.int16))
    np.savez(many, x=np.arange(5), y=np.ones((2, 2)), z=np.array([None], dtype=object))
    assert tensors(facts(one.getvalue())) == [("array", "int16", [3, 4])]
    found = facts(many.getvalue())
    assert tensors(found)[:2] == [("x", "int64", [5]), ("y", "float64", [2, 2])]
    assert "pickled objects" in found["notes"][0]


def safetensors(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def test_safetensors_show_tensors_and_notes():
    header = {"__metadata__": {"format": "pt"}, "w": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}}
    found = facts(safetensors(header, b"\0" * 12))
    assert tensors(found) == [("w", "bfloat16", [2, 3])]
    assert (found["bytes"], found["values"]) == ({"bfloat16": 12}, [["format", "pt"]])


@pytest.mark.parametrize(
    "data",
    [
        (2**63).to_bytes(8, "little") + b"{",
        (9 * 1024**2).to_bytes(8, "little") + b"{" + b" " * 100,
        safetensors(b"{" * 5000),
        safetensors({"w": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 0]}}),
        safetensors({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 99]}}),
        safetensors({"w": 5}),
        safetensors([]),
        safetensors(b'{"w": \xff}'),
    ],
    ids=range(8),
)
def test_a_broken_safetensors_file_is_said_in_words(data):
    found = inspect_checkpoint(io.BytesIO(data), len(data), "application/x-safetensors").as_json()
    assert str(found["problem"]).startswith("Could not inspect: ")


@pytest.mark.parametrize("head", [b"\x89HDF\r\n\x1a\n", b"GGUF\x03\0\0\0", b"\x08\x08\x12\x07pytorch\x1a"])
def test_formats_that_we_do_not_read_are_called_not_examined(head):
    assert facts(head + b"\0" * 100)["problem"] == "Not examined further."


class Calls:
    """Pickles as a call of any function with any arguments; nothing here is ever loaded."""

    def __init__(self, function: Callable[..., object] | str, *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def call(module: str, name: str, argument: bytes = b"X\x04\x00\x00\x00true", protocol: bytes = b"\x80\x02") -> bytes:
    return protocol + b"c" + module.encode() + b"\n" + name.encode() + b"\n" + argument + b"\x85R."


def short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


STACK_GLOBAL = b"\x80\x04" + short("os") + short("system") + b"\x93" + short("true") + b"\x85R."
POPPED = b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R0N."
HOSTILE: dict[str, tuple[bytes, str]] = {
    "os.system": (call("os", "system"), "os.system"),
    "posix.system": (call("posix", "system"), "posix.system"),
    "nt.system": (call("nt", "system"), "nt.system"),
    "eval": (call("builtins", "eval"), "builtins.eval"),
    "exec": (call("builtins", "exec"), "builtins.exec"),
    "python 2": (call("__builtin__", "eval"), "__builtin__.eval"),
    "compile": (call("builtins", "compile"), "builtins.compile"),
    "getattr": (call("builtins", "getattr"), "builtins.getattr"),
    "import": (call("builtins", "__import__"), "builtins.__import__"),
    "open": (call("builtins", "open"), "builtins.open"),
    "subprocess": (call("subprocess", "Popen"), "subprocess.Popen"),
    "runpy": (call("runpy", "run_path"), "runpy.run_path"),
    "pip": (call("pip", "main"), "pip.main"),
    "nested pickle": (call("pickle", "loads"), "pickle.loads"),
    "torch.load": (call("torch", "load"), "torch.load"),
    "torch hub": (call("torch.hub", "load"), "torch.hub.load"),
    "storage bytes": (call("torch.storage", "_load_from_bytes"), "torch.storage._load_from_bytes"),
    "dotted name": (call("torch", "serialization.os.system"), "torch.serialization.os.system"),
    "dotted in a harmless module": (call("collections", "OrderedDict.__class__"), "collections.OrderedDict.__class__"),
    "network": (call("urllib.request", "urlopen"), "urllib.request.urlopen"),
    "bdb": (call("bdb", "Bdb.run"), "bdb.Bdb.run"),
    "asyncio": (call("asyncio.unix_events", "X._start"), "asyncio.unix_events.X._start"),
    "stack global": (STACK_GLOBAL, "os.system"),
    "name computed": (b"\x80\x04N" + short("system") + b"\x93.", "(computed).system"),
    "result thrown away": (POPPED, "os.system"),
    "inst": (b"\x80\x02(X\x04\x00\x00\x00trueios\nsystem\n.", "os.system"),
    "obj": (b"\x80\x02(cos\nsystem\nX\x04\x00\x00\x00trueo.", "os.system"),
    "newobj": (b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85\x81.", "os.system"),
    "build": (b"\x80\x02cos\nsystem\n)\x81}b.", "os.system"),
    "memo": (b"\x80\x02cos\nsystem\nq\x050h\x05X\x04\x00\x00\x00true\x85R.", "os.system"),
    "extension": (b"\x80\x02\x82\x01X\x04\x00\x00\x00true\x85R.", "copyreg extension.1"),
    "second pickle": (pickle.dumps({"a": 1}, protocol=2) + call("os", "system"), "os.system"),
    "broken behind": (POPPED[:-1] + b"\xff\xff", "os.system"),
    "no end": (POPPED[:-2], "os.system"),
    "wrapped": (pickle.dumps({"w": [Calls(breakpoint)]}, protocol=4), "builtins.breakpoint"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "name"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_pickle_is_never_shown_as_harmless(data, name):
    assert name in facts(data)["imports"]


@pytest.mark.parametrize(("data", "name"), HOSTILE.values(), ids=HOSTILE.keys())
def test_nor_is_one_inside_a_checkpoint(data, name):
    found = facts(storage_zip(raw=data))
    assert name in found["imports"] or data == HOSTILE["second pickle"][0]  # which is not read there by anybody


def test_the_watch_over_unpickling_notices_it():
    global _events
    pickle.loads(pickle.dumps(OrderedDict()))  # noqa: S301 - our own bytes
    seen, _events = _events, []
    assert seen == ["pickle.find_class"]


@pytest.mark.parametrize("spoil", ["checksum", "local name", "encrypted flag", "cut"])
def test_a_zip_that_only_torch_would_still_read_is_not_called_clean(spoil):
    """Scanners that stop at a zip error have called such files clean."""
    data = bytearray(storage_zip(raw=HOSTILE["os.system"][0]))
    central = data.rindex(b"PK\x01\x02")
    if spoil == "checksum":
        data[central + 16 : central + 20] = b"\0\0\0\0"
        data[14:18] = b"\0\0\0\0"
    elif spoil == "local name":
        data[30:35] = b"other"
    elif spoil == "encrypted flag":
        data[central + 8] |= 1
    else:
        del data[-30:]
    found = inspect_checkpoint(io.BytesIO(bytes(data)), len(data), "application/x-pytorch").as_json()
    assert found["imports"] or str(found["problem"]).startswith("Could not inspect")


def bomb_of_steps() -> bytes:
    return b"\x80\x02" + b"N0" * 600_000 + b"N."


def bomb_of_doubling() -> bytes:
    """A list that holds the one before twice, a hundred times over."""
    lists = (b"](h" + bytes([n]) + b"h" + bytes([n]) + b"e\x94" for n in range(100))
    return b"\x80\x04]\x94" + b"".join(lists) + b"."


BOMBS = {
    "steps": bomb_of_steps(),
    "doubling": bomb_of_doubling(),
    "length": b"\x80\x04\x8e" + (2**62).to_bytes(8, "little") + b"x",
    "length of text": b"\x80\x04\x8d" + (2**40).to_bytes(8, "little") + b"x",
    "number": b"\x80\x02\x8b" + (2**31 - 1).to_bytes(4, "little") + b"x",
    "digits": b"\x80\x02L" + b"9" * 100_000 + b"L\n.",
    "nested": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "stack": b"\x80\x020000.",
    "unknown memo": b"\x80\x02h\x07.",
    "array of joblib": (
        b"\x80\x02cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}X\x05\x00\x00\x00shapeJ\xff\xff\xff\xff\x85sb."
    ),
}  # fmt: skip


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_is_no_more_than_a_remark(data):
    found = facts(data)
    assert found["tensor_count"] == 0


def test_a_zip_bomb_is_not_unpacked():
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a/data.pkl", "w") as member:
        member.write(b"\x80\x02")
        for _ in range(100):
            member.write(b"B\x00\x00\x10\x00" + b"\0" * 1024**2 + b"0")
    found = facts(output.getvalue())
    assert found["problem"].startswith("Could not inspect")


def test_too_many_members_are_not_looked_at(monkeypatch):
    monkeypatch.setattr(checkpoints, "MAX_MEMBERS", 3)
    assert "members" in facts(storage_zip(STATE))["problem"]


def test_damaged_checkpoints_give_facts_or_a_reason_and_nothing_else():
    chance = random.Random(11)  # noqa: S311
    originals = [storage_zip(STATE), legacy_file(STATE), pickle.dumps({"w": np.arange(5.0)}, protocol=4)]
    for _ in range(600):
        original = chance.choice(originals)
        data = bytearray(original)
        for _ in range(chance.randint(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        media_type = sniff(original[:4096])
        cut = bytes(data[: chance.choice([len(data), len(data) // 2])])
        json.dumps(inspect_checkpoint(io.BytesIO(cut), len(cut), media_type).as_json(), allow_nan=False)


def test_what_was_found_is_kept_with_the_file(run):
    file = store_bytes(run, [storage_zip(STATE)])
    assert file.media_type == "application/x-pytorch"
    describe_checkpoint(file)
    assert StoredFile.objects.get().facts["elements"] == 220
