"""What a label event must be to be stored, field by field. Pure: rows and locks are the business of others."""

import json
import reprlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from codetracer_core.models import (
    MOST_WORKED,
    Basis,
    LabelDetails,
    LabelEvent,
    RunVerdict,
    Stage,
    StageReason,
    Verdict,
)
from codetracer_core.store.files import is_text

_LONGEST_TEXT = 10_000
_LONGEST_STAGE_NAME = 120
_MOST_TAGS, _LONGEST_TAG = 20, 60
_OF_A_STEP = {
    "verdict": "a verdict needs a step",
    "details": "details belong to the verdict of a step",
    "chain": "an error chain is marked step by step",
    "omission": "an omission needs the step after which something was left out",
    "basis": "a basis belongs to the adjudicated verdict of a step",
    "reply": "a reply belongs to the step whose outcome it is about",
}
_OF_THE_RUN = {
    "onset": "a failure onset is a mark of the whole run: its value is the step",
    "run_verdict": "this is a verdict on the whole run, it has no step",
    "note": "a note is on the whole run, it has no step",
    "tags": "tags are of the whole run, they have no step",
    "worked": "time on task belongs to the whole run",
    "stages": "stages are of the whole run, they have no step",
}
_STAGES = TypeAdapter(tuple[Stage, ...])
_REASONS = TypeAdapter(tuple[StageReason, ...])


def why_not(event: LabelEvent, step_count: int | None) -> str:
    """Why an event cannot be stored for a run of so many steps (None: there is no such run); empty if it can."""
    if not all(is_text(text) for text in (event.run_id, event.field, event.annotator, event.client)):
        return "it holds text that is not valid Unicode"
    if step_count is None:
        return f"there is no run {event.run_id!r}"
    if event.step_id is not None and event.step_id > step_count:
        return f"run {event.run_id!r} has {step_count} steps, there is no step {event.step_id}"
    if event.sequence >= 2**63 or event.pass_number >= 2**31 or as_stored(event.occurred_at) is None:
        return "it holds a number or a time that is out of range"
    if event.value is None:
        return ""
    try:
        written = json.dumps(event.value, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        return f"its value is not JSON ({error})"
    if event.field in _VALUES and not is_text(written):
        return "it holds text that is not valid Unicode"
    if event.step_id is None and event.field in _OF_A_STEP:
        return _OF_A_STEP[event.field]
    if event.step_id is not None and event.field in _OF_THE_RUN:
        return _OF_THE_RUN[event.field]
    drawn = event.field == "stages" and event.source in ("human", "adjudicated")
    why_no = _why_not_drawn if drawn else _VALUES.get(event.field)
    return why_no(event.value, step_count) if why_no else ""


def in_short(value: object) -> str:
    """A value that is refused, as it is told: at most 40 characters of it, however deep it is."""
    return repr((value if isinstance(value, str) else reprlib.repr(value))[:40])


def _why_no_word(words: Sequence[str], named: str) -> Callable[[Any, int], str]:
    def why_no(value: Any, _: int) -> str:
        return "" if value in words else f"{in_short(value)} is no {named} ({', '.join(words)})"

    return why_no


def _why_no_details(value: Any, _: int) -> str:
    try:
        LabelDetails.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        return f"its details cannot be stored ({'.'.join(map(str, first['loc'])) or 'value'}: {first['msg']})"
    return ""


def _why_no_basis(value: Any, _: int) -> str:
    try:
        Basis.model_validate(value)
    except ValidationError as error:
        return f"the basis of a verdict cannot be stored ({error.errors()[0]['msg']})"
    return ""


def _why_no_onset(value: Any, step_count: int) -> str:
    if type(value) is not int or not 1 <= value <= step_count:
        return f"a failure onset is a step from 1 to {step_count}, not {in_short(value)}"
    return ""


def _why_no_mark(value: Any, _: int) -> str:
    return "" if value is True else f"a mark is set (true) or taken back (null), not {in_short(value)}"


def _why_no_text(value: Any, _: int) -> str:
    if not isinstance(value, str) or not value.strip():
        return "it holds no text"
    if len(value) > _LONGEST_TEXT:
        return f"its text has {len(value):,} characters, {_LONGEST_TEXT:,} are the most"
    return ""


def _why_no_tags(value: Any, _: int) -> str:
    if not isinstance(value, list) or not all(isinstance(tag, str) and tag.strip() for tag in value):
        return "tags are a list of texts"
    if not 1 <= len(value) <= _MOST_TAGS or len(set(value)) < len(value):
        return f"a run has 1 to {_MOST_TAGS} tags, each of them once"
    if any(len(tag) > _LONGEST_TAG for tag in value):
        return f"a tag has at most {_LONGEST_TAG} characters"
    return ""


def _why_no_work(value: Any, _: int) -> str:
    if type(value) is not int or not 1 <= value <= MOST_WORKED:
        return f"time on task is told in whole seconds from 1 to {MOST_WORKED}, not {in_short(value)}"
    return ""


def _why_no_stages(value: Any, step_count: int) -> str:
    try:
        stages = _STAGES.validate_python(value)
    except ValidationError as error:
        return f"its value is no list of stages ({error.errors()[0]['msg']})"
    for stage in stages:
        if not stage.start_step_id <= stage.end_step_id <= step_count:
            covered = f"steps {stage.start_step_id} to {stage.end_step_id}"
            return f"stage {stage.stage_id} covers {covered} of a run with {step_count} steps"
    return ""


def _why_not_drawn(value: Any, step_count: int) -> str:
    """Stages that people draw follow one another, numbered from 1; they need not cover every step."""
    try:
        stages = _STAGES.validate_json(json.dumps(value), strict=True)  # "2" and true are no steps
    except ValidationError as error:
        return f"its value is no list of stages ({error.errors()[0]['msg']})"
    ended = 0
    for number, stage in enumerate(stages, start=1):
        if stage.stage_id != number:
            return f"stage {stage.stage_id} is number {number} of its list"
        if stage.start_step_id <= ended:
            return f"stage {number} begins at step {stage.start_step_id}, before the one before it has ended"
        if len(stage.name) > _LONGEST_STAGE_NAME:
            return f"the name of stage {number} has more than {_LONGEST_STAGE_NAME} characters"
        ended = stage.end_step_id
    return _why_no_stages(value, step_count)


def _why_no_reasons(value: Any, _: int) -> str:
    try:
        _REASONS.validate_python(value)
    except ValidationError as error:
        return f"its value is no list of reasons by stage ({error.errors()[0]['msg']})"
    return ""


_VALUES: Mapping[str, Callable[[Any, int], str]] = {
    "verdict": _why_no_word(get_args(Verdict), "verdict"),
    "details": _why_no_details,
    "basis": _why_no_basis,
    "onset": _why_no_onset,
    "chain": _why_no_mark,
    "omission": _why_no_text,
    "reply": _why_no_text,
    "flag": _why_no_mark,
    "run_verdict": _why_no_word(get_args(RunVerdict), "verdict on a run"),
    "note": _why_no_text,
    "tags": _why_no_tags,
    "stages": _why_no_stages,
    "stage_reasons": _why_no_reasons,
    "worked": _why_no_work,
}
"""By field: why a value cannot be stored in a run of so many steps; empty if it can. Other fields hold any JSON."""


def as_stored(moment: datetime | None) -> datetime | None:
    """As the TIMESTAMP columns hold it. A time without offset is taken as UTC; one beyond the calendar is None."""
    if moment is None or moment.tzinfo is None:
        return moment
    try:
        return moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        return None
