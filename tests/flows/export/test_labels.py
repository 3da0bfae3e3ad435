"""Doubtful labels go to a file, are corrected there, and come back when the label is learnt."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner
from support.small_root import SmallRoot, names, row

from fusemine.flows.cli.main import main
from fusemine.flows.config.pipeline import load_pipeline
from fusemine.flows.engine.corrections import settle_corrections
from fusemine.flows.engine.jobs import Jobs
from fusemine.flows.engine.plan import Plan, make_plan
from fusemine.flows.engine.prepare import Prepared
from fusemine.flows.export.labels import doubtful_rows, export_labels, for_spreadsheets
from fusemine.tasks.clean.task import clean_job
from fusemine.tasks.core.errors import ArtifactError, SettingsError
from fusemine.tasks.core.key import Recipe
from fusemine.tasks.core.storage.artifact import MAIN, ArtifactRef, Draft, Job, ref_of
from fusemine.tasks.core.window import read_window
from fusemine.tasks.core.windowed import WindowRefs
from fusemine.tasks.corrections.apply import correct_labels
from fusemine.tasks.fuse.contracts import FEATURES
from fusemine.tasks.inventory.source import Listing, read_listing
from fusemine.tasks.mine.classify.contracts import DOUBTS, PREDICTIONS
from fusemine.tasks.report.contracts import RESULTS
from fusemine.tasks.report.task import Made
from fusemine.tasks.table.roles import Columns

YAML = """\
version: 1
name: root
root: .
source: {path: t.csv}
columns:
  id: id
  time: day
  text: body
  label: {column: kind}
"""
CORRECTED = YAML.replace("kind}", "kind, corrections: labels/c.csv}")
COLUMNS = {"id": "id", "time": "day", "text": "body", "label": "kind"}
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


@pytest.fixture
def small(tmp_path: Path) -> SmallRoot:
    """Runs of two partitions; the second one doubts two labels."""
    made = SmallRoot(tmp_path, columns=Columns.model_validate(COLUMNS))
    made.write(*ROWS)
    refs = made.prepare(made.collect())
    made.report("2024-01", [*refs, learnt(made, "2024-01", [], skipped="only 3 rows")])
    made.report("2024-02", [*refs, learnt(made, "2024-02", FOUND)])
    (tmp_path / "pipeline.yaml").write_text(YAML)
    (tmp_path / "labels").mkdir()
    return made


def doubts_of(found: list[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(found, pl.DataFrame(DOUBTS.empty()).schema, orient="row")


def learnt(
    small: SmallRoot, partition: str, found: list[tuple[Any, ...]], skipped: str | None = None
) -> ArtifactRef:
    """What learning the label leaves of its doubts."""
    with Draft(Job(small.root, "classify", partition, Recipe((), {}, {}, ""))) as draft:
        draft.table(MAIN, PREDICTIONS.empty(), PREDICTIONS)
        draft.table("doubts", doubts_of(found), DOUBTS)
        draft.json("summary.json", {"skipped": skipped})
        draft.count(0, 0, 0)
    return draft.finished()


def export(small: SmallRoot, name: str, partition: str | None = None) -> tuple[str, Path]:
    path = small.folder / "labels" / name
    return export_labels(small.folder / "pipeline.yaml", partition, path, io.BytesIO()), path


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
    # The results of this root have one column of their own, which is named like ours.
    assert table.columns[8:] == ["text_"]


def test_csv_holds_no_formula_and_says_that_it_is_utf8(small: SmallRoot) -> None:
    _, path = export(small, "d.csv")
    assert path.read_bytes().startswith(b"\xef\xbb\xbfrow_id,kind,label,")
    table = as_csv(path)
    assert table["label"].to_list() == ["'=hawk", "'=hawk"]
    assert table["text"][0] == '\'=1+1 birds, & "more" of them'
    assert table["corrected"].to_list() == [None, None]
    assert table["confidence"].to_list() == ["0.75", None]


def test_standard_output_gets_the_same_table(small: SmallRoot) -> None:
    out = io.BytesIO()
    line = export_labels(small.folder / "pipeline.yaml", None, None, out)
    assert line == "2 doubtful labels of 2024-02 to standard output"
    assert out.getvalue() == export(small, "d.csv")[1].read_bytes().removeprefix(b"\xef\xbb\xbf")


def test_own_columns_that_are_named_like_ours_get_an_underscore(small: SmallRoot) -> None:
    doubts = doubts_of(FOUND)
    empty = dict.fromkeys(RESULTS.columns)
    own = {"rank": "1st", "kind": "k", "corrected": "x", "label_": "l", "=cmd": "c"}
    results = pl.DataFrame([{**empty, "row_id": "ID-002", "partition": "2024-01", **own}])
    refs = [ref for name in names(small.root, "clean") if (ref := ref_of(small.root / name))]
    table = doubtful_rows(doubts.head(1).with_columns(row_id=pl.lit("ID-002")), results, refs)
    assert table.columns[8:] == ["rank", "kind_", "corrected_", "label_", "=cmd"]
    assert table.select("kind", "kind_", "rank", "corrected").row(0) == (COPY, "k", "1st", None)
    assert for_spreadsheets(table).columns[-1] == "'=cmd"


def test_a_run_that_learnt_nothing_says_why(small: SmallRoot) -> None:
    line, path = export(small, "d.csv", "2024-01")
    assert line.endswith("d.csv (the label was not learnt: only 3 rows)")
    assert line.startswith("0 doubtful labels of 2024-01")
    assert as_csv(path).columns[:8] == as_csv(export(small, "e.csv")[1]).columns[:8]


def test_a_pipeline_without_a_label_has_no_doubtful_ones(small: SmallRoot) -> None:
    yaml = YAML.replace("  label: {column: kind}\n", "")
    (small.folder / "pipeline.yaml").write_text(yaml)
    with pytest.raises(SettingsError, match="--labels of a pipeline without a label"):
        export(small, "d.csv")


def test_an_output_of_another_form_is_refused(small: SmallRoot) -> None:
    with pytest.raises(SettingsError, match=r"ends in \.csv or \.parquet"):
        export(small, "d.xlsx")


def test_the_corrections_in_use_are_not_written_over(small: SmallRoot) -> None:
    (small.folder / "pipeline.yaml").write_text(CORRECTED)
    with pytest.raises(SettingsError, match="those corrections would be lost"):
        export(small, "c.csv")
    assert export(small, "d.csv")[1].exists()


@pytest.mark.parametrize("stage", ["classify", "clean"])
def test_what_is_gone_is_not_exported(small: SmallRoot, stage: str) -> None:
    shutil.rmtree(small.root / stage)
    with pytest.raises(ArtifactError, match="the doubtful labels of 2024-02 are gone or changed"):
        export(small, "d.csv")


def test_labels_and_vectors_are_written_one_at_a_time(small: SmallRoot) -> None:
    call = ["export", str(small.folder / "pipeline.yaml"), "--labels"]
    both = CliRunner().invoke(main, [*call, "--vectors"])
    assert (both.exit_code, "name one of them" in both.output) == (2, True)
    one = CliRunner().invoke(main, [*call, "-o", str(small.folder / "labels" / "d.csv")])
    assert (one.exit_code, one.output[:19]) == (0, "2 doubtful labels o")


# And back


def listing(small: SmallRoot) -> Listing:
    raw = {name.split("/")[1]: ref_of(small.root / name) for name in names(small.root, "collect")}
    return Listing(dict(sorted(raw.items())), "", None)


def planned(small: SmallRoot, partition: str = "2024-02") -> tuple[Plan, Prepared]:
    """What a run would do, with everything prepared."""
    loaded = load_pipeline(small.folder / "pipeline.yaml")
    prepared = Prepared(loaded)
    for stage, found in (("clean", prepared.cleaned), ("embed", prepared.embedded)):
        for name in names(small.root, stage):
            ref = ref_of(small.root / name)
            assert ref is not None
            found[name.split("/")[1]] = ref
    return make_plan(loaded, listing(small), partition), prepared


def window_of(small: SmallRoot, partition: str = "2024-02") -> WindowRefs:
    plan, prepared = planned(small, partition)
    return prepared.window(plan)


def keys(small: SmallRoot, partition: str = "2024-02") -> dict[str, str]:
    """The keys of all stages of a run."""
    plan, prepared = planned(small, partition)
    window = prepared.window(plan)
    jobs, settings = Jobs(plan, window), plan.settings
    features = small.made("fuse", partition, window.cleaned, FEATURES.empty(), FEATURES)
    learnt = ref_of(small.root / names(small.root, "classify")[0])
    assert learnt is not None
    made = Made(plan.listing, tuple(plan.window.values()), window, features, *4 * [learnt])
    raw, cleaned = plan.window[partition], prepared.cleaned[partition]
    found = {
        "clean": clean_job(small.root, partition, raw, settings.columns, settings.clean, "UTC"),
        "embed": prepared._embed_job(partition, cleaned),
        "fuse": jobs.fuse(),
        "classify": jobs.classify(),
        "cluster": jobs.cluster(learnt),
        "anomaly": jobs.anomaly(features),
        "report": jobs.report(made),
    }
    return {stage: job.recipe.key for stage, job in found.items()}


def correct(small: SmallRoot, name: str = "c.csv", **labels: str) -> None:
    """Export the doubtful rows, fill in labels by row number, and let the pipeline use them."""
    (small.folder / "pipeline.yaml").write_text(YAML)
    _, path = export(small, name)
    table = as_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)
    given = [labels.get(f"r{int(row_id[-3:])}") for row_id in table["row_id"]]
    table = table.with_columns(corrected=pl.Series(given, dtype=pl.String))
    write: Callable[[Path], object] = (
        table.write_csv if path.suffix == ".csv" else table.write_parquet
    )
    write(path)
    (small.folder / "pipeline.yaml").write_text(CORRECTED.replace("c.csv", name))


def learnt_labels(window: WindowRefs) -> dict[str, str | None]:
    """The labels that the classifier reads."""
    rows = read_window(window.cleaned, window.embedded, window.rules).clean
    found = correct_labels(rows, window.corrections).rows
    return dict(zip(found["row_id"], found["label"], strict=True))


@pytest.mark.parametrize("name", ["c.csv", "c.parquet"])
def test_corrected_labels_are_learnt_and_nothing_before_is_stale(
    small: SmallRoot, name: str
) -> None:
    before, labels = keys(small), learnt_labels(window_of(small))
    assert labels["ID-002"] == labels["ID-004"] == "=hawk"
    correct(small, name, r2="gull", r4="gull")
    assert learnt_labels(window_of(small)) == {**labels, "ID-002": "gull", "ID-004": "gull"}
    after = keys(small)
    changed = {stage for stage in before if before[stage] != after[stage]}
    assert changed == {"classify", "report"}


def test_copying_the_escaped_class_of_the_export_is_understood(small: SmallRoot) -> None:
    correct(small, r2="'=hawk")
    window = window_of(small)
    rows = read_window(window.cleaned, window.embedded, window.rules).clean
    counts = correct_labels(rows, window.corrections).counts
    assert counts == {"applied": 0, "unchanged": 1, "unknown": 0}


def test_a_run_for_a_past_date_uses_the_corrections_of_its_own_rows_alone(
    small: SmallRoot,
) -> None:
    plain = {partition: keys(small, partition)["classify"] for partition in ("2024-01", "2024-02")}
    correct(small, r4="gull")
    assert keys(small, "2024-01")["classify"] == plain["2024-01"]
    assert keys(small, "2024-02")["classify"] != plain["2024-02"]
    correct(small, r2="gull", r4="gull")
    assert window_of(small, "2024-01").corrections.labels == {"ID-002": "gull"}
    assert keys(small, "2024-01")["classify"] != plain["2024-01"]


def test_the_same_corrections_in_another_file_leave_the_classifier_as_it_is(
    small: SmallRoot,
) -> None:
    correct(small, r2="gull")
    before = keys(small)["classify"]
    correct(small, "other.csv", r2="gull")
    assert keys(small)["classify"] == before
    correct(small, "other.csv", r2="gull", r4="gull")
    assert keys(small)["classify"] != before


def test_keys_hold_no_row_id_or_label(small: SmallRoot) -> None:
    correct(small, r2="gull", r4="gull")
    plan, prepared = planned(small)
    assert "ID-002" not in str(Jobs(plan, prepared.window(plan)).classify().recipe)


def test_a_class_of_a_later_partition_is_no_mistake_in_an_earlier_one(small: SmallRoot) -> None:
    small.write(*ROWS, row(6, "2024-02-07", kind="owl"))
    both = read_listing(small.root, small.collect())
    (small.folder / "labels" / "c.csv").write_text("row_id,corrected\nID-001,owl\n")
    (small.folder / "pipeline.yaml").write_text(CORRECTED)
    loaded = load_pipeline(small.folder / "pipeline.yaml")
    assert settle_corrections(loaded, both).of(["2024-01"]).labels == {"ID-001": "owl"}
    early = Listing({"2024-01": both.raw["2024-01"]}, "", None)
    with pytest.raises(SettingsError, match="'owl' for row 'ID-001' in"):
        settle_corrections(loaded, early)
    unknown = Listing({**early.raw, "2024-02": None}, "", None)
    assert settle_corrections(loaded, unknown).of(["2024-01"]).labels == {"ID-001": "owl"}


def test_the_file_is_read_once_per_run(small: SmallRoot) -> None:
    correct(small, r2="gull")
    plan, prepared = planned(small)
    first = prepared.corrections(plan)
    (small.folder / "labels" / "c.csv").unlink()
    assert prepared.window(plan).corrections == first
    with pytest.raises(SettingsError, match="where no file is"):
        window_of(small)


def test_rows_that_are_not_there_are_counted(small: SmallRoot) -> None:
    (small.folder / "pipeline.yaml").write_text(CORRECTED)
    (small.folder / "labels" / "c.csv").write_text("row_id,corrected\nID-001,=hawk\nID-01,gull\n")
    window = window_of(small)
    rows = read_window(window.cleaned, window.embedded, window.rules).clean
    counts = correct_labels(rows, window.corrections).counts
    assert counts == {"applied": 1, "unchanged": 0, "unknown": 0}
    assert window.corrections.unknown == 1  # told in the log; no key depends on it
