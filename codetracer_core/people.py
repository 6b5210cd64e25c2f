"""Who may do what: roles from ``people.toml`` in the workspace.

    others = ["reader"]                 # what somebody may who is not named; without it nothing

    [people]
    "ann@example.org" = ["annotator"]
    "cora@example.org" = ["lead", "adjudicator"]

Without the file everybody has every role: the dashboard of one person on their own machine.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from codetracer_core.errors import CodeTracerError
from codetracer_core.models import Frozen
from codetracer_core.projects import ROLES, Role

PEOPLE_FILE = "people.toml"


class People(Frozen):
    """Roles by name. A name is what a person logs in with (their e-mail address), or calls themselves."""

    people: Mapping[str, frozenset[Role]] = Field(default_factory=dict)
    others: frozenset[Role] = frozenset()

    def roles_of(self, name: str) -> frozenset[Role]:
        """The roles of this person; those of ``others`` if they are not named."""
        return self.people.get(name, self.others)


EVERYBODY_EVERYTHING = People(others=frozenset(ROLES))


def read_people(workspace: Path) -> People:
    """The people of a workspace. Raises CodeTracerError if the file is there and cannot be understood."""
    path = workspace / PEOPLE_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return EVERYBODY_EVERYTHING
    except (OSError, UnicodeDecodeError) as error:
        raise CodeTracerError(f"the people of this workspace cannot be read ({error})", path=path) from error
    try:
        return People.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise CodeTracerError(f"no valid TOML ({error})", path=path) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        remedy = f"Roles are {', '.join(ROLES)}."
        raise CodeTracerError(first["msg"], path=path, place=place, remedy=remedy) from error
