from collections.abc import Iterator
from functools import cache

import pytest
from streamlit.components.v2 import manifest_scanner


@pytest.fixture(scope="session", autouse=True)
def _components_of_packages_are_looked_for_once() -> Iterator[None]:
    """A server looks through all installed packages when it starts, an ``AppTest`` at every first run: more than half
    of what it costs. No package comes or goes while tests run.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield
