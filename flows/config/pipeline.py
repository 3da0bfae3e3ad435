"""The pipeline.yaml as one frozen model, composed from the stages' settings."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    BaseModel,
    Field,
    SerializeAsAny,
    ValidationError,
    create_model,
    model_validator,
)

from fusemine.flows.config.document import BYTES, read_yaml
from fusemine.flows.config.ownership import Owner
from fusemine.flows.config.quality import QualitySettings
from fusemine.tasks.core.errors import SettingsError, StageError, quote
from fusemine.tasks.core.partition import PartitionSettings
from fusemine.tasks.core.settings import Settings
from fusemine.tasks.core.storage.store import Store, store_at
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.serving.settings import ModelSettings
from fusemine.tasks.sources.files import FilesSettings
from fusemine.tasks.sources.kinds import KINDS, any_source
from fusemine.tasks.sources.pattern import Pattern
from fusemine.tasks.sources.source import SourceSettings
from fusemine.tasks.table.roles import Columns

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from fusemine.tasks.core.stage import Stage

VERSION = 1


SHOWN = 20
"""Mistakes that are described at once."""
# Texts may have several lines; what names a file or something on a server has one.
_IN_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_IN_NO_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_HALVES = re.compile(r"[\ud800-\udfff]")
_NAMES = {"name", "root", "path", "corrections", "registry", "model", "api_key_env"}
_OF_ANY_CHARACTER = {"separator"}
RENAMED = {"cluster": "topics", "anomaly": "anomalies"}
"""Sections by the names that they had in earlier versions."""
Kind = TypeVar("Kind", bound=Settings)


class Sections(Settings):
    """A table with text and what to mine in it; the stages' sections come behind these."""

    not_shown = frozenset({"root", "gaps", "quality", "retention"})

    version: Literal[1]
    """Version of this file's form."""
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60)
    """Short name in lower case, with hyphens."""
    title: str | None = None
    """Heading of the report."""
    notes: str | None = None
    """What readers of the report should know about the data."""
    root: str = "artifacts"
    """Folder of all artifacts, relative to the pipeline.yaml; a folder named after the pipeline
    is made in it."""
    source: SourceSettings
    columns: Columns
    partition: PartitionSettings = PartitionSettings()
    window: Annotated[int, Field(ge=1, strict=True)] | Literal["all"] = "all"
    """How many partitions a run mines, up to its own; `all` of them by default."""
    gaps: Literal["prepare", "report"] = "prepare"
    """What a run does with partitions of its window that are not prepared yet: it prepares them,
    or mines without them and says so in the report."""
    quality: QualitySettings = QualitySettings()
    retention: timedelta = Field(default=timedelta(days=30), ge=timedelta(0))
    """How long `fusemine prune` keeps what no last complete run was made of (ISO 8601)."""

    @model_validator(mode="after")
    def _fit_the_columns(self) -> Sections:
        for section in self.sections():
            section.check_columns(self.columns)
        return self

    def sections(self) -> list[Settings]:
        """All sections, in order."""
        values = (getattr(self, name) for name in type(self).model_fields)
        return [value for value in values if isinstance(value, Settings)]

    def places(self) -> dict[str, str]:
        """Each column that is named somewhere, by the place in the YAML that names it."""
        return {at: name for section in self.sections() for at, name in section.places().items()}

    def section(self, kind: type[Kind]) -> Kind:
        """The section of a kind of settings."""
        return next(section for section in self.sections() if isinstance(section, kind))

    def at(self, place: str) -> Any:
        """What stands at a place such as `columns` or `partition.timezone`."""
        value: Any = self
        for part in place.split("."):
            value = None if value is None else getattr(value, part)
        return value


def check_section(stage: Stage) -> None:
    """Refuse a stage whose section of the pipeline.yaml is another's.

    Raises:
        StageError: It is.
    """
    if stage.name in {*Sections.model_fields, "models"}:
        raise StageError(
            got=f"section {stage.name!r} of {stage.modules[0]} and of {Sections.__module__}",
            expected="one owner each",
            fix="correct fusemine.tasks.graph",
        )


def _sections() -> dict[str, Any]:
    """The stages' sections, in order; that of the models comes before the report's."""
    fields: dict[str, Any] = {}
    for stage in GRAPH:
        if stage.gathers:
            fields["models"] = (ModelSettings, ModelSettings())
        if stage.settings is not None:
            check_section(stage)
            fields[stage.name] = (stage.settings, stage.settings())
    return fields


Pipeline = create_model("Pipeline", __base__=Sections, source=(any_source(), ...), **_sections())
"""A whole pipeline.yaml."""


class Loaded(BaseModel):
    """A pipeline and the place of its file, which relative paths start from."""

    pipeline: SerializeAsAny[Sections]
    path: Path

    @property
    def base(self) -> Path:
        """Folder of the pipeline.yaml."""
        return self.path.parent

    @property
    def root(self) -> Path:
        """Folder of the pipeline's artifacts."""
        return self.base / self.pipeline.root / self.pipeline.name

    @property
    def store(self) -> Store:
        """Where the pipeline keeps its artifacts."""
        return store_at(str(self.root))

    @property
    def owner(self) -> Owner:
        """The pipeline as the owner of its root."""
        return Owner(self.store, self.path, self.pipeline.source)

    @property
    def calendar(self) -> PartitionSettings | None:
        """How the table is cut; None if it has no time."""
        return None if self.pipeline.columns.time is None else self.pipeline.partition


def load_pipeline(path: Path) -> Loaded:
    """Read and check a pipeline.yaml, and whose its root is.

    Raises:
        SettingsError: It is not there, not YAML, or says something that cannot be, or its root
            belongs to another pipeline.
    """
    loaded = read_pipeline(path)
    loaded.owner.check()
    _refuse_own_rows(loaded)
    return loaded


def _refuse_own_rows(loaded: Loaded) -> None:
    """Refuse a source that names artifacts of the pipeline itself, which would be read as rows."""
    source = loaded.pipeline.source
    if not isinstance(source, FilesSettings):
        return
    own = Pattern(source.path, loaded.base, lenient=True).files_below(loaded.root)
    if own:
        raise SettingsError(
            got=f"source.path {source.path!r}, which names files below the root {loaded.root}, "
            f"such as {own[0].name}",
            expected="rows that fusemine has not written itself",
            fix="let source.path start at a folder of the source alone, such as inbox/**/*.parquet",
        )


def read_pipeline(path: Path) -> Loaded:
    """Read and check a pipeline.yaml, wherever its root is.

    Raises:
        SettingsError: It is not there, not YAML, or says something that cannot be.
    """
    path = path.resolve()
    try:
        with path.open(encoding="utf-8") as file:
            tree, values = read_yaml(file.read(BYTES + 1))
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, type(error).__name__) from error
    except (yaml.YAMLError, ValueError) as error:
        raise _unreadable(path, " ".join(str(error).split())) from error
    if not isinstance(values, dict):
        raise _unreadable(path, "no mapping of settings at its top")
    _refuse_twice(tree, path)
    _refuse_controls(tree, path)
    try:
        pipeline = Pipeline.model_validate(values)
    except ValidationError as error:
        raise _invalid(error, tree, path) from error
    return Loaded(pipeline=pipeline, path=path)


def _unreadable(path: Path, why: str) -> SettingsError:
    return SettingsError(
        got=f"{path}: {why}",
        expected="a readable pipeline.yaml",
        fix="name the file, or write one with: fusemine init TABLE",
    )


def _refuse_twice(node: yaml.Node | None, path: Path) -> None:
    """YAML would silently let the last of two equal keys win."""
    if isinstance(node, yaml.MappingNode):
        names = Counter(str(key.value) for key, _ in node.value)
        for key, value in node.value:
            if names[str(key.value)] > 1:
                raise SettingsError(
                    got=f"{path.name}:{key.start_mark.line + 1}: {key.value!r} for the second time",
                    expected="each setting once",
                    fix="remove one of the two",
                )
            _refuse_twice(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_twice(value, path)


def _refuse_controls(
    node: yaml.Node | None, path: Path, name: str = "", forbidden: re.Pattern[str] = _IN_NO_TEXT
) -> None:
    """Refuse what no file, server or terminal takes in a text: controls, halves of characters."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            own = _HALVES if key.value == "columns" else forbidden  # files name them as they like
            _refuse_controls(key, path, "", forbidden)
            _refuse_controls(value, path, str(key.value), own)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_controls(value, path, name, forbidden)
    elif isinstance(node, yaml.ScalarNode) and name not in _OF_ANY_CHARACTER:
        forbidden = _IN_NO_NAME if name in _NAMES else forbidden
        if found := forbidden.search(node.value):
            raise SettingsError(
                got=f"{path.name}:{node.start_mark.line + 1}: {quote(ascii(node.value))}, with the "
                f"character {found[0]!a}",
                expected="text that can be printed and stored as UTF-8",
                fix="remove that character",
            )


def _invalid(error: ValidationError, tree: yaml.Node | None, path: Path) -> SettingsError:
    errors = error.errors(include_url=False)
    problems = [_describe(problem, tree, path) for problem in errors[:SHOWN]]
    return SettingsError(
        got="\n       ".join(dict.fromkeys(got for got, _ in problems)),
        expected="the settings that `fusemine schema` describes",
        fix="; ".join(dict.fromkeys(fix for _, fix in problems)),
    )


def _describe(problem: ErrorDetails, tree: yaml.Node | None, path: Path) -> tuple[str, str]:
    """What is wrong at which place, and what to do."""
    parts = problem["loc"]
    # The section `source` is a union: behind its name stands the branch, which is the kind.
    location = _location(parts[:1] + parts[2:] if parts[:1] == ("source",) else parts, tree)
    place = ".".join(str(part) for part in location) or "the file"
    where = f"{path.name}:{_line(tree, location)}: {place}"
    kind = problem["type"]
    if kind == "extra_forbidden":
        if len(location) == 1 and location[0] in RENAMED:
            return f"{where} is not a setting", f"it is called {RENAMED[str(location[0])]!r} now"
        valid = _valid_names(parts[:-1])
        close = get_close_matches(str(location[-1]), valid, n=1, cutoff=0.5)
        fix = f"did you mean {close[0]!r}?" if close else f"remove it; known: {', '.join(valid)}"
        return f"{where} is not a setting", fix
    if kind == "missing":
        return f"{where} is missing", f"add {place}"
    why = problem["msg"].removeprefix("Value error, ")
    if not location:  # settings that do not go together
        return f"{path.name}: {why}", "correct one of these settings"
    shown = repr(problem["input"])[:60]
    return f"{where} is {shown}: {why}", f"correct {place}"


def _location(parts: tuple[int | str, ...], tree: yaml.Node | None) -> list[int | str]:
    """The part of pydantic's location that is in the file; the rest names branches of a union."""
    location: list[int | str] = []
    node = tree
    for part in parts:
        if not isinstance(node, yaml.MappingNode | yaml.SequenceNode):
            break
        if isinstance(node, yaml.SequenceNode) and isinstance(part, str):
            continue
        location.append(part)
        node = _child(node, part)[1]
    return location


def _child(node: yaml.Node | None, part: int | str) -> tuple[int, yaml.Node | None]:
    """The line and the value of an item or a key, or line 0 where there is none."""
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        value = node.value[part]
        return value.start_mark.line + 1, value
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark.line + 1, value
    return 0, None


def _valid_names(parts: tuple[int | str, ...]) -> list[str]:
    model: Any = Pipeline
    if parts[:1] == ("source",):
        model, parts = KINDS[str(parts[1])].settings, parts[2:]
    for part in parts:
        field = model.model_fields.get(str(part)) if hasattr(model, "model_fields") else None
        model = _model_in(field.annotation) if field is not None else None
        if model is None:
            return []
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = getattr(annotation, "__args__", ())
    return next((model for part in inner if (model := _model_in(part)) is not None), None)


def _line(node: yaml.Node | None, location: list[int | str]) -> int:
    """The line of a place in the file, or of the nearest thing around it."""
    line = 1
    for part in location:
        found, node = _child(node, part)
        line = found or line
    return line


def schema_json() -> str:
    """The JSON Schema of a pipeline.yaml."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(schema | Pipeline.model_json_schema(), indent=1, ensure_ascii=False)
