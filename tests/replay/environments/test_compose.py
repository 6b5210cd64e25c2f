"""Compose files of strangers: what reaches the engine, and what does not."""

from pathlib import Path

import pytest

from codetracer_core.errors import EnvironmentBroken
from codetracer_core.replay.environments.compose import cut_down
from codetracer_core.replay.models import Limits

_BOMB = "\n".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, 12))
_MERGES = "\n".join(f"x{n}: &x{n} {{<<: [{', '.join([f'*x{n - 1}'] * 9)}]}}" for n in range(1, 12))
_SERVICES = "\nservices: {one: {image: x, environment: {A: *x11}}}\n"


def test_rights_and_folders_of_this_machine_are_left_out_and_told(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(
        """
x-common: &common {image: task, environment: [A=1, OPENAI_API_KEY]}
services:
  one:
    <<: *common
    privileged: true
    pid: host
    network_mode: host
    volumes: ["/:/host", "/var/run/docker.sock:/var/run/docker.sock"]
    env_file: /etc/environment
    pull_policy: always
  two:
    build: {context: ., network: host, ssh: [default]}
"""
    )
    made = cut_down(file, "one", Limits(), "r1")
    one, two = made.content["services"]["one"], made.content["services"]["two"]
    assert not {"privileged", "pid", "network_mode", "volumes", "env_file"} & one.keys()
    assert {said.split()[4].rstrip(",") for said in made.left_out} == {
        *("privileged", "pid", "network_mode", "volumes", "env_file")
    }
    assert one["environment"] == {"A": "1", "CODETRACER_REPLAY": "r1", "TERM": "dumb"}
    assert one["pull_policy"] == "never"
    assert two["build"] == {"context": str(tmp_path)}
    assert made.content["networks"] == {"default": {"internal": True}}


@pytest.mark.parametrize("content", ["x0: &x0 [a]\n" + _BOMB, "x0: &x0 {a: 1}\n" + _MERGES, "x11: &x11 [*x11]"])
def test_few_lines_that_stand_for_gigabytes_are_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(content + _SERVICES)
    with pytest.raises(EnvironmentBroken, match="multiply"):
        cut_down(file, "", Limits(), "r1")


def test_a_build_stays_in_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    for context in ("..", "/", "../.."):
        file.write_text(f"services: {{one: {{build: '{context}'}}}}")
        with pytest.raises(EnvironmentBroken, match="outside"):
            cut_down(file, "", Limits(), "r1")
