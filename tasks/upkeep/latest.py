"""The last complete run of each partition, as records below the root name it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.partition import is_partition
from fusemine.tasks.core.storage.artifact import locate, manifest_of, read_manifest
from fusemine.tasks.upkeep.own import RECORDS, is_record

if TYPE_CHECKING:
    from fusemine.tasks.core.partition import PartitionSettings
    from fusemine.tasks.core.storage.artifact import ArtifactRef
    from fusemine.tasks.core.storage.store import Store

NEWEST = "report/latest.html"
"""A copy of the newest partition's report."""
HTML = "report.html"


@dataclass(frozen=True)
class Latest:
    """The records of a pipeline's last complete runs.

    Args:
        store: Where the pipeline keeps its artifacts.
    """

    store: Store

    def partitions(self) -> list[str]:
        """The partitions that have one, in the order of their keys."""
        names = [file.base for file in self.store.files(RECORDS) if is_record(file.name)]
        return [name.removesuffix(".json") for name in names]

    def newest(self, settings: PartitionSettings | None) -> str | None:
        """The newest partition that has one.

        Records from before the table was cut otherwise do not count, whatever their names.

        Args:
            settings: How the table is cut; None if it has no time.
        """
        keys = [key for key in self.partitions() if is_partition(key, settings)]
        return max(keys, default=None)

    def report(self, partition: str) -> str | None:
        """The name of the report of a partition's last complete run; None if there is none.

        Raises:
            ArtifactError: The record cannot be read.
        """
        name = f"{RECORDS}/{partition}.json"
        try:
            written = str(json.loads(self.store.read(name))["report"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise self._unreadable(name, f"cannot be read ({type(error).__name__})") from error
        parts = written.split("/")
        if len(parts) != 4:
            raise self._unreadable(name, "names no report")
        return "/".join(parts[:3])

    def reports(self) -> dict[str, str]:
        """The report of each partition's last complete run, oldest partition first.

        Raises:
            ArtifactError: A record cannot be read.
        """
        found = {partition: self.report(partition) for partition in self.partitions()}
        return {partition: name for partition, name in found.items() if name is not None}

    def publish(
        self, record: dict[str, Any], report: ArtifactRef, settings: PartitionSettings | None
    ) -> None:
        """Name a run as the last complete one of its partition.

        A backfill of an old partition does not take the place of the newest one's report.
        """
        manifest, partition = read_manifest(report), report.partition
        content = json.dumps({**record, "report": manifest.path(HTML)}, indent=1)
        self.store.replace(f"{RECORDS}/{partition}.json", content.encode() + b"\n")
        if self.newest(settings) == partition:
            self.store.replace(NEWEST, self.store.read(manifest.path(HTML)))

    def remove(self, partition: str) -> None:
        """Remove the record of a partition."""
        self.store.delete(f"{RECORDS}/{partition}.json")

    def newest_report(self) -> str | None:
        """The name of the report that `NEWEST` is a copy of; None if it is gone."""
        try:
            sha256 = self.store.sha256(NEWEST)
        except OSError:
            return None
        for name in self.reports().values():
            manifest = manifest_of(self.store.root, name)
            if manifest and HTML in manifest.files and manifest.files[HTML].sha256 == sha256:
                return name
        return None

    def _unreadable(self, name: str, what: str) -> ArtifactError:
        partition = name.partition("/")[2].removesuffix(".json")
        return ArtifactError(
            got=f"record {name} below {self.store.root}, which {what}",
            expected="the record of a partition's last complete run",
            fix=f"remove the file and run again: fusemine run --partition {partition}",
        )


def html_of(report: ArtifactRef) -> str:
    """The file of a report's page."""
    return locate(report, HTML)
