"""Doubtful labels go to a file, are corrected there, and come back when the label is learnt."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner
from support.small_root import ROLES, SmallRoot, row

from fusemine.flows.cli.main import main
from fusemine.flows.engine.plan import make_plan
from fusemine.flows.engine.session import open_session
from fusemine.flows.engine.walk import Walk
from fusemine.flows.export.labels import doubtful_rows, export_labels, for_spreadsheets
from fusemine.tasks.clean.contracts import CLEAN
from fusemine.tasks.core.errors import ArtifactError, SettingsError
from fusemine.tasks.core.key import Recipe
from fusemine.tasks.core.storage.artifact import MAIN, SUMMARY, Job, read_manifest, to_json
from fusemine.tasks.core.storage.writing import new_artifact
from fusemine.tasks.core.window import Window
from fusemine.tasks.corrections.apply import Corrected, correct_labels
from fusemine.tasks.embed.contracts import EMBEDDINGS
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.mine.classify.contracts import LABEL_ERRORS, PREDICTIONS
from fusemine.tasks.report.contracts import RESULTS

LABEL = {"label": {"column": "kind"}}
STAGES = ("clean", "embed", "topic_chain", "fuse", "classify", "topics", "anomalies", "report")
ROWS = (
    row(1, "2024-01-05", kind="gull"),
    row(2, "2024-01-06", '=1+1 birds, & "more"\nof them', kind="=hawk"),
    row(3, "2024-01-07", "as one", kind="gull"),
    row(4, "2024-02-05", "as one", kind="=hawk"),
    row(5, "2024-02-06", kind=""),
)
HAWK, COPY = "likely error", "copy with another label"
FOUND: list[tuple[Any, ...]] = [
    ("ID-004", 2, COPY, "=hawk", None, None, "ID-003"),
    ("ID-002", 1, HAWK, "=hawk", "gull", 0.75, None),
]


@pytest.fixture(scope="module")
def mined(tmp_path_factory: pytest.TempPathFactory) -> SmallRoot:
    """Runs of two partitions; the second one doubts two labels."""
    made = SmallRoot(tmp_path_factory.mktemp("mined"), columns=ROLES | LABEL)
    made.write(*ROWS)
    made.run("2024-01", "2024-02")
    learnt(made, "2024-01", [], skipped="only 3 rows")
    learnt(made, "2024-02", FOUND)
    (made.folder / "labels").mkdir()
    return made


@pytest.fixture
def small(mined: SmallRoot, tmp_path: Path) -> SmallRoot:
    return mined.copy(tmp_path / "small")


def doubts_of(found: list[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(found, pl.DataFrame(LABEL_ERRORS.empty()).schema, orient="row")


def learnt(
    small: SmallRoot, partition: str, found: list[tuple[Any, ...]], skipped: str | None = None
) -> None:
    """Let a report be made of a label that was learnt, which takes more rows than there are."""
    recipe = Recipe({"of": [partition]})
    with new_artifact(Job(str(small.root), "classify", partition, recipe)) as draft:
        draft.table(MAIN, PREDICTIONS.empty(), PREDICTIONS)
        draft.table("doubts", doubts_of(found), LABEL_ERRORS)
        draft.bytes(SUMMARY, to_json({"skipped": skipped}))
        draft.count(0, 0)
    [report] = small.refs(f"report/{partition}")
    manifest = read_manifest(report)
    others = [name for name in manifest.inputs if not name.startswith("classify/")]
    changed = manifest.model_copy(update={"inputs": [*others, draft.ref.name]})
    (small.root / report.name / "manifest.json").write_bytes(changed.to_json())


def export(small: SmallRoot, name: str, partition: str | None = None) -> tuple[str, Path]:
    path = small.folder / "labels" / name
    return export_labels(small.loaded, partition, path, io.BytesIO()), path


def as_csv(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, infer_schema=False)


def test_doubtful_rows_come_in_the_order_of_their_rank_with_text_and_own_columns(
    small: SmallRoot,
) -> None:
    line, path = export(small, "d.parquet")
    assert line == f"2 doubtful labels of 2024-02 to {path}"
    table = pl.read_parquet(path)
    assert table.columns[:6] == ["row_id", "kind", "label", "suggested", "confidence", "alike"]
    assert table.columns[6:8] == ["text", "corrected"]
    assert table.select(table.columns[:8]).rows() == [
        ("ID-002", HAWK, "=hawk", "gull", 0.75, None, '=1+1 birds, & "more" of them', None),
        ("ID-004", COPY, "=hawk", None, None, "ID-003", "as one", None),
    ]
    assert table.columns[8:] == ["id", "day", "body", "kind_"]


def test_csv_holds_no_formula_and_is_marked_as_utf8(small: SmallRoot) -> None:
    _, path = export(small, "d.csv")
    assert path.read_bytes().startswith(b"\xef\xbb\xbfrow_id,kind,label,")
    table = as_csv(path)
    assert table["label"].to_list() == ["'=hawk", "'=hawk"]
    assert table["text"][0] == '\'=1+1 birds, & "more" of them'
    assert table["corrected"].to_list() == [None, None]
    assert table["confidence"].to_list() == ["0.75", None]


def test_standard_output_gets_the_same_table(small: SmallRoot) -> None:
    out = io.BytesIO()
    line = export_labels(small.loaded, None, None, out)
    assert line == "2 doubtful labels of 2024-02 to standard output"
    assert out.getvalue() == export(small, "d.csv")[1].read_bytes().removeprefix(b"\xef\xbb\xbf")


def test_own_columns_that_are_named_like_ours_get_an_underscore(small: SmallRoot) -> None:
    doubts = doubts_of(FOUND)
    empty = dict.fromkeys(RESULTS.columns)
    own = {"rank": "1st", "kind": "k", "corrected": "x", "label_": "l", "=cmd": "c"}
    results = pl.DataFrame([{**empty, "row_id": "ID-002", "partition": "2024-01", **own}])
    refs = small.refs("clean/*")
    table = doubtful_rows(doubts.head(1).with_columns(row_id=pl.lit("ID-002")), results, refs)
    assert table.columns[8:] == ["rank", "kind_", "corrected_", "label_", "=cmd"]
    assert table.select("kind", "kind_", "rank", "corrected").row(0) == (COPY, "k", "1st", None)
    assert for_spreadsheets(table).columns[-1] == "'=cmd"


def test_a_run_that_learnt_nothing_states_why(small: SmallRoot) -> None:
    line, path = export(small, "d.csv", "2024-01")
    assert line.endswith("d.csv (the label was not learnt: only 3 rows)")
    assert line.startswith("0 doubtful labels of 2024-01")
    assert as_csv(path).columns[:8] == as_csv(export(small, "e.csv")[1]).columns[:8]


def test_a_pipeline_without_a_label_has_no_doubtful_ones(small: SmallRoot) -> None:
    small.columns = ROLES
    with pytest.raises(SettingsError, match="--labels of a pipeline without a label"):
        export(small, "d.csv")


def test_an_output_of_another_form_is_refused(small: SmallRoot) -> None:
    with pytest.raises(SettingsError, match=r"ends in \.csv or \.parquet"):
        export(small, "d.xlsx")


def test_the_corrections_in_use_are_not_written_over(small: SmallRoot) -> None:
    use(small, "c.csv")
    (small.folder / "labels" / "c.csv").touch()
    with pytest.raises(SettingsError, match="the corrections that"):
        export(small, "c.csv")
    assert export(small, "d.csv")[1].exists()


@pytest.mark.parametrize("stage", ["classify", "clean"])
def test_what_is_gone_is_not_exported(small: SmallRoot, stage: str) -> None:
    shutil.rmtree(small.root / stage)
    with pytest.raises(ArtifactError, match="the doubtful labels of 2024-02 are gone or changed"):
        export(small, "d.csv")


def test_labels_and_vectors_are_written_one_at_a_time(small: SmallRoot) -> None:
    call = ["export", str(small.pipeline), "--labels"]
    both = CliRunner().invoke(main, [*call, "--vectors"])
    assert (both.exit_code, "name one of them" in both.output) == (2, True)
    one = CliRunner().invoke(main, [*call, "-o", str(small.folder / "labels" / "d.csv")])
    assert (one.exit_code, one.output[:19]) == (0, "2 doubtful labels o")


# And back


def planned(small: SmallRoot) -> Walk:
    """What a run would do."""
    session = open_session(small.loaded)
    return Walk(session, make_plan(small.loaded, session.listing.raw, "2024-02"), runs=False)


def classifying(small: SmallRoot) -> Any:
    """What learning the label would read."""
    return planned(small).request(GRAPH["classify"], "2024-02")


def correct(small: SmallRoot, name: str = "c.csv", **labels: str) -> None:
    """Export the doubtful rows, fill in labels by row number, and let the pipeline use them."""
    small.columns = ROLES | LABEL
    _, path = export(small, name)
    table = as_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)
    given = [labels.get(f"r{int(row_id[-3:])}") for row_id in table["row_id"]]
    table = table.with_columns(corrected=pl.Series(given, dtype=pl.String))
    table.write_csv(path) if path.suffix == ".csv" else table.write_parquet(path)
    use(small, name)


def use(small: SmallRoot, corrections: str) -> None:
    """Let the pipeline use some corrections."""
    small.columns = ROLES | {"label": {"column": "kind", "corrections": f"labels/{corrections}"}}


def corrected(small: SmallRoot) -> Corrected:
    """What the classifier reads."""
    request = classifying(small)
    rows = Window(request.reads["clean"], (), request.rules, CLEAN, EMBEDDINGS).frame()
    return correct_labels(rows, request.resources["corrections"])


def learnt_labels(small: SmallRoot) -> dict[str, str | None]:
    rows = corrected(small).rows
    return dict(zip(rows["row_id"], rows["label"], strict=True))


@pytest.mark.parametrize("name", ["c.csv", "c.parquet"])
def test_corrected_labels_are_learnt_and_nothing_before_is_stale(
    small: SmallRoot, name: str
) -> None:
    def there() -> set[str]:
        """The stages whose results are there."""
        walk = planned(small)
        return {stage for stage in STAGES if walk.result(GRAPH[stage], "2024-02") is not None}

    labels = learnt_labels(small)
    assert there() == set(STAGES)
    assert labels["ID-002"] == labels["ID-004"] == "=hawk"
    correct(small, name, r2="gull", r4="gull")
    assert learnt_labels(small) == {**labels, "ID-002": "gull", "ID-004": "gull"}
    assert set(STAGES) - there() == {"classify", "report"}


def test_copying_the_escaped_class_of_the_export_is_understood(small: SmallRoot) -> None:
    correct(small, r2="'=hawk")
    assert corrected(small).counts == {"applied": 0, "unchanged": 1, "unknown": 0}


def test_keys_hold_no_row_id_or_label(small: SmallRoot) -> None:
    correct(small, r2="gull", r4="gull")
    recipe = str(classifying(small).job.recipe)
    assert "ID-002" not in recipe
    assert "gull" not in recipe


def test_the_file_is_read_once_per_run(small: SmallRoot) -> None:
    correct(small, r2="gull")
    walk = planned(small)
    first = walk.request(GRAPH["classify"], "2024-02")
    (small.folder / "labels" / "c.csv").unlink()
    assert walk.request(GRAPH["classify"], "2024-02") == first
    with pytest.raises(SettingsError, match="where no file is"):
        classifying(small)
