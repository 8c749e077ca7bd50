"""The words of a report: names of figures, how they are written, what they mean."""

from __future__ import annotations

import numpy as np

from earwitness.evaluate.bootstrap import Interval

PERCENT = frozenset(
    {
        "eer",
        "eer_mean_over_systems",
        "eer_asvspoof",
        "eer_interpolated",
        "asv_eer",
        "accuracy",
        "balanced_accuracy",
        "precision",
        "recall",
        "specificity",
        "f1",
        "false_alarm",
        "miss",
        "wrong_synthetic",
        "wrong_human",
        "inconclusive",
    }
)

FOUR_DIGITS = frozenset({"auc", "average_precision", "min_tdcf_2019", "min_tdcf_2021"})

TITLES = {
    "eer": "EER",
    "eer_mean_over_systems": "EER, mean over systems",
    "auc": "AUC",
    "average_precision": "Average precision",
    "min_dcf": "minDCF",
    "act_dcf": "actDCF",
    "cllr": "Cllr",
    "min_cllr": "min Cllr",
    "brier": "Brier score",
    "ece": "Expected calibration error",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "specificity": "Specificity",
    "f1": "F1",
    "mcc": "MCC",
    "false_alarm": "False-alarm rate",
    "miss": "Miss rate",
    "wrong_synthetic": "Human called likely synthetic",
    "wrong_human": "Spoof called likely human",
    "inconclusive": "Inconclusive",
    "min_tdcf_2019": "min t-DCF (2019)",
    "min_tdcf_2021": "min t-DCF (2021)",
    "asv_eer": "EER of the verifier",
    "eer_asvspoof": "EER, ASVspoof convention",
    "eer_interpolated": "EER, interpolated",
}

MEANINGS = {
    "eer": "The error at the threshold where as many human clips are called spoof as spoofs are called human. 0 is "
    "perfect, 50 % is guessing.",
    "eer_mean_over_systems": "The same, with every generator weighing alike, however many clips it has.",
    "auc": "The chance that a random spoof scores above a random human clip.",
    "average_precision": "Area under the precision-recall curve; depends on the share of spoof.",
    "min_dcf": "Detection cost at the best threshold for the stated prior and costs; 1 is no better than always giving "
    "one answer.",
    "act_dcf": "The same cost when the scores are taken for log-likelihood ratios; above 1 it is worse than always "
    "giving one answer.",
    "cllr": "Cost in bits of taking the scores for log-likelihood ratios; 1 is knowing nothing, more is misleading.",
    "min_cllr": "Cllr after the best possible calibration on these very trials: what calibration cannot repair.",
    "false_alarm": "Share of human clips called spoof at the threshold.",
    "miss": "Share of spoofs called human at the threshold.",
    "interval": "95 % of the bootstrap draws lie inside. Whole clusters (sources, speakers, systems) are drawn, not "
    "single clips.",
}

TABLES = {
    "system": "By generator",
    "kind": "By kind of generation",
    "technique": "Neural and classical synthesis",
    "novelty": "Seen and unseen generators",
    "corpus": "By corpus",
    "source": "By source",
    "language": "By language",
    "sex": "By sex of the speaker",
    "codec": "By codec",
    "duration": "By duration",
    "snr": "By signal-to-noise ratio",
    "bandwidth": "By bandwidth",
}


def figure(name: str, value: float | None) -> str:
    """A figure as people read it: rates in percent, the others as they are, undefined ones in words.

    Examples
    --------
    >>> figure("eer", 0.07464), figure("auc", 0.98765), figure("f1", float("nan"))
    ('7.46 %', '0.9877', 'undefined')
    """
    if value is None or np.isnan(value):
        return "undefined"
    scale, digits, unit = (100, 2, " %") if name in PERCENT else (1, 4 if name in FOUR_DIGITS else 3, "")
    return f"{scale * value:.{digits}f}{unit}".replace("-", "−")


def span(name: str, interval: Interval | None) -> str:
    """The limits of an interval in short, empty where there are none.

    Examples
    --------
    >>> span("eer", Interval(0.1, 0.08, 0.125, 0.95, "source", 12, 1000))
    '8.0–12.5'
    >>> span("eer", Interval(-0.1, -0.2, 0.05, 0.95, "source", 12, 1000))
    '−20.0 to 5.0'
    """
    if interval is None or np.isnan(interval.low):
        return ""
    scale, digits = (100, 1) if name in PERCENT else (1, 3)
    low, high = (f"{scale * v:.{digits}f}".replace("-", "−") for v in (interval.low, interval.high))
    return f"{low} to {high}" if interval.low < 0 else f"{low}–{high}"


def p_value(p: float) -> str:
    """A p-value as people read it.

    Examples
    --------
    >>> p_value(0.0004), p_value(0.0312)
    ('< .001', '.031')
    """
    if np.isnan(p):
        return "undefined"
    return "< .001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 1 else "1"
