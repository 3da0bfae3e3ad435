"""The label, learnt from text and table: predictions for every row, and how good they are."""

from __future__ import annotations

from fusemine.tasks.core.contract import number, text
from fusemine.tasks.core.stage import RowColumns, Scope, Stage
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.mine.classify.contracts import LABEL_ERRORS, PREDICTIONS
from fusemine.tasks.mine.classify.settings import ClassifySettings

STAGE = Stage(
    name="classify",
    scope=Scope.WINDOW,
    compute="fusemine.tasks.mine.classify.compute:run",
    tables={MAIN: PREDICTIONS, "doubts": LABEL_ERRORS},
    reads=("clean", "embed"),
    settings=ClassifySettings,
    uses=("fuse", "columns.label_kind", "embed"),
    resources={
        "corrections": "fusemine.tasks.corrections.read:provide",
        "encoder": "fusemine.tasks.embed.engine:provide",
    },
    libraries=(
        "lightgbm?", "numpy", "polars", "safetensors", "scikit-learn", "scipy", "shap", "skops",
        "torch",
    ),
    device="classify.device",
    unit="fits",
    row_columns=RowColumns(
        {
            "prediction": text(nullable=True),
            "probability": number(nullable=True),
            "split": text(nullable=True),
        },
        "fusemine.tasks.mine.classify.contracts:row_columns",
    ),
    section="fusemine.tasks.mine.classify.report.section:section",
)  # fmt: skip
