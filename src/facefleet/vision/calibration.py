"""The similarity scales that ship with the models: `models/<model_id>.json`, written by `facefleet evaluate`."""

import json
from importlib import resources

from facefleet.core.calibration import Calibration
from facefleet.errors import NotFound


def load_calibration(model_id: str) -> Calibration:
    """Return a model's scale.

    Raises:
        NotFound: none is shipped for this model; the sentence says how to make one.
    """
    file = resources.files("facefleet.vision.models") / f"{model_id}.json"
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotFound(
            f"No similarity scale is shipped for the model {model_id}; make one with facefleet evaluate --calibrate."
        ) from error
    return Calibration.from_dict(table)
