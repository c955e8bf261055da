"""The committed files: the manifest states the contract and names the others."""

import hashlib
from pathlib import Path
from typing import Any


def test_manifest_names_its_files_by_length_and_hash(committed: Path, manifest: dict[str, Any]) -> None:
    for role in ("model", "golden"):
        content = (committed / manifest[role]["path"]).read_bytes()
        assert len(content) == manifest[role]["length"]
        assert hashlib.sha256(content).hexdigest() == manifest[role]["sha256"]


def test_manifest_states_the_contract(manifest: dict[str, Any]) -> None:
    assert manifest["features"] == [
        "hour",
        "alone",
        "air_temperature_c",
        "minutes_away",
        "same_direction",
        "validity_hours",
        "heading_home",
        "heading_to_work",
        "category_bar",
        "category_carry_away",
        "category_coffee_house",
        "category_restaurant_under_20",
        "category_restaurant_20_50",
        "visits_bar",
        "visits_carry_away",
        "visits_coffee_house",
        "visits_restaurant_under_20",
        "visits_restaurant_20_50",
        "visits_in_category",
    ]
    assert [f"category_{name}" for name in manifest["categories"]] == manifest["features"][8:13]
    assert set(manifest["personal_features"]) == {*manifest["features"][13:], "heading_home", "heading_to_work"}
    assert (manifest["format"], manifest["task"], manifest["feature_version"]) == (1, "propensity", 1)
