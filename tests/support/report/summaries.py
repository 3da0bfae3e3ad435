"""Summaries of learning, for the report's tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def summary(classes: Sequence[str]) -> dict[str, Any]:
    """A classifier's summary with an interval and a gain above zero."""
    view = {
        "average_precision": 0.7,
        "average_precision_interval": [0.6, 0.8],
        "roc_auc": 0.9,
        "roc_auc_interval": [0.85, 0.95],
        "log_loss": 0.2,
    }
    size = range(len(classes))
    return {
        "skipped": None,
        "classes": list(classes),
        "positive": "positive" if "positive" in classes else None,
        "split": "Tested on the newest rows.",
        "base_rate": 0.5,
        "metrics": {"table": view | {"average_precision": 0.4}, "text": view, "both": view},
        "gain": {"value": 0.05, "interval": [0.01, 0.09], "over": "text"},
        "confusion": {
            "labels": list(classes),
            "rows": [[9 if i == j else 1 for j in size] for i in size],
        },
        "curve": {"recall": [0, 0.5, 1], "precision": [1, 0.8, 0.5]},
        "calibration": [{"mean_probability": 0.2, "share_positive": 0.3, "rows": 10}],
        "terms": {classes[0]: ["engine", "loss"]} if classes else {},
    }


def full_summary(classes: Sequence[str], text: str = "column") -> dict[str, Any]:
    """A summary with all its parts, in which `text` is wherever data can be."""
    found = summary(classes)
    view = dict(found["metrics"]["both"])
    views = dict.fromkeys(("majority", "table", "sparse", "dense", "text", "both"), view)
    return {
        **found,
        "kind": "class",
        "leading": "average_precision",
        "main": "chosen",
        "learner": None,
        "rows": {"train": 60, "test": 20, "unlabelled": 0, "unused": 0},
        "metrics": {**views, "chosen": view | {"average_precision": 0.75}},
        "model": {
            "name": text,
            "strategy": "mixture",
            "parts": [
                {"learner": text, "blocks": ["terms", "text", "numbers"], "share": 0.7},
                {"learner": "boosted trees", "blocks": ["numbers"], "share": 0.3},
            ],
            "calibration": "isotonic",
        },
        "leaderboard": [
            {"name": text, "loss": 0.2, "chosen": True, "left_out": None},
            {"name": "gated network", "loss": 0.25, "chosen": False, "left_out": None},
            {"name": "early", "loss": None, "chosen": False, "left_out": text},
        ],
        "gates": {"numbers": 0.6, text: 0.4},
        "decision": {
            "threshold": 0.3,
            "said": text,
            "abstain": 0.6,
            "rows": 20,
            "decided": 15,
            "share": 0.75,
            "accuracy": 0.8,
        },
        "corrections": {"applied": 3, "unchanged": 1, "unknown": 2},
        "learning_curve": [
            {"rows": rows, "average_precision": value, "average_precision_interval": bounds}
            for rows, value, bounds in ((30, 0.5, [0.4, 0.6]), (60, 0.7, [0.6, 0.8]))
        ],
        "shuffled": {"measure": "roc_auc", "score": 0.51, "chance": 0.5, "tolerance": 0.05},
        "leaks": {
            "rule": text,
            "columns": [{"column": text, "measure": "roc_auc", "score": 0.99, "why": text}],
            "texts": {
                "words": [{"word": text, "flagged": True, "why": text}],
                "together": [{"class": text, "recall": 0.5, "why": text}],
                "names": [{"class": text, "flagged": False, "why": text}],
            },
        },
        "notes": [text],
        "importance": [
            {"name": "text", "kind": "text", "fall": 0.3, "deviation": 0.01},
            {"name": "table", "kind": "table", "fall": 0.1, "deviation": 0.01},
            {"name": text, "kind": "category", "fall": 0.05, "deviation": 0.01},
        ],
        "explanations": [
            explanation(f"r{place}", why, text)
            for place, why in enumerate(("surest", "surest", "mistake", "mistake", "close"))
        ],
        "groups": [
            {
                "column": text,
                "skipped": None,
                "left_out": {"levels": 2, "rows": 9},
                "levels": [
                    {"level": text, "rows": 30, "recall": 0.5, "flagged": False, "why": None},
                    {"level": "low", "rows": 20, "recall": 0.2, "flagged": True, "why": text},
                ],
            },
            {"column": "none", "skipped": text, "levels": [], "left_out": {}},
        ],
        "doubts": {"estimated": 8, "same_text": 2, "near_copies": 1},
    }


def explanation(row_id: str, why: str, text: str) -> dict[str, Any]:
    """The explanation of a prediction at even log-odds, with a word for it and one against."""
    return {
        "row_id": row_id,
        "why": why,
        "output": text,
        "scale": "log-odds",
        "base": -1.0,
        "prediction": 0.0,
        "features": [
            {"name": "text", "kind": "text", "value": text, "contribution": 0.8},
            {"name": text, "kind": "category", "value": text, "contribution": -0.4},
        ],
        "others": 0.6,
        "words": [
            {"text": text, "weight": 0.5},
            {"text": "plain", "weight": 0.01},
            {"text": "against", "weight": -0.2},
        ],
        "vectors": "kept",
    }


def number_summary() -> dict[str, Any]:
    """A summary of a number to be predicted."""
    view = {"rmse": 5.0, "rmse_interval": [4.0, 6.0], "mae": 4.0, "r2": 0.8, "spearman": 0.9}
    spread = [float(v) for v in range(20)]
    return {
        "skipped": None,
        "kind": "number",
        "leading": "rmse",
        "main": "both",
        "positive": None,
        "classes": [],
        "rows": {"train": 60, "test": 20},
        "metrics": {
            "majority": view | {"rmse": 20.0, "r2": 0.0},
            "table": view | {"rmse": 7.0},
            "text": view | {"rmse": 9.0},
            "both": view,
        },
        "gain": {"value": 2.0, "interval": [1.0, 3.0], "over": "table"},
        "spread": {"predicted": spread, "true": [v + 2 for v in spread]},
        "learning_curve": [
            {"rows": rows, "rmse": value, "rmse_interval": [value - 1, value + 1]}
            for rows, value in ((30, 7.0), (60, 5.0))
        ],
        "importance": [{"name": "height", "kind": "number", "fall": 3.0, "deviation": 0.1}],
        "explanations": [
            {**explanation("r3", "error", "height"), "scale": "number", "output": None}
        ],
        "terms": {"larger numbers": ["fast"]},
        "groups": [
            {
                "column": "sky",
                "levels": [{"level": "clear", "rows": 30, "rmse": 4.0, "mean_error": -1.5}],
            }
        ],
        "doubts": {"estimated": 3, "same_text": 0, "near_copies": 0},
    }
