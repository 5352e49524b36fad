"""The accuracy figures are what independent arithmetic says, and bad input gets one clear sentence."""

from statistics import NormalDist

import numpy as np
import pytest

from facefleet.core.faces import Template
from facefleet.errors import InvalidInput
from facefleet.lab import det_curve
from facefleet.lab.bootstrap import intervals
from facefleet.lab.evaluate import Acquired, compare_all, evaluate, photos_of
from facefleet.lab.pairs import Pair, read_pairs
from facefleet.lab.rates import (
    Comparisons,
    det_points,
    equal_error_rate,
    false_non_match_rate,
    fold_accuracies,
    score_at_fmr,
    supports,
)

NORMAL = NormalDist()


def comparisons(genuine, impostor) -> Comparisons:
    """Scores of people who each occur in one pair only."""
    count = len(genuine) + len(impostor)
    one = np.arange(count)
    other = np.where(one < len(genuine), one, one + count)
    return Comparisons(np.concatenate([genuine, impostor]).astype(float), one, other)


def test_the_score_at_a_rate_lets_just_so_many_impostors_pass():
    """Of scores 1 to 1000, the top ten are 1 %."""
    scores = np.random.default_rng(0).permutation(np.arange(1.0, 1001.0))
    assert score_at_fmr(scores, 1e-2) == 991
    assert np.count_nonzero(scores >= score_at_fmr(scores, 0.0125)) == 12
    assert score_at_fmr(scores, 1.0) == 1


def test_ties_never_let_more_impostors_pass_than_allowed():
    """Five equal scores pass or stay out together."""
    scores = np.array([0.1] * 5 + [0.5] * 5 + [0.9])
    assert np.mean(scores >= score_at_fmr(scores, 0.2)) <= 0.2
    assert np.mean(np.full(10, 0.5) >= score_at_fmr(np.full(10, 0.5), 0.2)) == 0


def test_a_rate_below_one_pair_has_no_score():
    """Five hundred pairs say nothing of one in a thousand."""
    with pytest.raises(ValueError, match="500 impostor pairs cannot show"):
        score_at_fmr(np.arange(500.0), 1e-3)
    assert supports(1e-2, 1_000)
    assert not supports(1e-2, 999)


def test_missed_genuine_pairs_are_those_below_the_threshold():
    """A score equal to the threshold is a match."""
    assert false_non_match_rate(np.array([0.1, 0.5, 0.6, 0.9]), 0.5) == 0.25


def test_the_equal_error_rate_of_two_normal_distributions_is_known():
    """N(0,1) against N(2,1) cross at 1, where both err by Phi(-1)."""
    grid = (np.arange(20_000) + 0.5) / 20_000
    normal = np.array([NORMAL.inv_cdf(p) for p in grid])
    assert equal_error_rate(comparisons(normal + 2, normal)) == pytest.approx(NORMAL.cdf(-1), abs=1e-3)


def test_det_points_agree_with_counting():
    """Both rates at each threshold, against the definition."""
    rng = np.random.default_rng(1)
    pairs = comparisons(rng.normal(1, 1, 40).round(1), rng.normal(0, 1, 60).round(1))
    for threshold, fmr, fnmr in zip(*det_points(pairs), strict=True):
        assert fmr == pytest.approx(np.mean(pairs.impostor_scores >= threshold))
        assert fnmr == pytest.approx(np.mean(pairs.genuine_scores < threshold))


def test_ten_folds_choose_the_threshold_elsewhere():
    """Separable pairs are all right; if one fold alone is the other way round, it is all wrong and no other is."""
    genuine, impostor = np.full(100, 0.9), np.full(100, 0.1)
    assert fold_accuracies(comparisons(genuine, impostor)).tolist() == [1.0] * 10
    genuine[:10], impostor[:10] = 0.1, 0.9
    assert fold_accuracies(comparisons(genuine, impostor)).tolist() == [0.0] + [1.0] * 9


def test_the_bootstrap_agrees_with_the_binomial_where_pairs_are_independent():
    """With one pair a person and a fixed threshold its 95 % interval is Wald's: p +- 1.96 sqrt(p(1-p)/n)."""
    rng = np.random.default_rng(2)
    genuine = np.where(np.arange(2_000) < 200, 0.0, 1.0)  # a tenth is missed whatever the threshold in between
    found = intervals(comparisons(genuine, rng.uniform(0.3, 0.7, 3_000)), [1e-2], rng).fnmr[0]
    half = 1.96 * np.sqrt(0.1 * 0.9 / 2_000)
    assert found.low == pytest.approx(0.1 - half, abs=0.004)
    assert found.high == pytest.approx(0.1 + half, abs=0.004)


def test_pairs_that_share_people_give_a_wider_interval():
    """Ten copies of each pair are not ten times the evidence."""
    rng = np.random.default_rng(3)
    once = comparisons(np.where(np.arange(300) < 30, 0.0, 1.0), rng.uniform(0.3, 0.7, 3_000))
    copied = Comparisons(*(np.tile(part, 10) for part in (once.scores, once.one, once.other)))
    width = [
        found.high - found.low
        for found in (intervals(pairs, [1e-2], np.random.default_rng(0)).fnmr[0] for pairs in (once, copied))
    ]
    assert width[1] == pytest.approx(width[0], rel=0.15)


def test_no_error_seen_is_not_no_error_possible():
    """Of 300 pairs without an error, up to 3 in 300 may err (rule of 3)."""
    pairs = comparisons(np.ones(300), np.random.default_rng(4).uniform(0, 0.5, 2_000))
    found = intervals(pairs, [1e-2], np.random.default_rng(0)).fnmr[0]
    assert (found.low, found.high) == (0.0, 0.01)


def people(count: int, photos: int, spread: float) -> tuple[list[Pair], list[Acquired]]:
    """Made-up people in a folder each, their templates around a random direction, and pairs of both kinds."""
    rng = np.random.default_rng(5)
    acquired = []
    for person, centre in enumerate(rng.normal(size=(count, 64))):
        for number in range(photos):
            vector = centre + spread * rng.normal(size=64)
            template = Template(model_id="m", vector=(vector / np.linalg.norm(vector)).astype(np.float32))
            acquired.append(Acquired(photo=f"p{person}/{number}.jpg", template=template))
    same = [Pair(True, f"p{at}/0.jpg", f"p{at}/1.jpg") for at in range(count)]
    different = [Pair(False, f"p{at}/0.jpg", f"p{(at + 1) % count}/1.jpg") for at in range(count)]
    return same + different, acquired


def test_a_report_counts_what_was_compared():
    """40 people with 3 photos each: 40 + 40 listed pairs, 40·3 genuine and C(40,2)·9 impostor pairs in all."""
    pairs, acquired = people(40, 3, spread=0.3)
    report = evaluate(pairs, acquired, "m", np.random.default_rng(0))
    listed, everyone = report.protocols["listed pairs"], report.protocols["all pairs"]
    assert (listed.genuine_pairs, listed.impostor_pairs) == (40, 40)
    assert (everyone.genuine_pairs, everyone.impostor_pairs) == (120, 7020)
    assert report.accuracy == 1.0
    assert [point.fmr for point in everyone.points] == [1e-2]  # 7,020 pairs show 1e-2 by ten, and not 1e-3
    assert listed.points == ()


def test_the_same_seed_gives_the_same_report():
    """Figures in a document can be made again."""
    pairs, acquired = people(30, 2, spread=1.0)
    reports = [evaluate(pairs, acquired, "m", np.random.default_rng(0)) for _ in range(2)]
    assert reports[0] == reports[1]
    assert 0.5 < reports[0].accuracy < 1.0


def test_photos_without_a_face_are_named_and_their_pairs_left_out():
    """A failure to acquire is not a false non-match, and not hidden either."""
    pairs, acquired = people(40, 2, spread=0.3)
    acquired[0] = Acquired(photo=acquired[0].photo, reason="No face was found.")
    report = evaluate(pairs, acquired, "m", np.random.default_rng(0))
    assert report.rejected == {"p0/0.jpg": "No face was found."}
    assert report.pairs_left_out == 2
    assert report.protocols["listed pairs"].genuine_pairs == 39


def test_without_a_folder_per_person_only_the_listed_pairs_count():
    """Nothing is said of people whom the folders do not tell apart."""
    pairs, acquired = people(40, 2, spread=0.3)
    flat = [Pair(pair.same, pair.a.replace("/", "_"), pair.b.replace("/", "_")) for pair in pairs]
    moved = [Acquired(photo=item.photo.replace("/", "_"), template=item.template) for item in acquired]
    assert list(evaluate(flat, moved, "m", np.random.default_rng(0)).protocols) == ["listed pairs"]


def test_too_few_pairs_for_ten_folds_are_refused():
    """Each fold needs a pair of each kind."""
    pairs, acquired = people(9, 2, spread=0.3)
    with pytest.raises(InvalidInput, match="at least 10 pairs of each kind"):
        evaluate(pairs, acquired, "m", np.random.default_rng(0))


def test_each_photo_is_computed_once():
    """In the order of the list."""
    pairs = [Pair(True, "a", "b"), Pair(False, "b", "c"), Pair(False, "c", "a")]
    assert photos_of(pairs) == ["a", "b", "c"]


def test_the_det_curve_is_a_picture(tmp_path):
    """A PNG of two curves, also where one has no error at all."""
    pairs, acquired = people(60, 3, spread=1.2)
    templates = {item.photo: item.template for item in acquired}
    det_curve.draw(compare_all(pairs, templates), "title", tmp_path / "det.png")
    assert (tmp_path / "det.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InvalidInput, match="cannot be written: No such file"):
        det_curve.draw(compare_all(pairs, templates), "title", tmp_path / "missing" / "det.png")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("same;a;b\n", "line 1: the columns should be same,a,b, but there is same;a;b."),
        ("", "line 1: the columns should be same,a,b, but there is nothing."),
        ("same,a,b\n1,x.jpg,x.jpg\nyes,x.jpg,x.jpg\n", "line 3: same should be 1 or 0, but is 'yes'."),
        ("same,a,b\n1,x.jpg\n", "line 2: there should be three columns, same,a,b."),
        ("same,a,b\n1,x.jpg,x.jpg,\n", "line 2: there should be three columns, same,a,b."),
        ("same,a,b\n1,x.jpg,gone.jpg\n", "line 2: there is no photo 'gone.jpg' in"),
        ("same,a,b\n1,x.jpg,x.jpg\n", "lists no pair of different people"),
        (b"same,a,b\n1,\xff,x\n", "cannot be read as a CSV in UTF-8"),
    ],
)
def test_a_bad_list_is_refused_with_its_line(tmp_path, text, expected):
    """One sentence says where, what is there and what should be."""
    (tmp_path / "x.jpg").touch()
    file = tmp_path / "pairs.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InvalidInput) as caught:
        read_pairs(file, tmp_path)
    assert expected in caught.value.detail


def test_a_missing_file_or_folder_is_named(tmp_path):
    """Both are the first things to be wrong."""
    with pytest.raises(InvalidInput, match=r"There is no file .*pairs\.csv"):
        read_pairs(tmp_path / "pairs.csv", tmp_path)
    with pytest.raises(InvalidInput, match="There is no folder"):
        read_pairs(tmp_path / "pairs.csv", tmp_path / "photos")


def test_a_good_list_is_read(tmp_path):
    """Spaces around values and a byte order mark, as spreadsheets write them, do no harm."""
    for name in ("x.jpg", "y.jpg"):
        (tmp_path / name).touch()
    file = tmp_path / "pairs.csv"
    file.write_text("\ufeffsame,a,b\n1, x.jpg ,x.jpg\n0,x.jpg,y.jpg\n", encoding="utf-8")
    assert read_pairs(file, tmp_path) == [Pair(True, "x.jpg", "x.jpg"), Pair(False, "x.jpg", "y.jpg")]
