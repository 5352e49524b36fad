"""What the documentation promises about itself."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"].values()
PACKAGES = {
    re.match(r"[\w.-]+", requirement)[0]
    for requirement in [*PROJECT["dependencies"], *(one for extra in EXTRAS for one in extra)]
} - {"facefleet"}
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_each_dependency_is_justified(package):
    """docs/architecture.md says why we did not write it ourselves."""
    words = set(re.findall(r"[\w.-]+", (ROOT / "docs" / "architecture.md").read_text().lower()))
    assert package.lower() in words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    """Pages, pictures and scripts that are linked exist."""
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_name_scripts_that_exist(page):
    """`python benchmarks/….py` can be run as it is written."""
    for script in re.findall(r"python ((?:benchmarks|examples)/\w+\.py)", page.read_text()):
        assert (ROOT / script).exists(), script
