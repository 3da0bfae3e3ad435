"""The roles of a table's columns: what every stage needs to know about the user's table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from fusemine.tasks.core.errors import SettingsError, nearest
from fusemine.tasks.core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable


TEXT, CATEGORY, NUMBER = "text.", "category.", "number."
"""Prefixes of the columns of the clean table that are named after the user's columns."""
LabelKind = Literal["class", "number"]


def _as_mapping(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_as_list)]


class TimeColumn(Settings):
    """The time of an event: a column and the formats that its values may have."""

    column: str
    """Name of the column."""
    formats: tuple[str, ...] = ()
    """Formats to try in order, as in strftime (`%m/%d/%Y`); without any, ISO 8601 is read."""


class LabelRule(Settings):
    """Where the label comes from."""

    # A corrected label must not let clean rows, and all that is made of them, be stale.
    not_in_keys = frozenset({"note", "corrections"})

    column: str
    """Name of the column."""
    kind: LabelKind = "class"
    """Whether the label names classes, or is a number to predict (regression). A number is read
    with the decimal mark `clean.decimal`; what cannot be read is no label."""
    positive: Literal["present"] | Names | None = Field(default=None, union_mode="left_to_right")
    """Without it, each value is a class and an empty cell is unlabelled. `present`: any value is
    positive and an empty cell negative. A list: those values are positive, others negative."""
    corrections: str | None = None
    """A CSV or Parquet file, relative to the pipeline.yaml, with corrected labels in its columns
    `row_id` and `corrected`, as `fusemine export --labels` writes it; where `corrected` is empty
    the label stays. It counts in training and in the report, in runs for past dates too."""
    note: str | None = None
    """A sentence for the readers of the report, shown beside the label's metrics."""

    @model_validator(mode="after")
    def _numbers_are_no_classes(self) -> LabelRule:
        if self.kind == "number" and self.positive is not None:
            raise ValueError(
                "positive names classes, and a label of kind number has none; remove one of the two"
            )
        return self


class Columns(Settings):
    """Which column plays which role. Columns without a role are kept, but not mined."""

    id: str | None = None
    """Identifies a row; without it a hash of the row does."""
    time: Annotated[TimeColumn, BeforeValidator(_as_mapping)] | None = None
    """When the event happened; it cuts the table into partitions."""
    known_at: Annotated[TimeColumn, BeforeValidator(_as_mapping)] | None = None
    """When the row became known, if that is later than the event: a run for a past date does not
    see rows that were not known by then."""
    text: Names = ()
    """Text columns, joined in this order."""
    category: Names = ()
    """Columns with a limited number of values."""
    number: Names = ()
    """Numeric columns."""
    label: Annotated[LabelRule, BeforeValidator(_as_mapping)] | None = None
    """What the classifier learns."""
    group: str | None = None
    """Rows that belong together, such as those of one customer, have the same value here: with
    `classify.split: group` whole groups are tested on, and no fold divides one. A row without a
    value is a group of its own. The column may have another role as well."""
    split: str | None = None
    """Names the test rows, with `classify.split: column`: rows with train, training or learn here
    are trained on, and those with test, holdout or validation are tested on, in upper or lower
    case. A row with anything else or nothing is in neither. The column may have another role as
    well."""

    @model_validator(mode="after")
    def _usable(self) -> Columns:
        if not self.mined:
            raise ValueError("name at least one text, category or number column to mine")
        label = self.label and self.label.column
        used = [*self.mined, *([label] if label else [])]
        twice = sorted({name for name in used if used.count(name) > 1})
        if twice:
            raise ValueError(f"a column has one role, but {', '.join(map(repr, twice))} has two")
        for role in ("group", "split"):
            if label and getattr(self, role) == label:
                raise ValueError(f"{role} is the label {label!r}; name another column")
        return self

    @property
    def mined(self) -> list[str]:
        """The columns that are mined: texts, categories and numbers."""
        return [*self.text, *self.category, *self.number]

    @property
    def label_kind(self) -> LabelKind:
        """Whether the label is a class or a number."""
        return self.label.kind if self.label else "class"

    def places(self) -> dict[str, str]:
        """Each column that is used, by the place in the YAML that names it."""
        places = {}
        for role in ("id", "time", "known_at", "label", "group", "split"):
            if value := getattr(self, role):
                places[f"columns.{role}"] = value if isinstance(value, str) else value.column
        for role in ("text", "category", "number"):
            for index, name in enumerate(getattr(self, role)):
                places[f"columns.{role}[{index}]"] = name
        return places


def check_places(places: dict[str, str], header: Iterable[str], where: str) -> None:
    """Compare the columns that a pipeline.yaml names with a table's header.

    Args:
        places: The named columns, by their place in the YAML; see `Columns.places`.
        header: The table's column names.
        where: What the header belongs to, for the message.

    Raises:
        SettingsError: A place names a column that the table has not.
    """
    names = list(header)
    for place, name in places.items():
        if name not in names:
            raise SettingsError(
                got=f"{place}: {name!r}, which is not a column of {where}",
                expected=f"one of {', '.join(names[:40])}",
                fix=f"{nearest(name, names)}correct {place} in the pipeline.yaml",
            )
