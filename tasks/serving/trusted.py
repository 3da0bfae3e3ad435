"""What a stored model may be made of: nothing that is not listed here is imported or made."""

from __future__ import annotations

from importlib import import_module

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.table.quoting import quote

_BOOSTING = "sklearn.ensemble._hist_gradient_boosting"
OURS = frozenset(
    {
        "fusemine.tasks.mine.anomalies.detectors.Detectors",
        "fusemine.tasks.mine.anomalies.reasons.evidence.Burst",
        "fusemine.tasks.mine.anomalies.views.expected.Expected",
        "fusemine.tasks.mine.anomalies.views.expected.Levels",
        "fusemine.tasks.mine.anomalies.views.expected.Scale",
        "fusemine.tasks.mine.anomalies.views.match.MatchDetector",
        "fusemine.tasks.mine.anomalies.reasons.references.References",
        "fusemine.tasks.mine.anomalies.views.text_detector.TextDetector",
        "fusemine.tasks.mine.anomalies.views.burst_detector.TimeDetector",
        "fusemine.tasks.mine.anomalies.views.table_detector.Ranges",
        "fusemine.tasks.mine.anomalies.views.table_detector.TableDetector",
        "fusemine.tasks.stats.p_values.FittedTail",
        "fusemine.tasks.stats.p_values.Pareto",
        "fusemine.tasks.mine.anomalies.views.mahalanobis.Shape",
        "fusemine.tasks.mine.anomalies.reasons.baseline.KnownCategories",
        "fusemine.tasks.mine.anomalies.reasons.baseline.KnownNumbers",
        "fusemine.tasks.mine.anomalies.reasons.baseline.Past",
        "fusemine.tasks.mine.anomalies.views.table_prediction.Reader",
        "fusemine.tasks.mine.anomalies.views.table_prediction.Foreteller",
        "fusemine.tasks.mine.anomalies.reasons.references.Lookup",
        "fusemine.tasks.fuse.blocks.Block",
        "fusemine.tasks.fuse.categories.Categories",
        "fusemine.tasks.fuse.dates.Dates",
        "fusemine.tasks.fuse.levels.Levels",
        "fusemine.tasks.fuse.levels._Spelling",
        "fusemine.tasks.fuse.numbers.Numbers",
        "fusemine.tasks.fuse.numbers._Curve",
        "fusemine.tasks.fuse.numbers._Ruler",
        "fusemine.tasks.fuse.target_encoding.Rates",
        "fusemine.tasks.fuse.settings.FuseSettings",
        "fusemine.tasks.stats.target.Unit",
        "fusemine.tasks.fuse.tfidf.Sequences",
        "fusemine.tasks.fuse.tfidf.Terms",
        "fusemine.tasks.fuse.tfidf.Words",
        "fusemine.tasks.fuse.text_vectors.Vectors",
        "fusemine.tasks.mine.classify.selection.calibrate.Calibrator",
        "fusemine.tasks.mine.classify.selection.candidates.Spec",
        "fusemine.tasks.mine.classify.classifier.Chosen",
        "fusemine.tasks.mine.classify.classifier.Classifier",
        "fusemine.tasks.mine.classify.selection.combine.CalibratedMean",
        "fusemine.tasks.mine.classify.selection.combine.Mean",
        "fusemine.tasks.mine.classify.selection.combine.Meta",
        "fusemine.tasks.mine.classify.selection.trainer.Taught",
        "fusemine.tasks.mine.classify.learners.dense.DenseForm",
        "fusemine.tasks.mine.classify.learners.dense.Neighbours",
        "fusemine.tasks.mine.classify.learners.gated.Gate",
        "fusemine.tasks.mine.classify.learners.gated.Gated",
        "fusemine.tasks.mine.classify.learners.training_set.Prior",
        "fusemine.tasks.mine.classify.learners.linear.Linear",
        "fusemine.tasks.mine.classify.learners.network.Network",
        "fusemine.tasks.mine.classify.learners.network.Outcome",
        "fusemine.tasks.mine.classify.learners.network.Scaling",
        "fusemine.tasks.mine.classify.learners.networks.NetworkMember",
        "fusemine.tasks.mine.classify.learners.tree_features.ShortForm",
        "fusemine.tasks.mine.classify.learners.svd.Reduced",
        "fusemine.tasks.mine.classify.learners.tabm.TabM",
        "fusemine.tasks.mine.classify.learners.trees.Trees",
        "fusemine.tasks.mine.classify.model.Model",
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
            expected="only classes that fusemine.tasks.serving.trusted lists",
            fix="run the pipeline again: the model is then made anew; trust no file whose origin "
            "you do not know",
        )
    return kind
