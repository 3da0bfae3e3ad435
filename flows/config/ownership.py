"""Whose root it is: two pipelines of one name must not write below one root."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from fusemine.tasks.core.errors import SettingsError
from fusemine.tasks.core.key import digest
from fusemine.tasks.core.storage.records import read_record, to_bytes, write_record

if TYPE_CHECKING:
    from fusemine.tasks.core.settings import Settings
    from fusemine.tasks.core.storage.store import Store

RECORD = "pipeline.json"
"""Says below a root which pipeline.yaml it belongs to, and of which source."""


class Claim(BaseModel, frozen=True):
    """The record of whose root it is.

    Args:
        pipeline: The pipeline.yaml.
        source: A hash of what it reads.
    """

    pipeline: str
    source: str


@dataclass(frozen=True)
class Owner:
    """A pipeline that uses a root.

    Args:
        store: The root.
        path: The pipeline.yaml.
        source: What it reads.
    """

    store: Store
    path: Path
    source: Settings

    def check(self) -> None:
        """Refuse a root that belongs to another pipeline.

        A file that was moved or renamed, or whose source was corrected, is still the same
        pipeline; one that is elsewhere and reads another source is not.

        Raises:
            SettingsError: It does.
            ArtifactError: The record of whose root it is is damaged.
        """
        owner, own = self._recorded(), self._claim()
        if owner is None or owner.pipeline == own.pipeline or owner.source == own.source:
            return
        place = f"{self.store.root}/{RECORD}"
        raise SettingsError(
            got=f"root {self.store.root}, which belongs to {owner.pipeline}: a pipeline of "
            "the same name that reads another source",
            expected="a root of its own for each pipeline",
            fix=f"give one of the two another name or root; if {self.path.name} is to take the "
            f"place of the other, remove {place}",
        )

    def claim(self) -> None:
        """Record whose root it is, before something is written below it.

        Raises:
            SettingsError: It belongs to another pipeline.
            ArtifactError: The record of whose root it is is damaged.
        """
        own = self._claim()
        if not self.store.create(RECORD, to_bytes(own)):
            self.check()
            if self._recorded() != own:
                write_record(self.store, RECORD, own)

    def _claim(self) -> Claim:
        # Below its own folder a root moves with it; elsewhere two folders may mean it, whose
        # relative paths are not the same source.
        base = self.path.parent
        place = "" if Path(self.store.root).is_relative_to(base) else str(base)
        source = [place, self.source.model_dump(mode="json")]
        return Claim(pipeline=str(self.path), source=digest(source))

    def _recorded(self) -> Claim | None:
        return read_record(
            self.store,
            RECORD,
            Claim,
            expected="the record of the pipeline that the root belongs to",
            fix=f"make sure that the root is that of {self.path}, then remove {RECORD}: the next "
            "run writes it again",
        )
