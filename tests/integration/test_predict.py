"""Scoring new rows with the model in use, and what is refused."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.modelled import (
    LEARNING,
    MODELS,
    command,
    current_folder,
    files,
    forge,
    forge_manifest,
    new_file,
    registry,
    scored_frame,
)
from support.tickets import Table, file_in, tickets, write_csv

from fusemine.flows.score import score
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.report.contracts import RESULTS

Mine = Callable[..., Any]


RESULT = ("prediction", "probability", "topic")


def test_predictions_for_a_runs_test_rows_are_those_of_the_run(used: Table) -> None:
    current = registry(used).current
    assert current is not None
    record = json.loads((used.root / "latest" / f"{current.partition}.json").read_text())
    known = pl.read_parquet(file_in((used.root / record["report"]).parent))
    tested = known.filter(pl.col("split") == "test")
    columns = ("ticket", "opened", "body", "product", "minutes")
    path = used.folder / "test.csv"
    tested.select(columns).write_csv(path)
    found = scored_frame(used, path)
    RESULTS.check(found.to_arrow())
    assert found["row_id"].to_list() == tested["row_id"].to_list()
    assert found.select(RESULT).equals(tested.select(RESULT))
    newest = pl.col("partition") == current.partition
    scores = [frame.filter(newest)["anomaly_score"] for frame in (found, tested)]
    assert len(scores[0]) > 20
    assert scores[0].to_list() == pytest.approx(scores[1].to_list(), abs=1e-6)


def test_a_row_has_the_same_scores_alone_and_among_others(used: Table) -> None:
    rows = tickets(40, months=5)
    whole = scored_frame(used, new_file(used, rows))
    one = scored_frame(used, new_file(used, rows[7:8], "one.csv"))
    same = whole.filter(pl.col("row_id") == one["row_id"][0])
    names = ["prediction", "topic", "anomaly_flagged", "anomaly_reason"]
    assert one.select(names).equals(same.select(names))
    for name in ("probability", "anomaly_score"):
        assert one[name][0] == pytest.approx(same[name][0], abs=1e-6)


def test_rows_that_the_model_was_trained_on_are_counted(used: Table) -> None:
    learnt = set(pl.read_parquet(file_in(current_folder(used)))["row_id"])
    file = new_file(used, tickets(500, months=5)[:40])
    found = scored_frame(used, file)
    seen = set(found.filter(pl.col("split") == "train")["row_id"])
    assert seen == learnt & set(found["row_id"])
    assert len(seen) > 20
    told = command("predict", used.pipeline, file).stdout
    assert f"rows that the model has learnt the label from: {len(seen)}" in told


def test_rows_in_are_rows_scored_and_rejected(used: Table) -> None:
    rows = tickets(30, months=5)
    rows[1]["opened"] = ""
    rows[2] |= {"body": "", "product": "", "minutes": ""}
    rows[3]["ticket"] = rows[0]["ticket"]
    rows[4] |= {"product": "moon", "minutes": "soon"}
    done = command("predict", used.pipeline, new_file(used, rows), "--json")
    found = json.loads(done.stdout)
    assert found["rows"] == 27
    assert found["rejected"] == {"nothing_to_read": 1, "repeated_id": 1, "time_missing": 1}
    assert found["unseen_levels"] == {"product": 1}
    assert found["unreadable_numbers"] == {"minutes": 1}
    told = command("predict", used.pipeline, used.folder / "new.csv")
    assert "27 rows of new.csv scored by" in told.stdout
    assert "3 rejected" in told.stdout


def test_the_results_can_be_written_as_a_table(used: Table) -> None:
    output = used.folder / "out.csv"
    done = command("predict", used.pipeline, new_file(used, tickets(5)), "-o", output)
    assert done.exit_code == 0
    assert pl.read_csv(output).columns[:10] == [*RESULTS.columns, *GRAPH.row_columns]
    whole = used.folder / "out.parquet"
    assert command("predict", used.pipeline, used.folder / "new.csv", "-o", whole).exit_code == 0
    assert pl.read_parquet(whole).equals(scored_frame(used, used.folder / "new.csv"))
    assert pl.read_csv(output)["row_id"].to_list() == pl.read_parquet(whole)["row_id"].to_list()
    assert command("predict", used.pipeline, used.folder / "new.csv", "-o", "x.doc").exit_code == 2


def test_rows_of_ours_are_not_written_over(used: Table) -> None:
    file = new_file(used, tickets(5))
    for output in (file, used.folder / "tickets.csv"):
        before = output.read_bytes()
        done = command("predict", used.pipeline, file, "-o", output)
        assert (done.exit_code, "would be lost" in done.stderr) == (2, True)
        assert output.read_bytes() == before


def test_a_row_that_was_only_scored_can_be_forgotten_with_its_vector(used: Table) -> None:
    rows = tickets(3)
    for number, row in enumerate(rows):
        row |= {"ticket": f"N{number}", "body": f"something that nobody has said, {number * 7919}"}
    rows[2]["opened"] = "soon"
    file = new_file(used, rows)
    for name in ("N0", "N2"):  # one was scored, one rejected
        scored_frame(used, file)
        stored = len(vectors(used))
        done = command("forget", used.pipeline, name)
        assert done.exit_code == 0, done.output
        assert not list(used.root.glob("predict/*/*/manifest.json"))
        assert len(vectors(used)) < stored
    assert scored_frame(used, file)["row_id"].to_list() == ["N1"]


def vectors(used: Table) -> set[bytes]:
    parts = used.root.glob("store/*/part-*.parquet")
    return {key for part in parts for key in pl.read_parquet(part)["text_hash"]}


def test_the_flow_scores_as_the_command_does(used: Table) -> None:
    file = new_file(used, tickets(10))
    path = Path(score(used.pipeline, file))
    by_flow = pl.read_parquet(path)
    shutil.rmtree(path.parent)  # or the command would find it
    assert scored_frame(used, file).equals(by_flow)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"body": None}, "without column 'body'"),
        ({"minutes": "many"}, "'minutes', and none of its 30 values is a number"),
        ({"product": "7"}, "'product', and none of its 30 values was there in training"),
    ],
)
def test_a_file_that_is_not_of_this_table_is_refused_and_nothing_written(
    used: Table, change: dict[str, str | None], said: str
) -> None:
    rows = [{**row, **change} for row in tickets(30)]
    rows = [{name: cell for name, cell in row.items() if cell is not None} for row in rows]
    file, before = new_file(used, rows), files(used.root)
    done = command("predict", used.pipeline, file)
    assert done.exit_code == 2
    assert said in done.stderr
    assert files(used.root) == before
    assert not list(used.root.glob("predict/*"))


def test_a_file_without_rows_is_refused(used: Table) -> None:
    file = used.folder / "empty.csv"
    file.write_text("ticket,opened,body,product,minutes\n", encoding="utf-8")
    done = command("predict", used.pipeline, file)
    assert (done.exit_code, "has no rows" in done.stderr) == (2, True)


@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "manifest"])
def test_a_model_whose_files_are_not_as_they_were_written_is_refused(
    used: Table, damage: str
) -> None:
    folder = current_folder(used)
    path = max(folder.glob("classifier.*"), key=lambda path: path.stat().st_size)
    content = path.read_bytes()
    if damage == "gone":
        shutil.rmtree(folder)
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    if damage == "manifest":  # one who changes a file may change its hash as well
        forge_manifest(folder, path)
    before = files(used.root)
    done = command("predict", used.pipeline, new_file(used, tickets(5)))
    assert done.exit_code == 2
    assert ("is gone" if damage == "gone" else "is changed or cut off") in done.stderr
    assert files(used.root) == before


def test_a_model_file_with_a_type_that_is_not_trusted_is_refused_and_not_run(used: Table) -> None:
    path, trace = file_in(current_folder(used), "classifier.skops"), used.folder / "was-run"
    forge(used, path, with_type(path.read_bytes(), "os", "system", f"touch {trace}"))
    done = command("predict", used.pipeline, new_file(used, tickets(5)))
    assert done.exit_code == 2
    assert "os.system" in done.stderr
    assert not trace.exists()


def with_type(content: bytes, module: str, name: str, argument: str) -> bytes:
    """A skops file whose first estimator is to be built by any function."""
    source, made = zipfile.ZipFile(BytesIO(content)), BytesIO()
    with zipfile.ZipFile(made, "w") as target:
        for item in source.infolist():
            data = source.read(item)
            if item.filename == "schema.json":
                schema = json.loads(data)
                node = next(iter(nodes(schema)))
                node |= {"__class__": name, "__module__": module, "__loader__": "ObjectNode"}
                data = json.dumps(schema).encode()
            target.writestr(item, data)
    return made.getvalue()


def nodes(value: Any) -> Any:
    """The estimators in a schema of skops."""
    if isinstance(value, dict):
        if value.get("__loader__") == "ObjectNode":
            yield value
        for part in value.values():
            yield from nodes(part)
    elif isinstance(value, list):
        for part in value:
            yield from nodes(part)


@pytest.mark.parametrize("version", ["form", "scikit-learn", "fusemine"])
def test_a_model_of_another_version_is_refused(used: Table, version: str) -> None:
    path = file_in(current_folder(used), "about.json")
    about = json.loads(path.read_text(encoding="utf-8"))
    if version == "form":
        about["form"] = 99
    else:
        about["versions"][version] = "0.0.9"
    forge(used, path, json.dumps(about).encode())
    done = command("predict", used.pipeline, new_file(used, tickets(5)))
    assert done.exit_code == 2
    assert ("form 99" if version == "form" else f"{version} 0.0.9") in done.stderr


def test_another_encoder_than_the_one_of_training_is_refused(used: Table) -> None:
    used.set(classify=LEARNING, models=MODELS, embed={"prompt": "query: "})
    done = command("predict", used.pipeline, new_file(used, tickets(5)))
    assert done.exit_code == 2
    assert "embed.prompt" in done.stderr


def test_without_a_model_nothing_can_be_scored(tmp_path: Path) -> None:
    made = Table(tmp_path)
    made.set()
    done = command("predict", made.pipeline, write_csv(tmp_path / "new.csv", tickets(5)))
    assert (done.exit_code, "no model below" in done.stderr) == (2, True)


def test_a_table_without_a_label_has_topics_and_anomalies_of_new_rows(
    tmp_path: Path, training: Mine
) -> None:
    made = Table(tmp_path)
    write_csv(tmp_path / "tickets.csv", tickets(300, months=3))
    made.roles(label=None)
    training(made.pipeline)
    found = scored_frame(made, new_file(made, tickets(20, months=3)))
    assert found["prediction"].null_count() == 20
    assert found["topic"].null_count() == 0
    assert found["anomaly_score"].null_count() == 0
