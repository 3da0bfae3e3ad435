"""Models in use, on a real server: trained, compared, promoted and rolled back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from support.modelled import (
    LEARNING,
    MODELS,
    MONTHS,
    command,
    current_folder,
    forge,
    new_file,
    registry,
    scored_frame,
)
from support.tickets import SETTINGS, Table, file_in, tickets, write_csv

from fusemine.flows.config.pipeline import load_pipeline
from fusemine.flows.coverage.coverage import State, coverage_of
from fusemine.flows.promote import promote
from fusemine.flows.prune import prune_root
from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.core.storage.artifact import read_json, ref_of

Mine = Callable[..., Any]


def test_the_first_model_is_used_and_later_ones_take_its_place_if_not_worse(mined: Table) -> None:
    found = registry(mined)
    assert [event.action for event in found.events][:1] == ["first"]
    assert [event.model[:7] for event in found.events] == list(MONTHS)
    for event in found.events[1:]:
        assert event.challenge is not None
        ref = ref_of(mined.root, event.challenge)
        assert ref is not None
        test = read_json(ref)
        assert event.action == ("promoted" if test["not_worse"] else "kept")
        assert (test["champion"], test["challenger"]) == (event.before, event.model)
        assert test["rows"] >= 30


def test_each_partition_is_scored_by_a_model_that_was_trained_before_it(mined: Table) -> None:
    found = registry(mined)
    by = {month: turn.champion for month, turn in found.turns.items()}
    assert by["2024-03"] is None
    for month in MONTHS[1:]:
        champion = by[month]
        assert champion is not None
        assert found.entries[champion].partition < month


def test_no_row_that_judges_two_models_was_learnt_from_by_either(mined: Table) -> None:
    found = registry(mined)
    for event in found.events[1:]:
        rows = pl.read_parquet(file_in(mined.root / str(event.challenge)))
        for model in (event.model, str(event.before)):
            trained = file_in(mined.root / found.entries[model].artifact)
            assert not set(rows["row_id"]) & set(pl.read_parquet(trained)["row_id"])


def test_the_prequential_figures_are_in_the_report(mined: Table) -> None:
    report = (mined.root / "report" / "latest.html").read_text(encoding="utf-8")
    assert "model in use" in report.lower()
    assert registry(mined).turns["2024-05"].champion in report


def test_what_was_mined_is_complete_after_models_came_in(mined: Table) -> None:
    coverage = coverage_of(load_pipeline(mined.pipeline))
    assert {month: coverage.of(month).state for month in MONTHS} == dict.fromkeys(
        MONTHS, State.COMPLETE
    )


def test_running_again_changes_nothing(used: Table, training: Mine) -> None:
    before = registry(used)
    outcome = training(used.pipeline, "2024-05")
    assert all(stage.reused for stage in outcome.stages.values())
    assert registry(used) == before


def test_a_model_is_chosen_and_given_back_by_hand(used: Table) -> None:
    ids = list(registry(used).entries)
    line = registry(used).succession()
    current = registry(used).current
    assert current is not None
    other = next(name for name in ids if name != current.id)
    done = command("promote", used.pipeline, other, "--why", "the newest one looks odd")
    assert f"{other} is in use now" in done.stdout
    assert registry(used).succession() == [*line, other]
    assert command("promote", used.pipeline, other).exit_code == 2
    told = promote(used.pipeline, "previous", "it was not odd")
    assert told.startswith(f"{current.id} is in use now")
    last = registry(used).events[-1]
    assert (last.action, last.why) == ("rolled back", "it was not odd")


def test_a_new_run_does_not_take_back_what_a_person_decided(used: Table, training: Mine) -> None:
    ids = list(registry(used).entries)
    promote(used.pipeline, ids[0], "by hand")
    training(used.pipeline, "2024-05")
    current = registry(used).current
    assert current is not None
    assert current.id == ids[0]


def test_a_model_whose_files_are_gone_cannot_be_chosen(used: Table) -> None:
    ids, before = list(registry(used).entries), registry(used)
    shutil.rmtree(used.root / registry(used).entries[ids[0]].artifact)
    with pytest.raises(ModelError, match="is gone"):
        promote(used.pipeline, ids[0], "by hand")
    assert registry(used) == before


def test_models_are_listed_shown_and_compared(used: Table) -> None:
    ids = list(registry(used).entries)
    listed = command("models", used.pipeline)
    assert all(name in listed.stdout for name in ids)
    assert "in use" in listed.stdout
    value = json.loads(command("models", used.pipeline, "--json").stdout)
    assert [model["model"] for model in value["models"]] == ids
    shown = command("models", used.pipeline, ids[0])
    assert "made of:" in shown.stdout
    assert "tickets.csv" in shown.stdout
    compared = json.loads(command("models", used.pipeline, *ids[:2], "--json").stdout)
    assert compared["challenges"][0]["test"]["challenger"] == ids[1]
    assert command("models", used.pipeline, *ids).exit_code == 2
    assert command("models", used.pipeline, "2023").exit_code == 2


def test_a_backfill_scores_its_partitions_and_leaves_the_model_in_use(
    used: Table, server: str
) -> None:
    from fusemine.flows.backfill import backfill

    before = registry(used)
    backfill(used.pipeline, start="2024-04-01", only="all", pool="here")
    backfill(used.pipeline, start="2024-01-01", end="2024-02-28", pool="here")
    after = registry(used)
    assert (after.entries, after.events) == (before.entries, before.events)
    assert after.turns["2024-01"].champion is None


def test_a_run_trains_when_asked_and_not_before_it_is_due(used: Table, training: Mine) -> None:
    write_csv(used.folder / "tickets.csv", tickets(600, months=6))
    used.set(classify=LEARNING, models={"margin": 0.5, "retrain": {"every": 2}})
    training(used.pipeline, "2024-06")
    assert not [name for name in registry(used).entries if name.startswith("2024-06")]
    assert registry(used).turns["2024-06"].champion == registry(used).succession()[-1]
    training(used.pipeline, "2024-06", "now")
    assert [name for name in registry(used).entries if name.startswith("2024-06")]


def test_where_promotion_is_by_hand_a_new_model_waits(used: Table, training: Mine) -> None:
    write_csv(used.folder / "tickets.csv", tickets(600, months=6))
    used.set(classify=LEARNING, models={"margin": 1.0, "promote": "hand"})
    before = registry(used).current
    training(used.pipeline, "2024-06")
    assert registry(used).current == before
    last = registry(used).events[-1]
    assert (last.action, last.model[:7]) == ("kept", "2024-06")
    assert "models.promote is hand" in last.why


def test_pruning_keeps_the_model_in_use_and_the_newest_ones(used: Table) -> None:
    used.set(classify=LEARNING, models={"margin": 0.5, "keep": 1}, retention="PT0S")
    before = registry(used)
    prune_root(load_pipeline(used.pipeline), dry_run=False)
    there = {name for name, made in before.entries.items() if (used.root / made.artifact).is_dir()}
    assert there == {*before.succession()[-2:], list(before.entries)[-1]}
    assert command("predict", used.pipeline, new_file(used, tickets(5))).exit_code == 0
    coverage = coverage_of(load_pipeline(used.pipeline))
    assert coverage.of("2024-05").state is State.COMPLETE


def test_a_forgotten_row_takes_the_models_with_it_and_the_next_run_makes_a_new_one(
    used: Table, training: Mine
) -> None:
    current = registry(used).current
    assert current is not None
    learnt = pl.read_parquet(file_in(current_folder(used)))["row_id"][0]
    assert command("forget", used.pipeline, learnt).exit_code == 0
    done = command("predict", used.pipeline, new_file(used, tickets(5)))
    assert (done.exit_code, f"model {current.id} is gone" in done.stderr) == (2, True)
    training(used.pipeline)
    event = registry(used).events[-1]
    assert (event.action, event.before) == ("promoted", current.id)
    assert "is gone or changed" in event.why
    ids = scored_frame(used, used.folder / "new.csv")["row_id"].to_list()
    assert ids == [f"T{i:04d}" for i in range(5) if f"T{i:04d}" != learnt]


def test_a_model_that_reads_other_columns_is_not_compared_and_stays(
    used: Table, training: Mine
) -> None:
    before = registry(used).current
    assert before is not None
    columns = {**SETTINGS["columns"], "number": None}
    columns = {name: role for name, role in columns.items() if role is not None}
    used.set(classify=LEARNING, models=MODELS, columns=columns)
    training(used.pipeline, train="now")
    after = registry(used)
    assert after.current == before
    assert (after.events[-1].action, after.events[-1].challenge) == ("kept", None)
    assert f"fusemine promote PIPELINE {after.events[-1].model}" in after.events[-1].why
    promote(used.pipeline, after.events[-1].model, "the number is gone")
    row = {name: cell for name, cell in tickets(1)[0].items() if name != "minutes"}
    assert scored_frame(used, new_file(used, [row])).height == 1


def test_a_model_that_cannot_be_read_here_stops_no_run_and_a_new_one_is_used(
    used: Table, training: Mine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fusemine.tasks.serving import stored

    current = registry(used).current
    assert current is not None
    write_csv(used.folder / "tickets.csv", tickets(600, months=6))
    stored.load_model.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(stored, "version", lambda name: "9.9.0" if "scikit" in name else "1.0")
        outcome = training(used.pipeline, "2024-06")
    assert outcome.report.is_file()
    assert outcome.model.decision == "promoted"
    assert "cannot be read by what is installed" in outcome.model.why
    assert registry(used).turns["2024-06"].champion == current.id


def test_rows_that_a_model_has_learnt_from_have_no_part_in_its_honest_figures(
    used: Table, training: Mine
) -> None:
    old = [{**row, "opened": "2024-06-10"} for row in tickets(500, months=5)[:40]]
    write_csv(used.folder / "tickets.csv", [*tickets(600, months=6), *old])
    training(used.pipeline, "2024-06", "never")
    champion = registry(used).in_use_for("2024-06")
    assert champion is not None
    learnt = pl.read_parquet(file_in(used.root / champion.artifact))["row_id"]
    (scored,) = used.root.glob("score/2024-06/*/part-00000.*.parquet")
    rows = pl.read_parquet(scored)
    seen = set(rows.filter(pl.col("split") == "train")["row_id"])
    assert len(seen) > 20
    assert seen == set(rows["row_id"]) & set(learnt)
    (watched,) = used.root.glob("monitor/2024-06/*/part-00000.*.parquet")
    last = pl.read_parquet(watched).filter(pl.col("partition") == "2024-06")
    assert last["rows"].item() == rows.height - len(seen)


def test_what_a_model_predicted_still_counts_when_its_files_are_gone_and_rows_changed(
    used: Table, training: Mine
) -> None:
    turn = registry(used).turns["2024-04"]
    assert turn.champion is not None
    shutil.rmtree(used.root / registry(used).entries[turn.champion].artifact)
    rows = [row for row in tickets(500, months=5) if row["ticket"] != "T0310"]
    write_csv(used.folder / "tickets.csv", rows)
    training(used.pipeline, "2024-05", "never")
    newest = max(used.root.glob("monitor/2024-05/*"), key=lambda path: path.stat().st_mtime)
    watched = pl.read_parquet(file_in(newest))
    assert watched["partition"].to_list() == ["2024-04", "2024-05"]
    assert registry(used).turns["2024-04"].score == turn.score


def test_a_model_that_was_taken_into_use_during_a_run_stays(used: Table) -> None:
    from fusemine.flows.serving.in_use import Use
    from fusemine.tasks.serving.registry import Event

    before = registry(used)
    ids = list(before.entries)
    made = before.entries[ids[-1]].model_copy(update={"id": "2024-06-new", "partition": "2024-06"})
    event = Event(
        at=made.made_at,
        action="promoted",
        model=made.id,
        before=before.succession()[-1],
        why="test",
    )
    promote(used.pipeline, ids[0], "by hand, meanwhile")
    registry_after = Use({}, entry=made, event=event).applied_to(registry(used))
    assert registry_after.current is not None
    assert registry_after.current.id == ids[0]
    assert registry_after.decided(made.id)


@pytest.mark.slow
def test_without_new_labels_nothing_new_is_due(used: Table, training: Mine) -> None:
    rows = tickets(600, months=6)
    for row in rows[500:]:
        row["urgent"] = ""
    columns = {**SETTINGS["columns"], "label": {"column": "urgent"}}
    write_csv(used.folder / "tickets.csv", rows)
    used.set(classify=LEARNING, models=MODELS, columns=columns)
    training(used.pipeline, "2024-05", "now")
    promote(used.pipeline, list(registry(used).entries)[-1], "classes as they are")
    training(used.pipeline, "2024-06")
    assert not [name for name in registry(used).entries if name.startswith("2024-06")]


def test_models_of_a_table_with_markup_for_names_are_compared(used: Table) -> None:
    ids = list(registry(used).entries)
    path = file_in(used.root / registry(used).entries[ids[0]].artifact, "about.json")
    about = json.loads(path.read_text(encoding="utf-8"))
    about["label"]["classes"] = ["[/third]", "[red]"]
    forge(used, path, json.dumps(about).encode())
    shown = command("models", used.pipeline, *ids[:2])
    assert shown.exit_code == 0, shown.output
    assert "[/third]" in shown.stdout


def test_going_back_passes_over_what_is_gone(used: Table) -> None:
    first, second, *_ = line = registry(used).succession()
    if len(line) < 3:
        third = next(name for name in registry(used).entries if name not in line)
        promote(used.pipeline, third, "one more")
    shutil.rmtree(used.root / registry(used).entries[second].artifact)
    promote(used.pipeline, "previous", "back")
    current = registry(used).current
    assert current is not None
    assert current.id == first
