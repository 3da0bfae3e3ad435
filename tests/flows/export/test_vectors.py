"""The vectors that a run mined are written for other tools, number by number."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.small_root import DIMENSION, SmallRoot, names, row, vector

from fusemine.flows.export import vectors as exporting
from fusemine.flows.export.vectors import export_vectors
from fusemine.tasks.clean.contracts import CLEAN
from fusemine.tasks.core import vectors
from fusemine.tasks.core.errors import ArtifactError, SettingsError
from fusemine.tasks.core.storage.artifact import ArtifactRef, read_frame, read_manifest, ref_of
from fusemine.tasks.core.window import WindowRules, read_window
from fusemine.tasks.embed.contracts import EMBEDDINGS

YAML = """\
version: 1
name: root
root: .
source: {path: t.csv}
columns: {id: id, time: day, text: body}
"""
ROWS = (
    row(1, "2024-01-05"),
    row(2, "2024-01-06", "nothing to say"),
    row(3, "2024-01-07"),
    row(4, "2024-02-05"),
    row(1, "2024-02-06", "the first id again"),
)


class HalfRoot(SmallRoot):
    """Its vectors are stored in half precision, and are all zero for one of its texts."""

    def embed(self, partition: str, cleaned: ArtifactRef) -> ArtifactRef:
        rows = read_frame(cleaned, CLEAN)
        exact = [np.multiply(vector(text), text != "nothing to say") for text in rows["text"]]
        matrix = vectors.unit(np.array(exact)).astype(np.float16)
        columns = {"row_id": rows["row_id"].to_arrow(), "embedding": vectors.to_arrow(matrix)}
        metadata = {"dtype": "float16", "model": "birds", "precision": "bfloat16"}
        table = pa.table(columns).replace_schema_metadata(metadata)
        return self.made("embed", partition, (cleaned,), table, EMBEDDINGS)


@pytest.fixture
def small(tmp_path: Path) -> SmallRoot:
    """Runs of two partitions, with vectors in half precision."""
    return ran(HalfRoot(tmp_path))


def ran(small: SmallRoot) -> SmallRoot:
    small.write(*ROWS)
    small.run("2024-01", "2024-02")
    (small.folder / "pipeline.yaml").write_text(YAML)
    return small


def export(small: SmallRoot, partition: str | None = None) -> tuple[str, pa.Table]:
    path = small.folder / "out.parquet"
    line = export_vectors(small.folder / "pipeline.yaml", partition, path)
    return line, pq.read_table(path)


def refs(small: SmallRoot, stage: str) -> list[ArtifactRef]:
    found = [ref_of(small.root / name) for name in names(small.root, stage)]
    return [ref for ref in found if ref is not None]


def matrix_of(table: pa.Table) -> np.ndarray:
    flat = table["embedding"].combine_chunks().flatten().to_numpy()
    return np.asarray(flat).reshape(-1, DIMENSION)


def mined(small: SmallRoot) -> np.ndarray:
    """What mining reads of the whole window, with the rows that it would leave out put back."""
    return np.concatenate(
        [
            read_window([clean], [embed], WindowRules(None, "first")).matrix
            for clean, embed in zip(refs(small, "clean"), refs(small, "embed"), strict=True)
        ]
    )


def test_the_numbers_are_those_that_mining_reads(small: SmallRoot) -> None:
    line, table = export(small)
    assert line == f"5 vectors of the window of 2024-02 to {small.folder / 'out.parquet'}"
    matrix = matrix_of(table)
    assert matrix.tobytes() == mined(small).tobytes()
    assert np.linalg.norm(matrix, axis=1) == pytest.approx([1, 0, 1, 1, 1])
    clean = pl.concat([read_frame(ref, CLEAN) for ref in refs(small, "clean")])
    assert table["row_id"].to_pylist() == clean["row_id"].to_list()
    assert table["partition"].to_pylist() == clean["partition"].to_list()


def test_the_schema_says_what_the_vectors_are(small: SmallRoot) -> None:
    schema = export(small)[1].schema
    assert schema.names == ["row_id", "partition", "embedding"]
    assert schema.field("embedding").type == pa.list_(pa.float32(), DIMENSION)
    told = {b"model": b"birds", b"precision": b"bfloat16", b"dimension": b"4"}
    assert schema.metadata == told


def test_an_older_run_has_the_partitions_of_its_own_window(small: SmallRoot) -> None:
    line, table = export(small, "2024-01")
    assert line.startswith("3 vectors of the window of 2024-01 to ")
    assert set(table["partition"].to_pylist()) == {"2024-01"}


def test_rows_that_the_window_left_out_are_there_and_told_apart_by_their_partition(
    small: SmallRoot,
) -> None:
    rules = WindowRules(datetime(2024, 3, 1, tzinfo=UTC), "first")
    window = read_window(refs(small, "clean"), refs(small, "embed"), rules)
    table = pl.read_parquet(export(small) and small.folder / "out.parquet")
    assert (window.clean.height, table.height) == (4, 5)
    joined = window.clean.join(table, on=["row_id", "partition"], maintain_order="left")
    assert joined["embedding"].to_numpy().tobytes() == window.matrix.tobytes()


def test_vectors_in_full_precision_come_as_they_are(tmp_path: Path) -> None:
    small = ran(SmallRoot(tmp_path))
    _, table = export(small)
    texts = [text for ref in refs(small, "clean") for text in read_frame(ref, CLEAN)["text"]]
    expected = np.array([vector(text) for text in texts], np.float32)
    assert matrix_of(table).tobytes() == expected.tobytes() == mined(small).tobytes()
    assert table.schema.metadata[b"model"] == b"unknown"


def test_a_large_partition_is_written_some_rows_at_a_time(
    small: SmallRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, whole = export(small)
    monkeypatch.setattr(exporting, "ROWS_PER_GROUP", 2)
    assert export(small)[1].equals(whole)
    groups = pq.read_metadata(small.folder / "out.parquet")
    sizes = [groups.row_group(number).num_rows for number in range(groups.num_row_groups)]
    assert sizes == [2, 1, 2]


@pytest.mark.parametrize("name", [None, "out.csv", "out"])
def test_vectors_go_to_parquet_only(small: SmallRoot, name: str | None) -> None:
    output = small.folder / name if name else None
    with pytest.raises(SettingsError) as caught:
        export_vectors(small.folder / "pipeline.yaml", None, output)
    assert caught.value.got.startswith("--vectors with")
    assert caught.value.expected == "--output with a name that ends in .parquet"


def test_an_output_in_a_folder_that_is_not_there_is_refused(small: SmallRoot) -> None:
    with pytest.raises(SettingsError, match="in a folder that is not there"):
        export_vectors(small.folder / "pipeline.yaml", None, small.folder / "no" / "out.parquet")


def test_an_output_that_cannot_be_written_is_a_sentence(small: SmallRoot) -> None:
    (small.folder / "out.parquet").mkdir()
    (small.folder / "out.parquet" / "mine").touch()
    with pytest.raises(ArtifactError, match="which cannot be written"):
        export(small)
    assert not list(small.folder.glob(".draft-*"))


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_vectors_that_are_gone_or_changed_leave_an_older_output_as_it_is(
    small: SmallRoot, damage: str
) -> None:
    export(small)
    before = (small.folder / "out.parquet").read_bytes()
    folder = small.root / names(small.root, "embed")[0]
    if damage == "gone":
        shutil.rmtree(folder)
    else:
        (folder / "part-00000.parquet").write_bytes(b"")
    with pytest.raises(ArtifactError) as caught:
        export(small)
    assert caught.value.got == "the vectors of 2024-02 are gone or changed"
    assert caught.value.fix.endswith("--partition 2024-02")
    assert (small.folder / "out.parquet").read_bytes() == before
    assert not list(small.folder.glob(".draft-*"))


def test_a_report_of_an_older_version_names_its_vectors_by_path(small: SmallRoot) -> None:
    expected = export(small)[1]
    for name in names(small.root, "report"):
        path = small.root / name / "manifest.json"
        manifest = read_manifest(path.parent)
        paths = [str(Path("/elsewhere") / below) for below in manifest.inputs]
        path.write_text(manifest.model_copy(update={"inputs": paths}).model_dump_json())
    assert export(small)[1].equals(expected)
