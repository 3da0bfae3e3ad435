"""Ways to join text and table: which models are fitted, and how they are made one."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.classify.learners.dense import fit_neighbours
from fusemine.tasks.mine.classify.learners.linear import fit_logistic, fit_svm
from fusemine.tasks.mine.classify.learners.networks import fit_gated_network, fit_network
from fusemine.tasks.mine.classify.learners.trees import fit_boosted, fit_forest, fit_lightgbm
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

LEARNERS: Mapping[str, Learner] = MappingProxyType(
    {
        "logistic": fit_logistic,
        "svm": fit_svm,
        "boosted": fit_boosted,
        "forest": fit_forest,
        "neighbours": fit_neighbours,
        "network": fit_network,
        "gated": fit_gated_network,
        "lightgbm": fit_lightgbm,
    }
)
TABLE: tuple[BlockName, ...] = ("numbers", "categories", "dates", "levels", "rates")
MODALITIES: dict[str, tuple[BlockName, ...]] = {
    "terms": ("terms",),
    "vectors": ("text",),
    "table": TABLE,
}
"""What `late` and `stacked` make a model of each."""
USUAL = ("logistic", "boosted")
SUITED = {"terms": "logistic", "vectors": "logistic", "table": "boosted"}
SPOKEN = {
    "logistic": "logistic regression",
    "svm": "linear SVM",
    "boosted": "boosted trees",
    "forest": "random forest",
    "neighbours": "nearest neighbours",
    "network": "network (TabM)",
    "gated": "gated network",
    "lightgbm": "LightGBM",
}
MICROSECONDS = {
    "logistic": 130.0,
    "svm": 160.0,
    "boosted": 400.0,
    "forest": 1600.0,
    "neighbours": 200.0,
    "network": 1100.0,
    "gated": 450.0,
    "lightgbm": 300.0,
}
"""Rough cost of fitting, for a row and an output."""


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
        return MICROSECONDS[self.learner] * rows * questions / 60e6


@dataclass(frozen=True)
class Candidate:
    """Some models and what makes one prediction of theirs."""

    name: str
    strategy: str
    specs: tuple[Spec, ...]
    combine: FitCombiner


def candidates(
    settings: ClassifySettings, blocks: Sequence[BlockName], usual: Sequence[str] = USUAL
) -> list[Candidate]:
    """What is tried, most promising first; one candidate unless the strategy is `auto`.

    Args:
        settings: Strategy and learner; with `auto` a learner that is named is the only one tried,
            beside the gated network.
        blocks: The blocks that there is something in.
        usual: What is averaged where no learner is named, see `usual_learners`.
    """
    learner = settings.learner
    if settings.strategy != "auto":
        return [_candidate(settings.strategy, learner, blocks, usual)]
    names = (None, "boosted", "logistic", "svm", "network") if learner is None else (learner,)
    early = [_candidate("early", name, blocks, usual) for name in names]
    others = [_candidate(name, learner, blocks, usual) for name in ("stacked", "late", "gated")]
    # One block alone leaves nothing to join.
    joined = others if len(_modalities(blocks)) > 1 else others[2:]
    found = [*early[:4], *joined, *early[4:]]
    # The average of a single learner is that learner.
    return list({(one.strategy, one.specs): one for one in found}.values())


def within(
    found: list[Candidate], budget: float, rows: int, outputs: int, fits: int
) -> tuple[list[Candidate], list[tuple[Candidate, float]]]:
    """The candidates that a budget allows, in order, and those left out with their minutes.

    A model that several candidates share is counted once; the first candidate always stays.
    """
    kept: list[Candidate] = []
    left: list[tuple[Candidate, float]] = []
    seen, spent = set[Spec](), 0.0
    for candidate in found:
        new = set(candidate.specs) - seen
        cost = fits * sum(spec.minutes(rows, outputs) for spec in new)
        if kept and cost and spent + cost > budget:
            left.append((candidate, cost))
        else:
            kept.append(candidate)
            seen, spent = seen | new, spent + cost
    return kept, left


def mixture(found: Sequence[Candidate]) -> Candidate:
    """A mixture of all models of some candidates."""
    specs = dict.fromkeys(spec for candidate in found for spec in candidate.specs)
    return Candidate("mixture of the models", "mixture", tuple(specs), fit_mixture)


def baseline(
    problem: Problem, settings: ClassifySettings, blocks: Sequence[BlockName] | None = None
) -> Candidate:
    """What the views of the ablation are learnt by: one learner, whatever is chosen.

    Args:
        problem: What is learnt.
        settings: They may name the learner.
        blocks: Those of the view; all of the problem's by default.
    """
    usual = usual_learners(problem, settings)
    return _candidate("early", settings.learner, blocks or problem.blocks, usual)


def usual_learners(problem: Problem, settings: ClassifySettings) -> tuple[str, ...]:
    """What is averaged where no learner is named; where the budget is too small, only the first."""
    rows, outputs = len(problem.split.train), problem.target.outputs
    each = sum(Spec(name, ()).minutes(rows, outputs) for name in USUAL)
    return USUAL if (settings.folds + 1) * each <= settings.budget else USUAL[:1]


def _candidate(
    strategy: str, learner: str | None, blocks: Sequence[BlockName], usual: Sequence[str]
) -> Candidate:
    if strategy == "early":
        names = (learner,) if learner else tuple(usual)
        said = " and ".join(SPOKEN[name] for name in names)
        title = f"early: average of {said}" if len(names) > 1 else f"early: {said}"
        return Candidate(title, strategy, tuple(Spec(n, tuple(blocks)) for n in names), fit_mean)
    if strategy == "gated":
        return Candidate("gated network", strategy, (Spec("gated", tuple(blocks)),), fit_mean)
    parts = _modalities(blocks).items()
    specs = tuple(Spec(learner or SUITED[name], names) for name, names in parts)
    said = f" of {SPOKEN[learner]}" if learner else ""
    if strategy == "late":
        return Candidate(f"late: average{said} by block", strategy, specs, fit_late)
    return Candidate(f"stacked: model of models{said} by block", strategy, specs, fit_stacked)


def _modalities(blocks: Sequence[BlockName]) -> dict[str, tuple[BlockName, ...]]:
    found = {name: tuple(b for b in members if b in blocks) for name, members in MODALITIES.items()}
    return {name: members for name, members in found.items() if members}
