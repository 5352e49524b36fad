"""Checks answers against the output shapes of botocore's own model, more strictly than botocore does.

Unknown members, missing required ones, types, lengths, ranges, patterns and enumerations: everything the model says.
"""

import json
import re

from botocore.model import ListShape, MapShape, StringShape, StructureShape

_TYPES = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
}


def watch(client):
    """Make a client check every answer it gets; returns the list of operations checked."""
    checked = []

    def check(http_response, model, **_):
        body = json.loads(http_response.content)
        if http_response.status_code == 200:
            problems = list(deviations(body, model.output_shape, model.name))
            assert not problems, problems
        else:
            code = body["__type"]
            assert body["Code"] == code
            assert http_response.headers["x-amzn-errortype"] == code
            assert isinstance(body["Message"], str)
            assert http_response.status_code == (500 if code == "InternalServerError" else 400)
        assert re.fullmatch("[0-9a-f-]{36}", http_response.headers["x-amzn-requestid"])
        assert http_response.headers["content-type"] == "application/x-amz-json-1.1"
        checked.append(model.name)

    client.meta.events.register("after-call.rekognition", check)
    return checked


def deviations(value, shape, where):
    """Yield a sentence for everything in a JSON value that its shape does not allow."""
    if isinstance(shape, StructureShape):
        yield from _structure(value, shape, where)
    elif isinstance(shape, ListShape):
        if value:  # an answer may say "none" though the same shape, in a request, must name one
            yield from _length(value, shape, where)
        for n, item in enumerate(value):
            yield from deviations(item, shape.member, f"{where}[{n}]")
    elif isinstance(shape, MapShape):
        for name, item in value.items():
            yield from deviations(name, shape.key, f"{where} key")
            yield from deviations(item, shape.value, f"{where}.{name}")
    else:
        yield from _scalar(value, shape, where)


def _structure(value, shape, where):
    if not isinstance(value, dict):
        yield f"{where} is {type(value).__name__}"
        return
    for name in shape.required_members:
        if name not in value:
            yield f"{where}.{name} is missing"
    for name, item in value.items():
        if name in shape.members:
            yield from deviations(item, shape.members[name], f"{where}.{name}")
        else:
            yield f"{where}.{name} is unknown"


def _scalar(value, shape, where):
    if not isinstance(value, _TYPES[shape.type_name]) or (isinstance(value, bool) and shape.type_name != "boolean"):
        yield f"{where} is {value!r}, no {shape.type_name}"
    elif isinstance(shape, StringShape):
        if shape.enum and value not in shape.enum:
            yield f"{where} is {value!r}, none of {shape.enum}"
        pattern = shape.metadata.get("pattern")
        if pattern and "\\p" not in pattern and not re.fullmatch(pattern, value):
            yield f"{where} is {value!r}, not like {pattern}"
        yield from _length(value, shape, where)
    else:
        yield from _range(value, shape, where)


def _length(value, shape, where):
    yield from _between(len(value), shape, f"length of {where}")


def _range(value, shape, where):
    yield from _between(value, shape, where)


def _between(number, shape, where):
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and number < least:
        yield f"{where} is {number}, less than {least}"
    if most is not None and number > most:
        yield f"{where} is {number}, more than {most}"
