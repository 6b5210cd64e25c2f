"""``codetracer_labels.json``: the incorrect and unuseful steps of one run by stage, with reasons."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

LABELS_FILE = "codetracer_labels.json"


class StageVerdicts(Protocol):
    """The labelled steps of one stage."""

    @property
    def stage_id(self) -> int: ...

    @property
    def incorrect_step_ids(self) -> Sequence[int]: ...

    @property
    def unuseful_step_ids(self) -> Sequence[int]: ...


def stage_labels(stages: Iterable[StageVerdicts], reasons: Mapping[int, str]) -> list[dict[str, object]]:
    """What the file holds, by ``stage_id``, as ``reasons`` are; a stage may have one of the two only."""
    by_id = {stage.stage_id: stage for stage in stages}
    return [
        {
            "stage_id": stage_id,
            "incorrect_step_ids": list(by_id[stage_id].incorrect_step_ids) if stage_id in by_id else [],
            "unuseful_step_ids": list(by_id[stage_id].unuseful_step_ids) if stage_id in by_id else [],
            "reasoning": reasons.get(stage_id, ""),
        }
        for stage_id in sorted(by_id.keys() | reasons.keys())
    ]


def as_json_file(value: object) -> str:
    """The text of a JSON file that people may read too."""
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"
