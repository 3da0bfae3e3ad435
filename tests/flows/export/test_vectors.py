"""The vectors that a run mined are written for other tools, number by number."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.small_disk import small_files
from support.small_root import SmallRoot, row

from fusemine.flows.export import results as exporting
from fusemine.flows.export.results import export_vectors
from fusemine.tasks.clean.contracts import CLEAN
from fusemine.tasks.core.errors import ArtifactError, SettingsError
from fusemine.tasks.core.storage.artifact import locate, read_frame
from fusemine.tasks.core.window import Window, WindowRules
from fusemine.tasks.embed.contracts import EMBEDDINGS

DIMENSION = 24
JANUARY = row(1, "2024-01-05"), row(2, "2024-01-06", " "), row(3, "2024-01-07")
FEBRUARY = row(4, "2024-02-05"), row(1, "2024-02-06", "the first id again")


@pytest.fixture(scope="module", params=["float16", "float32"])
def mined(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SmallRoot:
    """Runs of two partitions, with vectors in half or full precision."""
    embed = {"model": "letters", "storage": request.param}
    made = SmallRoot(tmp_path_factory.mktemp("mined"), more={"embed": embed})
    made.write(*JANUARY, *FEBRUARY)
    made.run("2024-01", "2024-02")
    return made


@pytest.fixture
def small(mined: SmallRoot, tmp_path: Path) -> SmallRoot:
    return mined.copy(tmp_path / "small")


def export(small: SmallRoot, partition: str | None = None) -> tuple[str, pa.Table]:
    path = small.folder / "out.parquet"
    line = export_vectors(small.loaded, partition, path, force=True)
    return line, pq.read_table(path)


def window(small: SmallRoot, place: str, end: datetime | None = None) -> Window:
    cleaned, embedded = (tuple(small.refs(f"{stage}/{place}")) for stage in ("clean", "embed"))
    return Window(cleaned, embedded, WindowRules(end), CLEAN, EMBEDDINGS)


def test_the_numbers_are_those_that_mining_reads(small: SmallRoot) -> None:
    line, table = export(small)
    assert line == f"5 vectors of the window of 2024-02 to {small.folder / 'out.parquet'}"
    matrix = pl.DataFrame(table)["embedding"].to_numpy()
    # Each partition alone, so that no row is left out because its id comes again.
    mined = [window(small, partition).vectors() for partition in ("2024-01", "2024-02")]
    assert matrix.tobytes() == np.concatenate(mined).tobytes()
    assert np.linalg.norm(matrix, axis=1) == pytest.approx([1, 0, 1, 1, 1])
    clean = pl.concat([read_frame(ref, CLEAN) for ref in small.refs("clean/*")])
    assert table["row_id"].to_pylist() == clean["row_id"].to_list()
    assert table["partition"].to_pylist() == clean["partition"].to_list()


def test_the_schema_states_what_the_vectors_are(small: SmallRoot) -> None:
    schema = export(small)[1].schema
    assert schema.names == ["row_id", "partition", "embedding"]
    assert schema.field("embedding").type == pa.list_(pa.float32(), DIMENSION)
    [ref] = small.refs("embed/2024-01")
    stored = pq.read_schema(locate(ref, "part-00000.parquet")).metadata
    known = {name: stored[name] for name in (b"model", b"precision")}
    assert schema.metadata == {**known, b"dimension": b"24"}


def test_an_older_run_has_the_partitions_of_its_own_window(small: SmallRoot) -> None:
    line, table = export(small, "2024-01")
    assert line.startswith("3 vectors of the window of 2024-01 to ")
    assert set(table["partition"].to_pylist()) == {"2024-01"}


def test_rows_that_the_window_left_out_are_there_and_differ_by_their_partition(
    small: SmallRoot,
) -> None:
    rows = window(small, "*", datetime(2024, 3, 1, tzinfo=UTC)).rows()
    table = pl.DataFrame(export(small)[1])
    assert (rows.clean.height, table.height) == (4, 5)
    joined = rows.clean.join(table, on=["row_id", "partition"], maintain_order="left")
    assert joined["embedding"].to_numpy().tobytes() == rows.matrix.tobytes()


def test_a_large_partition_is_written_some_rows_at_a_time(
    small: SmallRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, whole = export(small)
    monkeypatch.setattr(exporting, "ROWS_PER_GROUP", 2)
    assert export(small)[1].equals(whole)
    groups = pq.read_metadata(small.folder / "out.parquet").to_dict()["row_groups"]
    assert [group["num_rows"] for group in groups] == [2, 1, 2]


@pytest.mark.parametrize("name", [None, "out.csv", "out"])
def test_vectors_go_to_parquet_only(mined: SmallRoot, name: str | None) -> None:
    with pytest.raises(SettingsError, match=r"ends in \.parquet"):
        export_vectors(mined.loaded, None, mined.folder / name if name else None)


def test_an_output_that_cannot_be_written_is_a_sentence(small: SmallRoot) -> None:
    export(small)
    before = (small.folder / "out.parquet").read_bytes()
    loaded, path = small.loaded, small.folder / "out.parquet"
    with small_files(16), pytest.raises(ArtifactError, match="which cannot be written"):
        export_vectors(loaded, None, path, force=True)
    assert (small.folder / "out.parquet").read_bytes() == before
    assert not list(small.folder.glob(".draft-*"))


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_vectors_that_are_gone_or_changed_leave_an_older_output_as_it_is(
    small: SmallRoot, damage: Callable[[Path], object]
) -> None:
    export(small)
    before = (small.folder / "out.parquet").read_bytes()
    ref = small.refs("embed/2024-01")[0]
    damage(Path(locate(ref, "part-00000.parquet")))
    with pytest.raises(ArtifactError) as caught:
        export(small)
    assert caught.value.got == "the vectors of 2024-02 are gone or changed"
    assert caught.value.fix.endswith("--partition 2024-02")
    assert (small.folder / "out.parquet").read_bytes() == before
    assert not list(small.folder.glob(".draft-*"))
