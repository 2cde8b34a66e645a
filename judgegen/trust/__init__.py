"""What is known of a judge: agreement with humans, calibration and a threshold, from judged rows alone.

Pure: reads no file, makes no call, knows no provider. SciPy and scikit-learn (`pip install 'judgegen[trust]'`) are
imported when a figure needs them.
"""

from __future__ import annotations

from judgegen.trust.calibration import CalibrationMap, brier, by_vote, fit_map, longer_by_vote
from judgegen.trust.figures import Figure, lower_bound, wilson
from judgegen.trust.gate import Gate, Over, evidence, gate, promised, threshold
from judgegen.trust.judged import Judged, Showing, Side, Vote, judged, majority, mean_p
from judgegen.trust.report import Accuracy, Bin, CurvePoint, Report, report

__all__ = [
    "Accuracy",
    "Bin",
    "CalibrationMap",
    "CurvePoint",
    "Figure",
    "Gate",
    "Judged",
    "Over",
    "Report",
    "Showing",
    "Side",
    "Vote",
    "brier",
    "by_vote",
    "evidence",
    "fit_map",
    "gate",
    "judged",
    "longer_by_vote",
    "lower_bound",
    "majority",
    "mean_p",
    "promised",
    "report",
    "threshold",
    "wilson",
]
