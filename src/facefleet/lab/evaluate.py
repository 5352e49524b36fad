"""How accurate the engine is: verification error rates on photos whose people are known.

Two protocols, since no one list of pairs shows everything:

- the listed pairs, as the literature quotes them: accuracy over ten folds, equal error rate;
- all pairs that the same photos can form, which reach false match rates that no list does.

Photos without a usable face are counted and named (failure to acquire, ISO/IEC 19795-1) and their pairs left out. Of
several faces the one nearest to the middle counts: such sets are cropped around the person that the label names.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facefleet.core.faces import Face, Recognition, Template
from facefleet.core.matching import compare
from facefleet.errors import FacefleetError, InvalidInput
from facefleet.lab.bootstrap import Interval, intervals
from facefleet.lab.pairs import Pair, person_of
from facefleet.lab.rates import (
    FOLDS,
    Comparisons,
    equal_error_rate,
    false_non_match_rate,
    fold_accuracies,
    score_at_fmr,
    supports,
)
from facefleet.vision.engine import Engine, Photo

FALSE_MATCH_RATES = (1e-2, 1e-3, 1e-4, 1e-5)
_BATCH = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Acquired:
    """What the engine made of one photo: a template, or the reason why there is none."""

    photo: str
    template: Template | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class OperatingPoint:
    """The false non-match rate at one false match rate, and the score that separates there."""

    fmr: float
    fnmr: float
    fnmr_95: Interval
    score: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """Error rates over one set of pairs.

    Attributes:
        points: one for each of `FALSE_MATCH_RATES` that the impostor pairs support.
    """

    genuine_pairs: int
    impostor_pairs: int
    eer: float
    eer_95: Interval
    points: tuple[OperatingPoint, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What `facefleet evaluate` finds.

    Attributes:
        rejected: reason by photo, for those without a template.
        pairs_left_out: listed pairs with such a photo.
        accuracy, accuracy_se: mean over ten folds and its standard error.
        protocols: by name; "all pairs" is missing where the photos are not in a folder per person.
    """

    model_id: str
    photos: int
    rejected: dict[str, str]
    pairs_left_out: int
    accuracy: float
    accuracy_se: float
    protocols: dict[str, Protocol]


def photos_of(pairs: Sequence[Pair]) -> list[str]:
    """Return each photo of the list once, in order."""
    return list(dict.fromkeys(photo for pair in pairs for photo in (pair.a, pair.b)))


def acquire(engine: Engine, photos: Sequence[str], folder: Path) -> Iterator[Acquired]:
    """Compute each photo's template, yielding as they are done.

    Raises:
        InvalidInput: a file cannot be read.
    """
    for start in range(0, len(photos), _BATCH):
        batch = [Photo(photo, _read(folder / photo)) for photo in photos[start : start + _BATCH]]
        for photo, found in zip(batch, engine.recognise(batch), strict=True):
            if isinstance(found, FacefleetError):
                yield Acquired(photo=photo.image_id, reason=found.detail)
            elif not found.faces:
                yield Acquired(photo=photo.image_id, reason="No face was found.")
            else:
                yield Acquired(photo=photo.image_id, template=central_face(found).template)


def central_face(found: Recognition) -> Face:
    """Return the face whose box is centred nearest to the middle of the photo."""

    def off_centre(face: Face) -> float:
        box = face.box
        return math.hypot(box.left + (box.width - found.width) / 2, box.top + (box.height - found.height) / 2)

    return min(found.faces, key=off_centre)


def evaluate(pairs: Sequence[Pair], acquired: Sequence[Acquired], model_id: str, rng: np.random.Generator) -> Report:
    """Compute all rates.

    Args:
        acquired: one for each photo of `photos_of(pairs)`.
        rng: for the bootstrap; a fixed seed gives the same intervals again.

    Raises:
        InvalidInput: fewer than ten pairs of a kind are left whose photos both show a face.
    """
    templates = templates_of(acquired)
    usable = _usable(pairs, templates)
    if min(sum(pair.same is same for pair in usable) for same in (True, False)) < FOLDS:
        raise InvalidInput(f"Ten folds need at least {FOLDS} pairs of each kind with a face in both photos; list more.")
    compared = compare_all(pairs, templates)
    folds = fold_accuracies(compared["listed pairs"])
    return Report(
        model_id=model_id,
        photos=len(acquired),
        rejected={item.photo: item.reason for item in acquired if item.template is None},
        pairs_left_out=len(pairs) - len(usable),
        accuracy=float(folds.mean()),
        accuracy_se=float(folds.std(ddof=1) / np.sqrt(FOLDS)),
        protocols={name: _protocol(comparisons, rng) for name, comparisons in compared.items()},
    )


def templates_of(acquired: Sequence[Acquired]) -> dict[str, Template]:
    """Return the templates by photo."""
    return {item.photo: item.template for item in acquired if item.template is not None}


def listed_comparisons(
    pairs: Sequence[Pair], templates: Mapping[str, Template], *, folders_name_people: bool
) -> Comparisons:
    """Score listed pairs; where folders do not name people, each pair counts as people of its own."""
    if folders_name_people:
        names: dict[str, int] = {}
        one = np.array([names.setdefault(person_of(pair.a), len(names)) for pair in pairs], np.intp)
        other = np.array([names.setdefault(person_of(pair.b), len(names)) for pair in pairs], np.intp)
    else:
        one = np.arange(len(pairs))
        other = np.where([pair.same for pair in pairs], one, one + len(pairs))
    scores = np.array([compare(templates[pair.a], templates[pair.b]) for pair in pairs])
    return Comparisons(scores, one, other)


def all_comparisons(templates: Mapping[str, Template]) -> Comparisons:
    """Score every photo against every other, once; the folder says whose it is. N photos take about 20·N² bytes."""
    names: dict[str, int] = {}
    person = np.array([names.setdefault(person_of(photo), len(names)) for photo in templates], np.intp)
    vectors = np.stack([template.vector for template in templates.values()]).astype(np.float64)
    row, column = np.triu_indices(len(vectors), k=1)
    return Comparisons((vectors @ vectors.T)[row, column], person[row], person[column])


def compare_all(pairs: Sequence[Pair], templates: Mapping[str, Template]) -> dict[str, Comparisons]:
    """Return what `evaluate` compared, by the name of the protocol."""
    usable, by_folder = _usable(pairs, templates), _folders_name_people(pairs)
    listed = {"listed pairs": listed_comparisons(usable, templates, folders_name_people=by_folder)}
    return listed | ({"all pairs": all_comparisons(templates)} if by_folder else {})


def _usable(pairs: Sequence[Pair], templates: Mapping[str, Template]) -> list[Pair]:
    return [pair for pair in pairs if pair.a in templates and pair.b in templates]


def _folders_name_people(pairs: Sequence[Pair]) -> bool:
    return all(pair.same == (person_of(pair.a) == person_of(pair.b)) for pair in pairs)


def _protocol(comparisons: Comparisons, rng: np.random.Generator) -> Protocol:
    genuine, impostor = comparisons.genuine_scores, comparisons.impostor_scores
    rates = [rate for rate in FALSE_MATCH_RATES if supports(rate, len(impostor))]
    found = intervals(comparisons, rates, rng)
    scores = [score_at_fmr(impostor, rate) for rate in rates]
    return Protocol(
        genuine_pairs=len(genuine),
        impostor_pairs=len(impostor),
        eer=equal_error_rate(comparisons),
        eer_95=found.eer,
        points=tuple(
            OperatingPoint(fmr=rate, fnmr=false_non_match_rate(genuine, score), fnmr_95=interval, score=score)
            for rate, score, interval in zip(rates, scores, found.fnmr, strict=True)
        ),
    )


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}.") from error
