"""What a stored model may be made of: nothing that is not listed here is imported or made."""

from __future__ import annotations

from importlib import import_module

from tasks.errors import ModelError
from tasks.quoting import quote

_BOOSTING = "sklearn.ensemble._hist_gradient_boosting"
OURS = frozenset(
    {
        "tasks.anomalies.detectors.Detectors",
        "tasks.anomalies.evidence.Burst",
        "tasks.anomalies.expected.Expected",
        "tasks.anomalies.expected.Levels",
        "tasks.anomalies.expected.Scale",
        "tasks.anomalies.match.MatchDetector",
        "tasks.anomalies.references.References",
        "tasks.anomalies.spoken.TextDetector",
        "tasks.anomalies.swollen.TimeDetector",
        "tasks.anomalies.tabled.Ranges",
        "tasks.anomalies.tabled.TableDetector",
        "tasks.anomalies.tails.FittedTail",
        "tasks.anomalies.tails.Pareto",
        "tasks.anomalies.unlike.Shape",
        "tasks.anomalies.usual.KnownCategories",
        "tasks.anomalies.usual.KnownNumbers",
        "tasks.anomalies.usual.Past",
        "tasks.anomalies.foretell.Reader",
        "tasks.anomalies.foretell.Foreteller",
        "tasks.anomalies.references.Lookup",
        "tasks.fuse.blocks.Block",
        "tasks.fuse.categories.Categories",
        "tasks.fuse.dates.Dates",
        "tasks.fuse.levels.Levels",
        "tasks.fuse.levels._Spelling",
        "tasks.fuse.numbers.Numbers",
        "tasks.fuse.numbers._Curve",
        "tasks.fuse.numbers._Ruler",
        "tasks.fuse.rates.Rates",
        "tasks.fuse.settings.FuseSettings",
        "tasks.fuse.target.Unit",
        "tasks.fuse.terms.Sequences",
        "tasks.fuse.terms.Terms",
        "tasks.fuse.terms.Words",
        "tasks.fuse.vectors.Vectors",
        "tasks.learn.calibrate.Calibrator",
        "tasks.learn.candidates.Spec",
        "tasks.learn.classifier.Chosen",
        "tasks.learn.classifier.Classifier",
        "tasks.learn.combine.CalibratedMean",
        "tasks.learn.combine.Mean",
        "tasks.learn.combine.Meta",
        "tasks.learn.fitting.Taught",
        "tasks.learn.learners.dense.DenseForm",
        "tasks.learn.learners.dense.Neighbours",
        "tasks.learn.learners.gated.Gate",
        "tasks.learn.learners.gated.Gated",
        "tasks.learn.learners.lesson.Prior",
        "tasks.learn.learners.linear.Linear",
        "tasks.learn.learners.network.Network",
        "tasks.learn.learners.network.Outcome",
        "tasks.learn.learners.network.Scaling",
        "tasks.learn.learners.networks.NetworkMember",
        "tasks.learn.learners.short.ShortForm",
        "tasks.learn.learners.svd.Reduced",
        "tasks.learn.learners.tabm.TabM",
        "tasks.learn.learners.trees.Trees",
        "tasks.learn.model.Model",
    }
)
"""Classes of ours, each by its module and name."""
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


def name_of(kind: type) -> str | None:
    """The name under which an object of this class is stored; None if it is not trusted."""
    name = f"{kind.__module__}.{kind.__qualname__}"
    return name if name in OURS else None


def found(name: str) -> type:
    """The class of this name.

    Raises:
        ModelError: It is not trusted, or not here.
    """
    module, _, attribute = name.rpartition(".")
    kind = getattr(import_module(module), attribute, None) if name in OURS else None
    if not isinstance(kind, type):
        raise ModelError(
            got=f"a stored model with an object of class '{quote(name)}'",
            expected="only classes that tasks.models.trusted lists",
            fix="run the pipeline again: the model is then made anew; trust no file whose origin "
            "you do not know",
        )
    return kind
