"""Installs a package into a folder as pip would: its modules, and what the entry points of its pyproject.toml say.

By hand, because a machine that runs the tests need not have the package's build tool or a network.
"""

import os
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path


def install(project: Path, target: Path) -> Path:
    """Install the package at ``project`` (one folder of modules beside a pyproject.toml) into ``target``."""
    told = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    for package in project.iterdir():
        if (package / "__init__.py").is_file():
            shutil.copytree(package, target / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    groups = {name: told["entry-points"][name] for name in told["entry-points"]}
    return write_distribution(target, told["name"], told["version"], groups)


def write_distribution(target: Path, name: str, version: str, groups: Mapping[str, Mapping[str, str]]) -> Path:
    """The metadata of a distribution, with these entry points by group."""
    folder = target / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [
        line
        for group, entries in groups.items()
        for line in (f"[{group}]", *(f"{entry} = {value}" for entry, value in entries.items()), "")
    ]
    (folder / "entry_points.txt").write_text("\n".join(lines))
    return target


def with_packages(*folders: Path) -> dict[str, str]:
    """The environment of a child that finds these packages, beside the checkout."""
    checkout = Path(__file__).resolve().parents[1]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*folders, checkout)))}
