"""An installation on AWS as a CloudFormation stack: `stack` makes, changes and deletes it.

The template and the list of prices lie in `deploy/aws`; here are links to them, so that they come with the package.
"""

import tomllib
from importlib.resources import files

from facefleet.core.aws_costs import Prices


def template() -> str:
    """Return the text of the CloudFormation template."""
    return (files(__name__) / "facefleet.yaml").read_text()


def prices() -> Prices:
    """Return the prices that come with the package."""
    return Prices.from_dict(tomllib.loads((files(__name__) / "prices.toml").read_text()))
