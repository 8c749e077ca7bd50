"""Evaluation of detectors, ours and anybody's: scores, intervals, breakdowns, thresholds, comparison, reports.

:class:`~earwitness.evaluate.scores.Scores` is the noun in the middle: files, commands, services, callables and detector
folders all end in it, in the house direction, and every report starts from it.
"""
