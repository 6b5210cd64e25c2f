"""How the command line orders replays: which place, budget and test command each run gets. Thin, as ``cli`` is."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from codetracer_core.cli.option_groups import OWN_ENVIRONMENTS, ReplayOptions
from codetracer_core.cli.terminal import print_line
from codetracer_core.errors import CodeTracerError, NotAllowed, NotFound

if TYPE_CHECKING:
    from codetracer_core.config import Config
    from codetracer_core.llm import Model
    from codetracer_core.models import RunRecord
    from codetracer_core.replay.models import Place, PluginPlace, ReplayOrder
    from codetracer_core.replaying import Choice


@dataclass(frozen=True)
class Orders:
    """What makes an order of every run and the step that it is replayed from."""

    config: "Config"
    model: "Model | None"
    """None: only the earlier steps are run again."""
    options: ReplayOptions
    advice: bool = True
    plugin: "PluginPlace | None" = None
    """Instead of the environment of the settings."""

    def warn(self) -> None:
        """Before many replays begin. Raises NotAllowed as ``warn_of_this_machine`` does."""
        if self.plugin is None and self.config.replay.environment in ("local", "git"):
            warn_of_this_machine(self.config.replay.allow_local)

    def order(self, record: "RunRecord", choice: "Choice") -> "ReplayOrder":
        """The order for one run. Raises CodeTracerError if something is missing for it."""
        from codetracer_core.replay.models import ReplayOrder
        from codetracer_core.replaying import order_of_run

        settings = self.config.replay
        pattern = ReplayOrder(
            place=self.place(),
            step_id=choice.step_id,
            limits=settings.limits,
            divergence=settings.divergence,
            skip_not_replayable=self.options.skip_not_replayable,
            test_command=settings.test_command,
            test_seconds=settings.test_seconds,
            agent=self.model is not None,
            advice=self.advice,
        )
        order = order_of_run(
            pattern,
            record,
            choice,
            max_steps=settings.max_steps,
            cost_limit_usd=settings.cost_limit_usd,
            token_limit=settings.token_limit,
        )
        if order.place.kind != "git":
            return order
        place = order.place.model_copy(update={"repository": _repository(order.place.repository)})
        return order.model_copy(update={"place": place})

    def place(self) -> "Place":
        """Where all of them run, with {task} where it was given so. Raises CodeTracerError if something is missing."""
        from codetracer_core.replay.models import ContainerPlace, GitPlace, LocalPlace

        if self.plugin is not None:
            return self.plugin
        settings, options = self.config.replay, self.options
        where = (options.folder, options.repo, settings.image, options.compose)
        folder, repo, image, compose = (text or "" for text in where)
        match settings.environment:
            case None:
                raise CodeTracerError("no environment is named", remedy="Name one: --env container, git or local.")
            case "local":
                if not folder:
                    raise CodeTracerError("there is no folder to copy", remedy="Name it with --folder.")
                return LocalPlace(folder=str(Path(folder).expanduser().resolve()), allowed=settings.allow_local)
            case "git":
                if not repo:
                    raise CodeTracerError("there is no repository to clone", remedy="Name it with --repo.")
                return GitPlace(repository=repo, commit=options.commit, allowed=settings.allow_local)
            case "container":
                if not image and not compose:
                    raise CodeTracerError("no image is named", remedy="Name one with --image, or --compose.")
                return ContainerPlace(
                    image="" if compose else image,
                    compose_file=str(Path(compose).expanduser().resolve()) if compose else "",
                    service=options.service,
                    folder=folder,
                    engine=settings.engine,
                )


def plugin_called(options: ReplayOptions) -> "PluginPlace | None":
    """The environment that a plugin brings; None: one of our own is meant, or that of the settings.

    Raises NotFound for a name that nobody has, CodeTracerError for options that are none, or that nobody reads."""
    env, given = options.env, options.env_option or ()
    if env is None or env in OWN_ENVIRONMENTS:
        if given:
            raise CodeTracerError("--env-option is for the environment of a plugin", remedy="Name it with --env.")
        return None
    from codetracer_core import plugins
    from codetracer_core.replay.models import PluginPlace
    from codetracer_core.replaying import options_of

    known = plugins.environments()
    if env not in known:
        names = ", ".join((*OWN_ENVIRONMENTS, *sorted(known)))
        raise NotFound(f"there is no environment {env!r}", remedy=f"Known: {names}.")
    return PluginPlace(name=env, options=options_of(given))


def agent_of(config: "Config") -> "Model":
    """The model that goes on in a replay. Raises ConfigError if none is named, or the offline rules are."""
    from codetracer_core.config import language_model_of

    remedy = "Name a language model with --model, or run the earlier steps only (--no-agent)."
    return language_model_of(config, "go on with a task", remedy)


def warn_of_this_machine(allowed: bool) -> None:
    """Say that commands will run here. Raises NotAllowed unless somebody has allowed it in so many words."""
    from codetracer_core.replay.environments import WARNING

    if not allowed:
        raise NotAllowed(WARNING, remedy="Allow it with --allow-local, or replay in a container (--env container).")
    print_line(f"warning: {WARNING}", err=True)


def _repository(named: str) -> str:
    """A folder by its whole path, an address as it is."""
    path = Path(named).expanduser()
    return str(path.resolve()) if path.exists() else named
