"""Estimators of scikit-learn and LightGBM as one skops document, the same bytes for the same ones.

skops writes the state of each object and makes it again without pickle, of types that are trusted.
A document of unknown origin can therefore run no code of its own; trees with wild indices could
still make scikit-learn crash.
"""

from __future__ import annotations

import io
import json
import warnings
from typing import Any
from zipfile import ZipFile, ZipInfo

from fusemine.tasks.core.errors import quote
from fusemine.tasks.core.pack.trusted import ESTIMATORS, untrusted

SCHEMA = "schema.json"


def _skops() -> Any:
    """skops, without its own list of trusted types, which is every estimator there is.

    To make that list it imports all of scikit-learn, and with it torch and pytest, which takes
    seconds. The list of `fusemine.tasks.core.pack.trusted` is shorter, and all that is needed.
    """
    import sklearn.utils

    every, sklearn.utils.all_estimators = sklearn.utils.all_estimators, list
    try:
        import skops.io
    finally:
        sklearn.utils.all_estimators = every
    return skops.io


# At the top of the module: only one thread at a time imports it.
skops_io = _skops()


def dump(estimators: dict[str, Any]) -> bytes:
    """The document of named estimators.

    Raises:
        ModelError: They are, or hold, something that could not be loaded again.
    """
    document = skops_io.dumps(estimators)
    _check_types(document, "estimators that are to be stored")
    return _same_bytes(document)


def load(document: bytes) -> dict[str, Any]:
    """The named estimators of a document, whose scikit-learn should be of the same version.

    Raises:
        ModelError: They are, or hold, something that is not trusted.
    """
    from sklearn.exceptions import InconsistentVersionWarning

    _check_types(document, "a stored model")
    with warnings.catch_warnings():
        # The caller checks the version, once and not for each object.
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        loaded: dict[str, Any] = skops_io.loads(document, trusted=sorted(ESTIMATORS))
    return loaded


def _check_types(document: bytes, what: str) -> None:
    strange = set(skops_io.get_untrusted_types(data=document)) - ESTIMATORS
    if strange:
        types = ", ".join(map(quote, sorted(strange)))
        raise untrusted(
            f"{what} with types that are not trusted: {types}",
            "only types that fusemine.tasks.core.pack.trusted lists",
        )


def _same_bytes(document: bytes) -> bytes:
    """The document without what differs between runs: addresses of objects, and the time."""
    with ZipFile(io.BytesIO(document)) as source:
        files: dict[bytes, str] = {}
        schema = _renamed(json.loads(source.read(SCHEMA)), source, files)
    written = io.BytesIO()
    with ZipFile(written, "w") as target:
        for content, name in files.items():
            target.writestr(ZipInfo(name), content)
        target.writestr(ZipInfo(SCHEMA), json.dumps(schema, separators=(",", ":")))
    return written.getvalue()


def _renamed(node: Any, source: ZipFile, files: dict[bytes, str]) -> Any:
    """A part of the schema whose files are named by number, equal ones by the same number."""
    if isinstance(node, list):
        return [_renamed(item, source, files) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _renamed(item, source, files) for key, item in node.items() if key != "__id__"}
    if isinstance(node.get("file"), str):
        kept["file"] = files.setdefault(_content(source, node["file"]), f"{len(files)}.npy")
    return kept


def _content(source: ZipFile, name: str) -> bytes:
    """An array's file; the bytes between fields, which are never set, become zero."""
    import numpy as np

    content = source.read(name)
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype.names is None:
        return content
    raw = np.zeros(array.nbytes, dtype=np.uint8)
    clean = raw.view(array.dtype).reshape(array.shape)
    for field in array.dtype.names:
        clean[field] = array[field]
    return content[: len(content) - len(raw)] + raw.tobytes()
