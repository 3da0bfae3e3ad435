"""What a stored object may be made of: classes marked as storable, and listed estimators."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TypeVar

from fusemine.tasks.core.errors import ModelError, quote

Class = TypeVar("Class")
_PACKAGE = "fusemine.tasks."
_BOOSTING = "sklearn.ensemble._hist_gradient_boosting"
ESTIMATORS = frozenset(
    {
        "collections.OrderedDict",
        "functools.partial",
        "lightgbm.basic.Booster",
        "lightgbm.sklearn.LGBMClassifier",
        "lightgbm.sklearn.LGBMRegressor",
        "sklearn.calibration.CalibratedClassifierCV",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.compose._column_transformer.ColumnTransformer",
        "sklearn.decomposition._pca.PCA",
        "sklearn.decomposition._truncated_svd.TruncatedSVD",
        "sklearn.ensemble._forest.RandomForestClassifier",
        "sklearn.ensemble._forest.RandomForestRegressor",
        f"{_BOOSTING}.binning._BinMapper",
        f"{_BOOSTING}.gradient_boosting.HistGradientBoostingClassifier",
        f"{_BOOSTING}.gradient_boosting.HistGradientBoostingRegressor",
        f"{_BOOSTING}.predictor.TreePredictor",
        "sklearn.ensemble._iforest.IsolationForest",
        "sklearn.linear_model._logistic.LogisticRegression",
        "sklearn.linear_model._ridge.Ridge",
        "sklearn.neighbors._classification.KNeighborsClassifier",
        "sklearn.neighbors._regression.KNeighborsRegressor",
        "sklearn.neighbors._unsupervised.NearestNeighbors",
        "sklearn.preprocessing._encoders.OrdinalEncoder",
        "sklearn.preprocessing._function_transformer.FunctionTransformer",
        "sklearn.preprocessing._label.LabelEncoder",
        "sklearn.preprocessing._target_encoder.TargetEncoder",
        "sklearn.svm._classes.LinearSVC",
        "sklearn.svm._classes.LinearSVR",
        "sklearn.tree._classes.DecisionTreeClassifier",
        "sklearn.tree._classes.DecisionTreeRegressor",
        "sklearn.tree._classes.ExtraTreeRegressor",
        "sklearn.tree._tree.Tree",
        "sklearn.utils.validation.check_array",
    }
)
"""Estimators, and what is inside them, besides arrays and plain values; skops trusts those."""


def storable(kind: type[Class]) -> type[Class]:
    """Mark a class of fusemine whose objects may be stored, and made again from what was stored."""
    kind.__storable__ = kind.__qualname__  # type: ignore[attr-defined]
    return kind


def name_of(kind: type) -> str | None:
    """The name under which an object of this class is stored; None if it may not be."""
    return f"{kind.__module__}.{kind.__qualname__}" if _is_storable(kind) else None


def class_of(name: str) -> type:
    """The class of this name.

    Raises:
        ModelError: It is no class of fusemine that may be stored.
    """
    module, _, attribute = name.rpartition(".")
    is_own = module.startswith(_PACKAGE) and find_spec(module) is not None
    kind = getattr(import_module(module), attribute, None) if is_own else None
    if not isinstance(kind, type) or not _is_storable(kind):
        raise untrusted(
            f"a stored model with an object of class '{quote(name)}'",
            "a class of fusemine that is marked as storable",
        )
    return kind


def untrusted(got: str, expected: str) -> ModelError:
    """The error of a file with something that may not be in it."""
    return ModelError(
        got=got,
        expected=expected,
        fix="run the pipeline again: the model is then made again; trust no file whose origin you "
        "do not know",
    )


def _is_storable(kind: type) -> bool:
    # A class that only inherits the mark is not marked.
    return vars(kind).get("__storable__") == kind.__qualname__
