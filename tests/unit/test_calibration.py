"""Similarity means a false match rate, rises with the score, and can be turned back into one."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facefleet.core.calibration import DEFAULT_THRESHOLD, Calibration, Point, similarity_at
from facefleet.errors import BrokenInvariant, InvalidInput, NotFound
from facefleet.lab.calibrate import calibrate
from facefleet.lab.rates import Comparisons
from facefleet.vision.calibration import load_calibration
from facefleet.vision.models import MODEL_ID

SHIPPED = load_calibration(MODEL_ID)
scores = st.floats(-1.0, 1.0)
similarities = st.floats(0.0, 100.0)


@pytest.mark.parametrize(
    ("rate", "similarity"),
    [(1.0, 0), (0.1, 50), (1e-2, 60), (1e-3, 70), (1e-4, 80), (1e-5, 90), (0.5, 50 * math.log10(2))],
)
def test_each_ten_points_stand_for_a_tenth_of_the_false_matches(rate, similarity):
    """The scale is defined by these pairs."""
    assert similarity_at(rate) == pytest.approx(similarity)


@given(one=scores, other=scores)
def test_similarity_rises_with_the_score(one, other):
    """Whoever scores higher is never called less similar."""
    low, high = sorted((one, other))
    assert SHIPPED.similarity(low) <= SHIPPED.similarity(high)


@given(score=st.floats(-1.5, 1.5))
def test_similarity_stays_between_0_and_100(score):
    """Rounding may push a cosine past 1; the similarity stays on its scale."""
    assert 0 <= SHIPPED.similarity(score) <= 100


@given(similarity=similarities)
def test_similarity_to_score_and_back_is_the_same(similarity):
    """A threshold given as similarity is the same threshold in the database's scores."""
    assert SHIPPED.similarity(SHIPPED.score(similarity)) == pytest.approx(similarity, abs=1e-6)


@given(score=st.floats(SHIPPED.points[0].score + 1e-6, 1.0))
def test_score_to_similarity_and_back_is_the_same(score):
    """On the measured and the extrapolated part alike."""
    assert SHIPPED.score(SHIPPED.similarity(score)) == pytest.approx(score, abs=1e-6)


def test_similarity_0_lets_every_score_pass():
    """A threshold of 0 excludes nobody, not even below the least score that was measured."""
    assert SHIPPED.score(0) == -1.0
    assert SHIPPED.similarity(-1.0) == 0
    assert SHIPPED.similarity(1.0) == 100


def test_the_shipped_scale_is_measured_up_to_the_default_threshold_and_beyond():
    """The rates that the documentation promises, 1e-2 to 1e-5, rest on data."""
    assert SHIPPED.model_id == MODEL_ID
    assert SHIPPED.extrapolated_from >= 90 > DEFAULT_THRESHOLD
    assert SHIPPED.impostor_pairs > 1_000_000


def test_a_model_without_a_scale_is_named_with_what_to_do():
    """Nothing is silently scaled by another model's table."""
    with pytest.raises(NotFound, match=r"the model strange;.*--calibrate"):
        load_calibration("strange")


def test_a_table_survives_json():
    """What is written is what is read."""
    assert Calibration.from_dict(SHIPPED.to_dict()) == SHIPPED


@pytest.mark.parametrize(
    "points",
    [
        (Point(0.2, 0),),
        (Point(0.2, 1), Point(0.5, 50)),
        (Point(0.5, 0), Point(0.5, 50)),
        (Point(0.2, 0), Point(0.5, 50), Point(0.6, 40)),
        (Point(0.2, 0), Point(1.0, 90)),
    ],
)
def test_a_table_that_does_not_rise_is_refused(points):
    """A damaged table is found when it is loaded, not when two people are confused."""
    with pytest.raises(BrokenInvariant, match="does not rise"):
        Calibration(model_id="m", points=points, impostor_pairs=1, data="d")


def strangers(count: int) -> Comparisons:
    """Comparisons of different people whose scores are 1/count, 2/count, … below one."""
    return Comparisons(np.arange(1, count + 1) / (count + 1), np.zeros(count, np.intp), np.arange(1, count + 1))


def test_the_measured_scale_gives_each_rate_its_similarity():
    """Of 20,000 evenly spread impostors the top 20 reach 70, the top 200 reach 60: counted, not computed."""
    comparisons = strangers(20_000)
    scale = calibrate(comparisons, model_id="m", data="d")
    for similarity, passing in ((50, 2_000), (60, 200), (70, 20)):
        assert np.count_nonzero(comparisons.scores >= scale.score(similarity) - 1e-6) == passing
    assert scale.similarity(comparisons.scores.min()) == pytest.approx(0, abs=0.1)


def test_the_scale_ends_where_ten_false_matches_end():
    """20,000 pairs show 5e-4 by ten, and nothing rarer: what lies beyond is marked as extrapolated."""
    scale = calibrate(strangers(20_000), model_id="m", data="d")
    assert scale.extrapolated_from == pytest.approx(similarity_at(5e-4), abs=1e-3)


def test_too_few_strangers_make_no_scale():
    """The default threshold must rest on data."""
    with pytest.raises(InvalidInput, match=r"10,000 pairs of different people and here are 9,999; list more"):
        calibrate(strangers(9_999), model_id="m", data="d")
