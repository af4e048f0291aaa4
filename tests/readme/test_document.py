"""What the README says about names, numbers and files, compared with the code they are the names of."""

import re
from pathlib import Path

import pytest

from cerberod.app import methods
from cerberod.errors import MESSAGES, Code
from cerberod.grammar import read_command
from cerberod.settings.declared import Limits
from cerberod.simulator.faults import Verb
from cerberod.trading.orders import Outcome
from cerberod.transport import handshake
from tests.readme import document
from tests.readme.document import ROOT
from tests.readme.generated import parts

RUN = {"console shell", "console chain", "console check", "console sim", "text wscat", "python bot", "text tree"}
CONTROL = ROOT / "cerberod" / "simulator" / "control.py"


def ticked(cell: str) -> list[str]:
    """Return what stands between backquotes."""
    return re.findall(r"`([^`]+)`", cell)


def test_what_is_generated_is_as_the_code_has_it() -> None:
    assert document.text() == document.with_generated(document.text(), parts()), (
        "run: .venv/bin/python -m tests.readme.generated"
    )


def test_every_block_is_run_or_says_why_not() -> None:
    untold = [block.line for block in document.blocks() if block.info not in RUN and not block.excused]
    assert not untold, f"blocks that are neither run nor excused, at lines {untold}"
    assert {block.info for block in document.blocks()} >= RUN


def test_links_within_the_document_lead_somewhere() -> None:
    headings = re.findall(r"^#+ (.+)$", document.text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    links = set(re.findall(r"\]\(#([^)]+)\)", document.text()))
    assert links
    assert links <= anchors


def test_every_file_that_is_named_exists() -> None:
    named = {
        word
        for word in re.findall(r"[\w./-]+", document.text())
        if re.match(r"(tests|scripts|systemd|cerberod|\.ci)/", word)
    }
    assert named
    assert [name for name in named if not (ROOT / name.rstrip(".")).exists()] == []


def test_the_tree_is_the_repository() -> None:
    (block,) = document.named("text tree")
    folder, named = ROOT, set()
    for line in block.text.splitlines():
        names = re.split(r"\s{2,}", line.strip())[0].split()
        if not line.startswith(" "):
            folder = ROOT / names[0] if len(names) == 1 else ROOT
        for name in names:
            path = folder / name if line.startswith(" ") else ROOT / name
            assert path.exists(), path
            named.add(path)
    packages = {path.parent for path in (ROOT / "cerberod").glob("*/__init__.py")}
    inside = {path if path.parent == ROOT / "cerberod" else path.parent for path in named}
    assert packages <= named | inside


def test_nothing_tells_of_the_machine_it_was_written_on() -> None:
    found = re.search(rf"{re.escape(str(Path.home()))}\b|/tmp/|/work\b", document.text())
    assert found is None, found


def test_commands_that_are_not_run_can_be_typed_at_least() -> None:
    lines = [line for block in document.blocks() if block.info == "sh" for line in block.text.splitlines()]
    commands = [line.split() for line in lines if line.startswith("cerberod ")]
    assert commands
    for words in commands:
        read_command(words[1:])
    paths = [word for line in lines for word in line.split() if word.endswith(".sh")]
    assert paths
    assert [path for path in paths if not (ROOT / path).is_file()] == []


# -- tables ------------------------------------------------------------------------------------------------------------


def reserved_codes() -> set[Code]:
    """Return the codes that the README says nothing raises."""
    told = document.section("### Errors").rpartition("Reserved")[2]
    return {Code(int(code)) for code in re.findall(r"-32\d{3}", told)}


def test_every_error_code_is_told_with_its_message() -> None:
    told = {int(code): message for code, message, _ in document.rows("### Errors")}
    untold = reserved_codes() | {Code.HUNG_UP}
    assert told == {int(code): text for code, text in MESSAGES.items() if code not in untold}


def test_reserved_codes_are_raised_nowhere() -> None:
    names = [code.name for code in reserved_codes()]
    assert names
    told = {ROOT / "cerberod" / name for name in ("errors.py", "console.py")}
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "cerberod").rglob("*.py") if path not in told]
    assert [name for name in names if any(f"Code.{name}" in source for source in sources)] == []


def test_every_outcome_is_told() -> None:
    assert [cell for row in document.rows("### Outcomes") for cell in ticked(row[0])] == [
        each.value for each in Outcome
    ]


def test_every_limit_is_told_once() -> None:
    told = [name for row in document.rows("### Limits") for name in ticked(row[0])]
    assert sorted(told) == sorted(setting.name for _, setting in Limits.declared())


def test_every_refusal_of_a_handshake_is_told() -> None:
    known = [each for each in vars(handshake).values() if isinstance(each, handshake.Refusal)]
    known += [handshake.bad_bot_tag(""), handshake.too_many_sessions(1, "daemon")]
    told = {row[0] for row in document.rows("### Handshake")}
    for refusal in known:
        assert any(str(refusal.status) in cell and f"`{refusal.error}`" in cell for cell in told), refusal


def test_every_effect_has_methods_and_the_scopes_are_as_told() -> None:
    needing_admin = {method.name for method in methods() if method.scope == "admin"}
    assert needing_admin == {"admin.resume", "admin.settle_intent"}
    assert "`admin.resume` and\n`admin.settle_intent` need `ADMIN_TOKEN`" in document.section("### Methods")


def test_the_control_path_is_told_whole() -> None:
    requests = {ticked(row[0])[0].partition("?")[0] for row in document.rows("### The control path") if " /" in row[0]}
    routes = {
        f"{verb.upper()} {path}" for verb, path in re.findall(r'add_(get|post|delete)\("([^"]+)"', CONTROL.read_text())
    }
    assert requests == routes


def test_every_fault_is_told() -> None:
    verbs = [name for row in document.rows("### The control path") if " /" not in row[0] for name in ticked(row[0])]
    assert sorted(verbs) == sorted(verb.value for verb in Verb)


def test_every_failure_is_held_by_a_test() -> None:
    for row in document.rows("### What you see when"):
        tests = ticked(row[-1])
        assert tests, row[0]
        assert [name for name in tests if not (ROOT / "tests" / name).is_file()] == []


@pytest.mark.parametrize("heading", ["### Errors", "### What you see when", "### Who could do what"])
def test_tables_are_whole(heading: str) -> None:
    rows = document.rows(heading)
    assert len(rows) > 5
    assert len({len(row) for row in rows}) == 1
