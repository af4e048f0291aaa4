"""The `.env` file and systemd's credentials: what is read, what is stripped, what is refused. faults.md 89, 90."""

from pathlib import Path

import pytest

from cerberod.settings.sources import MAX_FILE_BYTES, Gathered, Origin, forget, gather, parse_env

KNOWN = {"TOKEN": False, "PORT": False, "FILE": True}


def is_secret(name: str) -> bool:
    return name == "TOKEN"


def read(environ: dict[str, str], env_file: Path | None = None) -> Gathered:
    return gather(environ, env_file, known=KNOWN, secret=is_secret, own=lambda name: name.startswith("OWN_"))


def texts(found: Gathered) -> dict[str, str]:
    return {name: given.text for name, given in found.given.items()}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("A=", ""),
        ("A = b c ", "b c"),
        ("A=b # note", "b"),
        ("A=b#c", "b#c"),
        ("A=# note", ""),
        ("A='b # c'", "b # c"),
        ("A='b' # note", "b"),
        ('A="b c"', "b c"),
        (r'A="say \"b\" \\ \n"', r'say "b" \ \n'),
        ("A='$HOME'", "$HOME"),
        ("A=$HOME", "$HOME"),
        ("A=b=c==", "b=c=="),
        ("A=b\r", "b"),
        ("A=it's", "it's"),
    ],
)
def test_value_of_a_line(line: str, value: str) -> None:
    assert parse_env(line) == ({"A": value}, [])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("A", ".env line 1: must be NAME=VALUE, a comment or empty"),
        ("\n\nexport A=b", ".env line 3: must be NAME=VALUE, a comment or empty"),
        ("=b", ".env line 1: must be NAME=VALUE, a comment or empty"),
        ("A='open", ".env line 1: the value of A has an open quote, text after a quote, or control characters"),
        ('A="b" c', ".env line 1: the value of A has an open quote, text after a quote, or control characters"),
        ("A=b\x00c", ".env line 1: the value of A has an open quote, text after a quote, or control characters"),
        ("A=b\n#\nA=b", ".env line 3: A is already given in line 1"),
    ],
)
def test_line_that_is_refused(content: str, told: str) -> None:
    assert [str(problem) for problem in parse_env(content)[1]] == [told]


def test_every_bad_line_is_told_and_no_value_with_it() -> None:
    _, problems = parse_env("hunter2hunter2\nA='hunter2\nB=1\nB=hunter2")
    assert len(problems) == 3
    assert "hunter2" not in "".join(map(str, problems))


def test_credential_wins_over_environment_and_that_over_env_file(tmp_path: Path) -> None:
    directory = tmp_path / "credentials"
    directory.mkdir()
    credential = directory / "TOKEN"
    credential.write_text("from-credential\r\n")
    credential.chmod(0o400)
    env_file = tmp_path / ".env"
    env_file.write_text("TOKEN=from-file\nPORT=1\n")
    env_file.chmod(0o600)
    found = read({"TOKEN": "from-environment", "PORT": "2", "CREDENTIALS_DIRECTORY": str(directory)}, env_file)
    assert texts(found) == {"TOKEN": "from-credential", "PORT": "2"}
    assert [found.given[name].origin for name in ("TOKEN", "PORT")] == [Origin.CREDENTIAL, Origin.ENVIRONMENT]
    assert found.problems == []
    assert [warning.split(":")[0] for warning in found.warnings] == ["TOKEN", "TOKEN", "PORT"]
    assert "from-" not in " ".join(found.warnings)


def test_empty_is_not_given_unless_it_is_a_value(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("PORT=1\nFILE=\nTOKEN=\n")
    assert texts(read({"PORT": ""}, env_file)) == {"PORT": "1", "FILE": ""}


@pytest.mark.parametrize(
    ("content", "mode", "rule"),
    [
        (b"x", 0o444, "its credential file must not be open to other users (chmod 0400)"),
        (b"", 0o400, "its credential file must not be empty"),
        (b"\n", 0o400, "its credential file must not be empty"),
        (b"x\ny\n", 0o400, "its credential must be a single line of text"),
        (b"x\x00", 0o400, "its credential must be a single line of text"),
        (b"\xff", 0o400, "its credential file must be UTF-8 text"),
        (b"x" * (MAX_FILE_BYTES + 1), 0o400, "its credential file is too large"),
    ],
)
def test_credential_that_is_refused(tmp_path: Path, content: bytes, mode: int, rule: str) -> None:
    credential = tmp_path / "TOKEN"
    credential.write_bytes(content)
    credential.chmod(mode)
    found = read({"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert [(problem.name, problem.rule) for problem in found.problems] == [("TOKEN", rule)]
    assert texts(found) == {}


def test_credential_that_is_a_directory(tmp_path: Path) -> None:
    (tmp_path / "TOKEN").mkdir()
    found = read({"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert [problem.rule for problem in found.problems] == ["its credential must be a regular file"]


def test_credentials_directory_that_is_missing(tmp_path: Path) -> None:
    found = read({"CREDENTIALS_DIRECTORY": str(tmp_path / "none")})
    assert [str(problem) for problem in found.problems] == ["CREDENTIALS_DIRECTORY: must be a readable directory"]


def test_unknown_names_are_warned_of_where_they_are_ours(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("PROT=1\nOTHER=2\n")
    found = read({"OWN_THING": "1", "SHELL": "sh"}, env_file)
    assert found.problems == []
    assert found.warnings == [
        "PROT: no setting has this name (.env)",
        "OTHER: no setting has this name (.env)",
        "OWN_THING: no setting has this name (environment)",
    ]


def test_a_name_that_is_almost_right_is_guessed(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("TOKENS=1\n")
    assert read({}, env_file).warnings == ["TOKENS: no setting has this name (.env); is TOKEN meant?"]


def test_env_file_with_secrets_open_to_others_is_warned_of(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("TOKEN=secret\n")
    env_file.chmod(0o644)
    assert read({}, env_file).warnings == [".env: holds secrets and is open to other users; chmod 600 it"]
    env_file.write_text("PORT=1\n")
    assert read({}, env_file).warnings == []


def test_env_file_that_is_no_text_or_no_file(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    assert read({}, env_file).problems == []
    env_file.write_bytes(b"PORT=\xff")
    assert [str(problem) for problem in read({}, env_file).problems] == [".env: must be UTF-8 text"]
    assert [problem.name for problem in read({}, tmp_path).problems] == [tmp_path.name]


def test_byte_order_mark_and_crlf_of_other_editors_are_taken(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_bytes(b"\xef\xbb\xbfPORT=1\r\nTOKEN='a b'\r\n")
    env_file.chmod(0o600)
    found = read({}, env_file)
    assert texts(found) == {"PORT": "1", "TOKEN": "a b"}
    assert found.problems == []


def test_forget_takes_only_the_secrets() -> None:
    environ = {"TOKEN": "secret", "PORT": "1"}
    forget(environ, is_secret)
    assert environ == {"PORT": "1"}


def test_a_given_text_is_not_shown() -> None:
    assert "secret" not in repr(read({"TOKEN": "secret"}))
