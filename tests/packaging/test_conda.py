"""The recipe for conda-forge: rattler-build reads it; it asks for what ``pyproject.toml`` does."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import nas_gym

ROOT = Path(__file__).parents[2]
OTHER_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


def project() -> dict[str, Any]:
    loaded: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def recipe() -> dict[str, Any]:
    """As rendered for conda-forge's least Python that nas-gym runs on."""
    rattler = pytest.importorskip("rattler_build", reason="pip install -e '.[dev]'")
    folder = ROOT / "packaging" / "conda"
    variants = rattler.VariantConfig.from_file(folder / "variants.yaml")
    (rendered,) = rattler.Stage0Recipe.from_file(folder / "recipe.yaml").render(variants)
    read: dict[str, Any] = rendered.recipe.to_dict()
    return read


def ranges(requirements: list[str]) -> dict[str, str]:
    parsed = map(Requirement, requirements)
    return {r.name: str(r.specifier) for r in parsed}


def test_it_asks_for_the_same_packages_in_the_same_ranges(recipe: dict[str, Any]) -> None:
    ours = ranges(project()["project"]["dependencies"])
    expected = {OTHER_NAMES.get(name, name): ranges for name, ranges in ours.items()}
    expected["python"] = project()["project"]["requires-python"]
    assert ranges(recipe["requirements"]["run"]) == expected


def test_it_builds_with_the_same_backend_and_command(recipe: dict[str, Any]) -> None:
    asked = project()
    host = [line for line in recipe["requirements"]["host"] if line.startswith("hatch")]
    assert ranges(host) == ranges(asked["build-system"]["requires"])
    scripts = [f"{name} = {target}" for name, target in asked["project"]["scripts"].items()]
    assert recipe["build"]["python"]["entry_points"] == scripts
    assert recipe["build"]["noarch"] == "python"


def test_it_says_what_the_package_says(recipe: dict[str, Any]) -> None:
    about, asked = recipe["about"], project()["project"]
    assert recipe["package"] == {"name": asked["name"], "version": nas_gym.__version__}
    assert about["license"] == asked["license"]
    assert about["license_file"] == asked["license-files"]
    assert all((ROOT / file).is_file() for file in about["license_file"])
