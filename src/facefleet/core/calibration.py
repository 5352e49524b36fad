"""Similarity 0-100 from a cosine score, so that a number means the same whichever model made it.

The scale is tied to the false match rate (FMR): the share of pairs of different people that score at least as high.
Up from 50 each ten points are a tenth of it; below, strangers spread down to 0:

    similarity = 40 + 10·(-log10 FMR)   FMR <= 0.1: 60 ↔ 1e-2, 70 ↔ 1e-3, 80 ↔ 1e-4, 90 ↔ 1e-5
    similarity = 50·(-log10 FMR)        FMR >= 0.1: 0 ↔ the least score that any two strangers had

`lab/calibrate.py` measures the scores at such rates and writes a table; here it is read and interpolated. Beyond the
rates that the data supports a straight line leads to 100 at score 1, and means order, not rate: `extrapolated_from`.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from facefleet.errors import BrokenInvariant

DEFAULT_THRESHOLD = 70.0  # FMR 1e-3


def similarity_at(false_match_rate: float) -> float:
    """Return the similarity that stands for a rate in (0, 1]."""
    tenths = math.log10(1 / false_match_rate)
    return 50 * tenths if tenths < 1 else 40 + 10 * tenths


@dataclass(frozen=True, slots=True)
class Point:
    """One measured point of the scale: at this score, this similarity."""

    score: float
    similarity: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """The scale of one model.

    Attributes:
        model_id: whose templates the scores come from.
        points: measured, at least two; score and similarity both rise strictly; the first has similarity 0.
        impostor_pairs: how many pairs of different people were compared.
        data: what photos they were.
    """

    model_id: str
    points: tuple[Point, ...]
    impostor_pairs: int
    data: str

    def __post_init__(self) -> None:
        rising = all(low.score < high.score and low.similarity < high.similarity for low, high in pairwise(self._knots))
        if len(self.points) < 2 or self.points[0].similarity != 0 or not rising:  # noqa: PLR2004 - two make a line
            raise BrokenInvariant(f"The calibration of {self.model_id} does not rise from 0 to 100.")

    @property
    def extrapolated_from(self) -> float:
        """Similarity above which no false match rate was measured."""
        return self.points[-1].similarity

    @property
    def _knots(self) -> tuple[Point, ...]:
        return (*self.points, Point(1.0, 100.0))

    def similarity(self, score: float) -> float:
        """Map a cosine score to [0, 100]; rises with the score, strictly where the table does."""
        return _interpolate(score, [(point.score, point.similarity) for point in self._knots])

    def score(self, similarity: float) -> float:
        """Return the least score that has at least this similarity; -1 for 0, as every score has that."""
        if similarity <= 0:
            return -1.0
        return _interpolate(similarity, [(point.similarity, point.score) for point in self._knots])

    def to_dict(self) -> dict[str, Any]:
        """Return the table as it is kept in JSON."""
        return {
            "model_id": self.model_id,
            "data": self.data,
            "impostor_pairs": self.impostor_pairs,
            "extrapolated_from": self.extrapolated_from,
            "points": [{"score": point.score, "similarity": point.similarity} for point in self.points],
        }

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> "Calibration":
        """Read what `to_dict` wrote.

        Raises:
            BrokenInvariant: the table does not rise.
        """
        return cls(
            model_id=table["model_id"],
            data=table["data"],
            impostor_pairs=table["impostor_pairs"],
            points=tuple(Point(point["score"], point["similarity"]) for point in table["points"]),
        )


def _interpolate(x: float, knots: Sequence[tuple[float, float]]) -> float:
    """Follow straight lines between (x, y) knots of rising x; flat beyond both ends."""
    right = bisect_right(knots, x, key=lambda knot: knot[0])
    if right == 0:
        return knots[0][1]
    if right == len(knots):
        return knots[-1][1]
    (x0, y0), (x1, y1) = knots[right - 1], knots[right]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
