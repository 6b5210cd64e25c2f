"""What the tools may be asked with: models that check the arguments, and their JSON schema for the model."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

MOST_STEPS = 12
AROUND = 10


class Arguments(BaseModel):
    """Base of the arguments: unknown ones are a mistake, null is as good as leaving one out."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, int | str) else value


StepId = Annotated[int, Field(ge=1)]
TextField = Literal["thought", "action", "observation"]


class ShowTree(Arguments):
    first: StepId | None = Field(None, description="First step of a range.")
    last: StepId | None = Field(None, description="Last step of a range, inclusive.")
    stage: int | None = Field(None, description="Only the steps of this stage.")
    around: StepId | None = Field(None, description=f"The {AROUND} steps before and after this one.")


class ReadSteps(Arguments):
    steps: Annotated[
        list[StepId],
        BeforeValidator(_as_list),
        Field(min_length=1, max_length=MOST_STEPS, description=f"Step numbers, at most {MOST_STEPS}."),
    ]
    field: Literal["all", "thought", "action", "observation"] = Field(
        "all", description="Which text of the steps; with offset or limit, one of the three."
    )
    offset: int | None = Field(None, ge=0, description="Read one text of one step on from this character.")
    limit: int | None = Field(None, ge=1, description="How many characters of it.")


class Search(Arguments):
    text: Annotated[
        str, Field(min_length=2, max_length=200, description="Plain text; upper and lower case alike. No pattern.")
    ]
    field: Literal["all", "thought", "action", "observation"] = "all"


class CompareSteps(Arguments):
    first: StepId
    second: StepId


class FileHistory(Arguments):
    path: Annotated[
        str, Field(min_length=1, max_length=400, description="A path, its end, or the name of a file or folder.")
    ]


class NoArguments(Arguments):
    pass


class ReadTask(Arguments):
    offset: int = Field(0, ge=0, description="From which character on.")
    limit: int | None = Field(None, ge=1, description="How many characters.")


class RawLines(Arguments):
    step: StepId
    field: TextField
    offset: int = Field(0, ge=0, description="From which character on.")
    limit: int | None = Field(None, ge=1, description="How many characters.")


def schema_of(arguments: type[Arguments]) -> dict[str, Any]:
    """JSON schema of the arguments, without what says nothing to a model (titles, null for what is left out)."""
    schema = arguments.model_json_schema()
    properties = {name: _plain(of) for name, of in schema.get("properties", {}).items()}
    required = {"required": schema["required"]} if "required" in schema else {}
    return {"type": "object", "properties": properties, **required, "additionalProperties": False}


def _plain(of: dict[str, Any]) -> dict[str, Any]:
    one: dict[str, Any] = next((choice for choice in of.get("anyOf", ()) if choice.get("type") != "null"), {})
    kept = {
        key: value for key, value in of.items() if key not in ("title", "anyOf") and (key, value) != ("default", None)
    }
    return one | kept
