"""The example file is the declarations, and what it shows works."""

from pathlib import Path

import pytest

from cerberod.settings import SettingsError, all_settings, load_settings, new_token
from cerberod.settings.example import env_example, table
from cerberod.settings.sources import parse_env

ROOT = Path(__file__).resolve().parents[3]


def test_the_file_is_what_the_declarations_say() -> None:
    stored = (ROOT / ".env.example").read_text("utf-8")
    assert stored == env_example(), "run: python -m cerberod.settings.example > .env.example"


def test_every_setting_is_named_once_in_file_and_table() -> None:
    lines = env_example().splitlines()
    for _, _, group in all_settings():
        for setting in group:
            shown = [line for line in lines if line.removeprefix("#").startswith(f"{setting.name}=")]
            assert len(shown) == 1
            assert table().count(f"| `{setting.name}` |") == 1


def test_names_are_declared_once() -> None:
    names = [setting.name for _, _, group in all_settings() for setting in group]
    assert len(names) == len(set(names))


def test_defaults_follow_their_own_rules() -> None:
    for _, _, group in all_settings():
        for setting in group:
            if setting.default:
                setting.rule.read(setting.default)
            assert not (setting.secret and setting.default)


def test_copied_as_it_is_it_lacks_nothing_but_a_token(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text(env_example())
    with pytest.raises(SettingsError) as caught:
        load_settings({"HOME": str(tmp_path)}, env_file)
    assert [problem.name for problem in caught.value.problems] == ["TESTNET_TOKEN"]


def test_with_every_default_taken_out_of_its_comment_it_means_the_same(tmp_path: Path) -> None:
    token = new_token()
    texts, problems = parse_env("\n".join(line.removeprefix("#") for line in env_example().splitlines() if "=" in line))
    assert problems == [] or all("must be NAME=VALUE" in problem.rule for problem in problems)
    given = {name: text for name, text in texts.items() if text}
    shown = load_settings({"HOME": "/h", **given, "TESTNET_TOKEN": token}, None)
    plain = load_settings({"HOME": "/h", "TESTNET_TOKEN": token}, None)
    assert (shown.listen, shown.limits, shown.audit, shown.log) == (plain.listen, plain.limits, plain.audit, plain.log)
    for key, upstream in plain.upstreams.items():
        assert shown.upstreams[key].url == upstream.url
