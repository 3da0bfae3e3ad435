"""Ways to join text and table: which models are fitted, and how they are combined into one."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.classify.learners.architectures import fit_gated_learner, fit_tabm_learner
from fusemine.tasks.mine.classify.learners.dense import fit_neighbours
from fusemine.tasks.mine.classify.learners.linear import fit_logistic, fit_svm
from fusemine.tasks.mine.classify.learners.trees import fit_boosted, fit_forest, fit_lightgbm
from fusemine.tasks.mine.classify.problem import TABLE
from fusemine.tasks.mine.classify.selection.combine import (
    FitCombiner,
    fit_late,
    fit_mean,
    fit_mixture,
    fit_stacked,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusemine.tasks.fuse.transformers import BlockName
    from fusemine.tasks.mine.classify.learners.training_set import Learner
    from fusemine.tasks.mine.classify.problem import Problem
    from fusemine.tasks.mine.classify.settings import ClassifySettings


@dataclass(frozen=True)
class LearnerInfo:
    """A learner, its name in reports, and its rough cost in microseconds for a row and output."""

    fit: Learner
    name: str
    microseconds: float


LEARNERS: Mapping[str, LearnerInfo] = MappingProxyType(
    {
        "logistic": LearnerInfo(fit_logistic, "logistic regression", 130.0),
        "svm": LearnerInfo(fit_svm, "linear SVM", 160.0),
        "boosted": LearnerInfo(fit_boosted, "boosted trees", 400.0),
        "forest": LearnerInfo(fit_forest, "random forest", 1600.0),
        "neighbours": LearnerInfo(fit_neighbours, "nearest neighbours", 200.0),
        "network": LearnerInfo(fit_tabm_learner, "network (TabM)", 1100.0),
        "gated": LearnerInfo(fit_gated_learner, "gated network", 450.0),
        "lightgbm": LearnerInfo(fit_lightgbm, "LightGBM", 300.0),
    }
)
DEFAULT_LEARNERS = ("logistic", "boosted")
MODALITIES: dict[str, tuple[tuple[BlockName, ...], str]] = {
    "terms": (("terms",), "logistic"),
    "vectors": (("text",), "logistic"),
    "table": (TABLE, "boosted"),
}
"""What `late` and `stacked` make a model of each: its blocks, and the learner that suits them."""


@storable
@dataclass(frozen=True)
class Spec:
    """One model: a learner and the blocks that it reads."""

    learner: str
    blocks: tuple[BlockName, ...]

    def minutes(self, rows: int, outputs: int) -> float:
        """Roughly the minutes of one core that one fit takes."""
        # Two classes are one question; a network answers all questions at once, and trees are
        # bounded in number, but what they read of the texts is not.
        questions = 1.0 if outputs <= 2 or self.learner in {"network", "gated"} else outputs
        if self.learner == "boosted" and outputs > 2:
            questions = 2 + outputs / 4
        return LEARNERS[self.learner].microseconds * rows * questions / 60e6


@dataclass(frozen=True)
class Candidate:
    """Some models, and what combines their predictions into one."""

    name: str
    strategy: str
    specs: tuple[Spec, ...]
    combine: FitCombiner


def candidates(
    settings: ClassifySettings,
    blocks: Sequence[BlockName],
    defaults: Sequence[str] = DEFAULT_LEARNERS,
) -> list[Candidate]:
    """What is tried, most promising first; one candidate unless the strategy is `auto`.

    Args:
        settings: Strategy and learner; with `auto` a learner that is named is the only one tried,
            beside the gated network.
        blocks: The blocks that there is something in.
        defaults: What is averaged where no learner is named, see `default_learners`.
    """
    learner = settings.learner
    if settings.strategy != "auto":
        return [_candidate(settings.strategy, learner, blocks, defaults)]
    names = (None, "boosted", "logistic", "svm", "network") if learner is None else (learner,)
    early = [_candidate("early", name, blocks, defaults) for name in names]
    others = [_candidate(name, learner, blocks, defaults) for name in ("stacked", "late", "gated")]
    # One modality alone leaves nothing to join.
    joined = others if len(_by_modality(blocks, learner)) > 1 else others[2:]
    found = [*early[:4], *joined, *early[4:]]
    # The average of a single learner is that learner.
    return list({(one.strategy, one.specs): one for one in found}.values())


def within_budget(
    found: list[Candidate], budget: float, rows: int, outputs: int, fits: int
) -> tuple[list[Candidate], list[tuple[Candidate, float]]]:
    """The candidates that a budget allows, in order, and those left out with their minutes.

    A model that several candidates share is counted once; the first candidate always stays.

    Args:
        found: The candidates.
        budget: Minutes of one core.
        rows: Training rows.
        outputs: Columns of a prediction.
        fits: How often each model is fitted.
    """
    kept: list[Candidate] = []
    left_out: list[tuple[Candidate, float]] = []
    seen, spent = set[Spec](), 0.0
    for candidate in found:
        new = set(candidate.specs) - seen
        cost = fits * sum(spec.minutes(rows, outputs) for spec in new)
        if kept and cost and spent + cost > budget:
            left_out.append((candidate, cost))
        else:
            kept.append(candidate)
            seen, spent = seen | new, spent + cost
    return kept, left_out


def all_specs(found: Sequence[Candidate]) -> tuple[Spec, ...]:
    """All models of some candidates, each once."""
    return tuple(dict.fromkeys(spec for candidate in found for spec in candidate.specs))


def mixture(found: Sequence[Candidate]) -> Candidate:
    """A mixture of all models of some candidates."""
    return Candidate("mixture of the models", "mixture", all_specs(found), fit_mixture)


def baseline(
    problem: Problem, settings: ClassifySettings, blocks: Sequence[BlockName] | None = None
) -> Candidate:
    """The candidate that the ablation's views are compared with: one learner, whatever is chosen.

    Args:
        problem: The label to learn.
        settings: They may name the learner.
        blocks: Those of the view; all of the problem's by default.
    """
    defaults = default_learners(problem, settings)
    return _candidate("early", settings.learner, blocks or problem.blocks, defaults)


def default_learners(problem: Problem, settings: ClassifySettings) -> tuple[str, ...]:
    """What is averaged where no learner is named; where the budget is too small, only the first."""
    rows, outputs = len(problem.split.train), problem.target.outputs
    each = sum(Spec(name, ()).minutes(rows, outputs) for name in DEFAULT_LEARNERS)
    affordable = (settings.folds + 1) * each <= settings.budget
    return DEFAULT_LEARNERS if affordable else DEFAULT_LEARNERS[:1]


def _candidate(
    strategy: str, learner: str | None, blocks: Sequence[BlockName], defaults: Sequence[str]
) -> Candidate:
    if strategy == "early":
        learners = (learner,) if learner else tuple(defaults)
        names = " and ".join(LEARNERS[one].name for one in learners)
        title = f"early: average of {names}" if len(learners) > 1 else f"early: {names}"
        specs = tuple(Spec(one, tuple(blocks)) for one in learners)
        return Candidate(title, strategy, specs, fit_mean)
    if strategy == "gated":
        return Candidate("gated network", strategy, (Spec("gated", tuple(blocks)),), fit_mean)
    specs, of = _by_modality(blocks, learner), f" of {LEARNERS[learner].name}" if learner else ""
    if strategy == "late":
        return Candidate(f"late: average{of} by block", strategy, specs, fit_late)
    return Candidate(f"stacked: model of models{of} by block", strategy, specs, fit_stacked)


def _by_modality(blocks: Sequence[BlockName], learner: str | None) -> tuple[Spec, ...]:
    """A model for each modality that has blocks, by the learner given or the one that suits it."""
    found = (
        Spec(learner or suited, tuple(name for name in names if name in blocks))
        for names, suited in MODALITIES.values()
    )
    return tuple(spec for spec in found if spec.blocks)
