"""Fitted objects as files that hold data alone: reading them runs no code of theirs.

What is not an array or an estimator is JSON; arrays are safetensors; scikit-learn's estimators
are a skops document, whose types are checked before any is made. Objects of fusemine are the name
of their class and their state, and only classes that are marked as storable are ever imported.

In the JSON, an object with one key stands for what is not plain: `{"tuple": [...]}`,
`{"array": "3"}`, `{"object": ["fusemine.tasks.fuse.blocks.B", {...}]}` and so on. Equal values give
equal bytes.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from fusemine.tasks.core.errors import ModelError, quote
from fusemine.tasks.core.pack.trusted import class_of, name_of
from fusemine.tasks.core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

Node: TypeAlias = Any
"""A JSON-ready value."""
VERSION = 1
TREE, ARRAYS, ESTIMATORS = "json", "safetensors", "skops"
PLAIN = (str, int, bool, type(None))
"""Types that JSON has itself."""
DTYPES = {
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64",
}  # fmt: skip


def pack(value: object) -> dict[str, bytes]:
    """The files of a value, by their suffix: `json`, and `safetensors` and `skops` if needed.

    A value is None, a bool, int, float, str or array, an estimator of scikit-learn or LightGBM,
    settings or another object of a storable class, or a list, tuple or dict of values.

    >>> pack({"weights": (0.5, None)})
    {'json': b'{"version":1,"value":{"dict":{"weights":{"tuple":[0.5,null]}}}}'}
    >>> unpack(pack({"weights": (0.5, None)}))
    {'weights': (0.5, None)}

    Raises:
        ModelError: Something in it is of another type.
    """
    packer = _Packer()
    tree = {"version": VERSION, "value": packer.node(value)}
    text = json.dumps(tree, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    files = {TREE: text.encode("utf-8", "surrogatepass")}
    if packer.arrays:
        from safetensors.numpy import save

        files[ARRAYS] = bytes(save(packer.arrays))
    if packer.estimators:
        from fusemine.tasks.core.pack.estimators import dump

        files[ESTIMATORS] = dump(packer.estimators)
    return files


def unpack(files: Mapping[str, bytes]) -> Any:
    """The value that `pack` made these files of.

    Raises:
        ModelError: A file is missing or damaged, or names a type that is not trusted.
    """
    with _reading("JSON"):
        tree = json.loads(files[TREE])
        version = tree["version"]
    if version != VERSION:
        raise _unreadable(f"version {quote(repr(version))}, where {VERSION} is known")
    unpacker = _Unpacker()
    if ARRAYS in files:
        from safetensors.numpy import load

        with _reading("arrays"):
            unpacker.arrays = load(files[ARRAYS])
    if ESTIMATORS in files:
        from fusemine.tasks.core.pack.estimators import load as load_estimators

        with _reading("estimators"):
            unpacker.estimators = load_estimators(files[ESTIMATORS])
    with _reading("objects"):
        return unpacker.value(tree["value"])


class _Packer:
    """Makes the JSON of a value, and collects its arrays and estimators."""

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}
        self.estimators: dict[str, Any] = {}
        self._names: dict[tuple[Any, ...], str] = {}
        self._writers: dict[type, Callable[[Any], Node]] = {
            float: lambda value: value if np.isfinite(value) else {"float": repr(value)},
            list: self._list,
            tuple: lambda value: {"tuple": self._list(value)},
            dict: self._dict,
            np.ndarray: self._array,
        }

    def node(self, value: Any) -> Node:
        """The JSON of a value."""
        if type(value) in PLAIN:
            return value
        writer = self._writers.get(type(value))
        return self._object(value) if writer is None else writer(value)

    def _list(self, values: list[Any] | tuple[Any, ...]) -> list[Node]:
        return [value if type(value) is str else self.node(value) for value in values]

    def _dict(self, values: dict[Any, Any]) -> Node:
        if all(type(key) is str for key in values):
            return {"dict": {key: self.node(value) for key, value in values.items()}}
        return {"pairs": [[self.node(key), self.node(value)] for key, value in values.items()]}

    def _array(self, array: NDArray[Any], kind: str = "array") -> Node:
        """Equal arrays are stored once; the order of an array, by row or by column, is kept."""
        if array.dtype.name not in DTYPES:
            raise _unwritable(f"an array of {array.dtype}")
        if array.flags.f_contiguous and not array.flags.c_contiguous:
            return {"columns": self._array(array.T)}
        content = np.asarray(array, order="C")
        key = (content.dtype.name, content.shape, sha256(content.tobytes()).digest())
        name = self._names.setdefault(key, str(len(self._names)))
        self.arrays[name] = content
        return {kind: name}

    def _object(self, value: Any) -> Node:
        from sklearn.base import BaseEstimator

        if isinstance(value, np.generic):
            return self._array(np.asarray(value), "scalar")
        if isinstance(value, BaseEstimator):
            return {"estimator": self._estimator(value)}
        name = name_of(type(value))
        if name is None:
            raise _unwritable(f"a {type(value).__module__}.{type(value).__qualname__}")
        if isinstance(value, Settings):
            return {"settings": [name, self.node(value.model_dump(mode="json"))]}
        return {"object": [name, self.node(_state(value))]}

    def _estimator(self, value: Any) -> str:
        """The name of an estimator, the same whenever it is the same object."""
        known = (name for name, estimator in self.estimators.items() if estimator is value)
        name = next(known, str(len(self.estimators)))
        self.estimators[name] = value
        return name


class _Unpacker:
    """Makes a value of its JSON."""

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}
        self.estimators: dict[str, Any] = {}
        self._readers: dict[str, Callable[[Any], Any]] = {
            "float": float,
            "tuple": lambda content: tuple(self.value(content)),
            "dict": lambda content: {key: self.value(node) for key, node in content.items()},
            "pairs": lambda content: {self.value(key): self.value(node) for key, node in content},
            "array": lambda name: self.arrays[name],
            "scalar": lambda name: self.arrays[name][()],
            "columns": lambda node: self.value(node).T,
            "estimator": lambda name: self.estimators[name],
            "settings": lambda content: _settings(content[0], self.value(content[1])),
            "object": lambda content: _restored(class_of(content[0]), self.value(content[1])),
        }

    def value(self, node: Node) -> Any:
        """The value of this JSON."""
        if type(node) is list:
            return [item if type(item) is str else self.value(item) for item in node]
        if type(node) is not dict:
            return node
        ((kind, content),) = node.items()
        return self._readers[kind](content)


def _state(value: Any) -> dict[str, Any]:
    """The state of an object, without what its cached properties hold."""
    kind, state = type(value), value.__getstate__() or {}
    return {
        k: v for k, v in state.items() if not isinstance(getattr(kind, k, None), cached_property)
    }


def _settings(name: str, values: dict[str, Any]) -> Settings:
    kind = class_of(name)
    if not issubclass(kind, Settings):
        raise _unreadable(f"settings of class {quote(name)}")
    return kind.model_validate(values)


def _restored(kind: type, state: dict[str, Any]) -> Any:
    """The object of this state; a frozen dataclass too."""
    value: Any = object.__new__(kind)
    if hasattr(value, "__setstate__"):
        value.__setstate__(state)
        return value
    if is_dataclass(kind) and {field.name for field in fields(kind)} != set(state):
        raise _unreadable(f"a {kind.__name__} of other fields: {quote(', '.join(sorted(state)))}")
    vars(value).update(state)
    return value


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Any error within the block is one in the file."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        why = quote(f"{type(error).__name__}: {error}")
        raise _unreadable(f"{what} that cannot be read ({why})") from error


def _unreadable(what: str) -> ModelError:
    return ModelError(
        got=f"a stored model with {what}",
        expected="the files of a model, as this version of fusemine writes them",
        fix="run the pipeline again: the model is then made again",
    )


def _unwritable(what: str) -> ModelError:
    return ModelError(
        got=f"{what} in a model that is to be stored",
        expected="plain values, arrays, estimators, and objects of classes marked as storable",
        fix="this is a fault in fusemine; please report it",
    )
