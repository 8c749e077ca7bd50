"""Every metric of the house; numpy only.

Each function takes ``scores`` (one number a trial, higher = more likely spoof) and ``labels`` (1 = spoof, 0 =
bonafide). Rates are fractions, log-likelihood ratios natural logs. What is undefined raises
:class:`~earwitness.errors.MetricError` (one class, NaN, no trials) or is NaN where the docstring says so.

``METRICS`` is the table of names.
"""

from __future__ import annotations

from earwitness.metrics.costs import act_dcf, bayes_threshold, cllr, min_cllr, min_dcf
from earwitness.metrics.decision import (
    Confusion,
    accuracy,
    balanced_accuracy,
    classification_report,
    confusion_matrix,
    f1,
    mcc,
    precision,
    recall,
    specificity,
)
from earwitness.metrics.localisation import iou, range_eer, segment_eer
from earwitness.metrics.probability import CalibrationBins, brier, calibration_curve, ece
from earwitness.metrics.ranking import (
    Convention,
    Curve,
    EqualError,
    auc,
    average_precision,
    det_curve,
    eer,
    eer_threshold,
    pr_curve,
    roc_curve,
)
from earwitness.metrics.tandem import AsvRates, TandemCosts, TandemEqualError, a_dcf, asv_rates, min_tdcf, t_eer

METRICS = {
    "accuracy": "earwitness.metrics.decision:accuracy",
    "balanced_accuracy": "earwitness.metrics.decision:balanced_accuracy",
    "precision": "earwitness.metrics.decision:precision",
    "recall": "earwitness.metrics.decision:recall",
    "specificity": "earwitness.metrics.decision:specificity",
    "f1": "earwitness.metrics.decision:f1",
    "mcc": "earwitness.metrics.decision:mcc",
    "confusion_matrix": "earwitness.metrics.decision:confusion_matrix",
    "classification_report": "earwitness.metrics.decision:classification_report",
    "roc_curve": "earwitness.metrics.ranking:roc_curve",
    "pr_curve": "earwitness.metrics.ranking:pr_curve",
    "det_curve": "earwitness.metrics.ranking:det_curve",
    "auc": "earwitness.metrics.ranking:auc",
    "average_precision": "earwitness.metrics.ranking:average_precision",
    "eer": "earwitness.metrics.ranking:eer",
    "min_dcf": "earwitness.metrics.costs:min_dcf",
    "act_dcf": "earwitness.metrics.costs:act_dcf",
    "cllr": "earwitness.metrics.costs:cllr",
    "min_cllr": "earwitness.metrics.costs:min_cllr",
    "brier": "earwitness.metrics.probability:brier",
    "calibration_curve": "earwitness.metrics.probability:calibration_curve",
    "ece": "earwitness.metrics.probability:ece",
    "min_tdcf": "earwitness.metrics.tandem:min_tdcf",
    "a_dcf": "earwitness.metrics.tandem:a_dcf",
    "t_eer": "earwitness.metrics.tandem:t_eer",
    "segment_eer": "earwitness.metrics.localisation:segment_eer",
    "range_eer": "earwitness.metrics.localisation:range_eer",
    "iou": "earwitness.metrics.localisation:iou",
}

__all__ = [
    "METRICS",
    "AsvRates",
    "CalibrationBins",
    "Confusion",
    "Convention",
    "Curve",
    "EqualError",
    "TandemCosts",
    "TandemEqualError",
    "a_dcf",
    "accuracy",
    "act_dcf",
    "asv_rates",
    "auc",
    "average_precision",
    "balanced_accuracy",
    "bayes_threshold",
    "brier",
    "calibration_curve",
    "classification_report",
    "cllr",
    "confusion_matrix",
    "det_curve",
    "ece",
    "eer",
    "eer_threshold",
    "f1",
    "iou",
    "mcc",
    "min_cllr",
    "min_dcf",
    "min_tdcf",
    "pr_curve",
    "precision",
    "range_eer",
    "recall",
    "roc_curve",
    "segment_eer",
    "specificity",
    "t_eer",
]
