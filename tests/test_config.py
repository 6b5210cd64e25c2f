from pathlib import Path

import pytest

from codetracer_core.config import CONFIG_FILE, Config, Setup, load_config, read_config
from codetracer_core.diagnosis_models import DiagnosisSettings
from codetracer_core.errors import ConfigError
from codetracer_core.llm import Price
from tests.conftest import REPOSITORY

EXAMPLE = REPOSITORY / "docs" / "codetracer.example.yaml"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.yaml"


def refused(file: Path, text: str) -> ConfigError:
    with pytest.raises(ConfigError) as error:
        read_config(write(file, text))
    assert error.value.path == str(file)
    return error.value


def test_the_documented_example_is_read_and_names_every_setting() -> None:
    setup = read_config(EXAMPLE)
    assert setup.config.llm.prices == {"openai/my-local-model": Price(prompt=0.5, completion=1.5)}
    assert setup.config.trace == DiagnosisSettings()
    assert setup.config.output == Config().output
    text = EXAMPLE.read_text(encoding="utf-8")
    for name, _ in Config().values():
        assert f" {name.partition('.')[2]}:" in text


def test_a_file_sets_what_it_names_and_nothing_else(file: Path) -> None:
    setup = read_config(
        write(file, "trace:\n  samples: 3\noutput:\n  profiles: [detailed, rl_feedback]\n  folder: out\n")
    )
    assert setup.config.trace == DiagnosisSettings(samples=3)
    assert setup.config.output.profiles == ("detailed", "rl_feedback")
    assert setup.config.output.folder == Path("out")
    assert setup.config.llm == Config().llm
    assert setup.origins == {
        "trace.samples": f"{file.name}, line 2",
        "output.profiles": f"{file.name}, line 4",
        "output.folder": f"{file.name}, line 5",
    }


@pytest.mark.parametrize("text", ["", "# nothing\n", "llm:\ntrace:\n", "replay: {}\n"])
def test_an_empty_file_or_section_leaves_the_defaults(file: Path, text: str) -> None:
    assert read_config(write(file, text)).config == Config()


def test_an_unknown_setting_is_named_with_its_line_and_the_nearest_known_one(file: Path) -> None:
    error = refused(file, "llm:\n  model: x\ntrace:\n  samples: 2\n  stratgy: agent\n")
    assert (error.place, error.reason) == ("line 5", "there is no setting 'stratgy' in 'trace'")
    assert error.remedy == "Did you mean 'strategy'?"
    error = refused(file, "# a comment\n\ntraces:\n  samples: 2\n")
    assert (error.place, error.reason) == ("line 3", "there is no section 'traces'")
    assert error.remedy == "Did you mean 'trace'?"
    error = refused(file, "llm:\n  prices:\n    m:\n      promt: 1\n      completion: 1\n")
    assert "line 3" in error.place or "line 4" in error.place
    assert refused(file, "discovery:\n  zzz: 1\n").remedy == "Known are: max_depth."
    assert refused(file, "replay:\n  zzz: 1\n").remedy.startswith("Known are: allow_local, environment, image")


def test_a_setting_in_the_wrong_section_is_told_where_it_stands(file: Path) -> None:
    assert refused(file, "model: x\n").remedy == "'model' stands under 'llm'."
    assert refused(file, "llm:\n  samples: 2\n").remedy == "'samples' stands under 'trace'."


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("trace:\n  samples: 0\n", "line 2", "trace.samples: input should be greater than or equal to 1"),
        ("trace:\n  samples: 99\n", "line 2", "trace.samples: input should be less than or equal to 20"),
        ("trace:\n  strategy: guess\n", "line 2", "'agent', 'all_at_once', 'step_by_step' or 'binary_search'"),
        ("trace:\n  cost_limit_usd: .inf\n", "line 2", "finite"),
        ("trace:\n  cost_limit_usd: yes\n", "line 2", "number"),
        ("llm:\n  retries: '3'\n", "line 2", "integer"),
        ("llm:\n  timeout: -1\n", "line 2", "greater than 0"),
        ("llm:\n  prices:\n    m: {prompt: -1, completion: 0}\n", "line 3", "greater than or equal to 0"),
        ("llm:\n  prices:\n    m: {prompt: 1}\n", "line 3", "required"),
        ("output:\n  profiles:\n  - tracebench\n  - other\n", "line 2", "tracebench"),
        ("llm: 3\n", "line 1", "llm"),
        ("llm:\n  api_base: localhost:8000\n", "line 2", "http://"),
    ],
)
def test_a_value_out_of_range_is_named_with_its_line(file: Path, text: str, place: str, words: str) -> None:
    error = refused(file, text)
    assert error.place == place
    assert words in error.reason


@pytest.mark.parametrize(
    "text",
    [
        "llm:\n  api_key: sk-SECRET\n",
        "llm:\n  openai_key: sk-SECRET\n",
        "api_key: sk-SECRET\n",
        "keys:\n  openai: sk-SECRET\n",
        "llm:\n  password: sk-SECRET\n",
        "llm:\n  api_base: https://user:sk-SECRET@example.org/v1\n",
    ],
)
def test_a_key_has_no_place_in_the_file_and_is_never_repeated(file: Path, text: str) -> None:
    error = refused(file, text)
    assert "CODETRACER_API_KEY" in str(error)
    assert "sk-SECRET" not in str(error)
    assert error.place.startswith("line ")


@pytest.mark.parametrize(
    "text",
    [
        "llm: {model: sk-SECRET\n",
        "llm:\n\tmodel: sk-SECRET\n",
        "sk-SECRET\n",
        "- sk-SECRET\n",
        "a: 1\n---\nb: sk-SECRET\n",
        "llm: !!python/object/apply:os.system [sk-SECRET]\n",
        "llm:\n  model: [sk-SECRET]\n",
        "llm:\n  timeout: sk-SECRET\n",
        "? [sk-SECRET]\n: 1\n",
        "llm:\n  timeout: 2026-01-01\n",
        "trace: &a\n  samples: *a\n",
        "trace:\n  samples: 0x\n",
        "trace:\n  samples: 2026-02-45\n",
        "2026-01-01: 1\n",
        "1: 1\n",
        "trace: " + "[" * 5000 + "]" * 5000 + "\n",
    ],
)
def test_what_is_no_settings_file_is_told_in_words_that_do_not_repeat_it(file: Path, text: str) -> None:
    assert "sk-SECRET" not in str(refused(file, text))


def test_a_setting_that_stands_twice_is_refused(file: Path) -> None:
    error = refused(file, "trace:\n  samples: 2\n  samples: 3\n")
    assert (error.place, error.reason) == ("line 3", "'samples' stands here twice (first in line 2)")
    assert refused(file, "trace: {}\nllm: {}\ntrace: {}\n").place == "line 3"


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path, file: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "missing.yaml")
    with pytest.raises(ConfigError, match="missing"):
        load_config(None, environment={"CODETRACER_CONFIG": str(tmp_path / "missing.yaml")})
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="no UTF-8"):
        read_config(file)


def test_the_named_file_goes_before_the_environments_and_that_before_the_workspaces(tmp_path: Path) -> None:
    write(tmp_path / CONFIG_FILE, "trace: {samples: 2}")
    other = write(tmp_path / "other.yaml", "trace: {samples: 3}")
    named = write(tmp_path / "named.yaml", "trace: {samples: 4}")
    environment = {"CODETRACER_CONFIG": str(other)}
    assert load_config(None, tmp_path, {}).config.trace.samples == 2
    assert load_config(None, tmp_path, {}).path == tmp_path / CONFIG_FILE
    assert load_config(None, tmp_path, environment).config.trace.samples == 3
    assert load_config(named, tmp_path, environment).config.trace.samples == 4
    assert load_config(None, tmp_path / "elsewhere", {}) == Setup()


def test_the_environment_goes_over_the_file_and_the_command_line_over_both(tmp_path: Path) -> None:
    write(tmp_path / CONFIG_FILE, "llm: {model: of-the-file, api_base: 'http://127.0.0.1:1/v1', timeout: 5}")
    environment = {"CODETRACER_MODEL": "of-the-environment", "CODETRACER_API_BASE": ""}
    setup = load_config(None, tmp_path, environment)
    assert setup.config.llm.model == "of-the-environment"
    assert setup.config.llm.api_base == "http://127.0.0.1:1/v1"
    assert setup.config.llm.timeout == 5
    setup = setup.over({"llm.model": "given", "trace.samples": 2, "trace.strategy": None}, "command line")
    assert setup.config.llm.model == "given"
    assert setup.config.trace == DiagnosisSettings(samples=2)
    assert setup.origins["llm.model"] == "command line"
    assert setup.origins["llm.timeout"] == f"{CONFIG_FILE}, line 1"
    assert load_config(None, tmp_path, environment).origins["llm.model"] == "CODETRACER_MODEL"


def test_a_bad_value_of_the_environment_or_the_command_line_names_its_origin() -> None:
    with pytest.raises(ConfigError, match=r"CODETRACER_API_BASE: llm.api_base: ") as error:
        load_config(None, None, {"CODETRACER_API_BASE": "https://user:sk-SECRET@example.org"})
    assert "sk-SECRET" not in str(error.value)
    with pytest.raises(ConfigError, match=r"command line: trace.cost_limit_usd: "):
        Setup().over({"trace.cost_limit_usd": -1.0}, "command line")


def test_memory_is_used_where_both_sections_allow_it(file: Path) -> None:
    assert Config().settings.use_memory
    assert not read_config(write(file, "memory: {enabled: false}")).config.settings.use_memory
    assert not read_config(write(file, "trace: {use_memory: false}")).config.settings.use_memory


def test_every_setting_can_be_told() -> None:
    told = dict(Config().values())
    assert told["trace.samples"] == 1
    assert told["output.profiles"] == ["tracebench"]
    assert "llm.prices" in told
