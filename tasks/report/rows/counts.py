"""The row equation of a report: each row that was read is in exactly one count."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from fusemine.tasks.report.words import count

if TYPE_CHECKING:
    from fusemine.tasks.report.model import ReportInputs


@dataclass(frozen=True)
class RowCounts:
    """The rows of a window's partitions, and those that belong to no partition.

    Args:
        rows_in: All that were read.
        rows_kept: Those in the results.
        rows_rejected: Those that cannot be used, each with its reason.
        rows_unassigned: Those without a partition, of the whole source.
        rows_repeated: Those whose id another partition of the window has too.
        rows_known_later: Those that were not known yet at the end of the window.
    """

    rows_in: int
    rows_kept: int
    rows_rejected: int = 0
    rows_unassigned: int = 0
    rows_repeated: int = 0
    rows_known_later: int = 0

    @property
    def unaccounted(self) -> int:
        """Rows in none of the counts, or in two of them; 0 unless something is wrong."""
        return 2 * self.rows_in - int(sum(asdict(self).values()))

    def others(self) -> list[str]:
        """What became of the rows that were neither kept nor rejected, in words."""
        counted = {
            "without a partition": self.rows_unassigned,
            "with an id of another partition": self.rows_repeated,
            "not known yet at the end of the window": self.rows_known_later,
            "not accounted for": self.unaccounted,
        }
        return [f"{count(number)} {what}" for what, number in counted.items() if number]


def row_counts(inputs: ReportInputs) -> RowCounts:
    """The row equation from the first stage to the rows of the window."""
    prepared = [row for row in inputs.stages if row.stage in ("collect", "clean")]
    kept = inputs.clean.height
    if not prepared:
        return RowCounts(kept, kept)
    left_out = inputs.rejected.filter(stage="fuse")
    return RowCounts(
        rows_in=prepared[0].rows_in,
        rows_kept=kept,
        rows_rejected=sum(row.rows_rejected for row in prepared),
        rows_unassigned=sum(row.unassigned for row in prepared),
        rows_repeated=left_out.filter(rule="repeated_id").height,
        rows_known_later=left_out.filter(rule="known_later").height,
    )
