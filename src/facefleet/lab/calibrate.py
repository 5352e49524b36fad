"""Measure a model's similarity scale: the scores at which strangers match so and so often."""

import numpy as np

from facefleet.core.calibration import Calibration, Point, similarity_at
from facefleet.errors import InvalidInput
from facefleet.lab.rates import Comparisons, score_at_fmr, supports

# Three points a decade: the scale is a straight line in between, and the true curve bends little over a third.
_RATES = (1.0, 0.5, 0.2, 0.1, 5e-2, 2e-2, 1e-2, 5e-3, 2e-3, 1e-3, 5e-4, 2e-4, 1e-4, 5e-5, 2e-5, 1e-5, 5e-6, 2e-6, 1e-6)
_LEAST_PAIRS = 10_000  # supports similarity 70, the default threshold


def calibrate(comparisons: Comparisons, *, model_id: str, data: str) -> Calibration:
    """Return the scale that the impostor pairs support, up to the least rate with ten false matches.

    Raises:
        InvalidInput: too few pairs of different people.
    """
    impostor = np.sort(comparisons.impostor_scores)
    if len(impostor) < _LEAST_PAIRS:
        raise InvalidInput(
            f"A calibration needs {_LEAST_PAIRS:,} pairs of different people and here are {len(impostor):,}; "
            "list more people, each in a folder of their own."
        )
    points: list[Point] = []
    for rate in (rate for rate in _RATES if supports(rate, len(impostor))):
        score = round(score_at_fmr(impostor, rate), 6)
        if not points or score > points[-1].score:
            points.append(Point(score, round(similarity_at(rate), 4)))
    return Calibration(model_id=model_id, points=tuple(points), impostor_pairs=len(impostor), data=data)
