"""The parts of the README that are read off the code. `python -m tests.readme.generated` writes them anew."""

from collections.abc import Mapping
from pathlib import Path

from cerberod import app
from cerberod.settings.example import table
from tests.readme import document

BOT = Path(__file__).with_name("bot.py")


def methods() -> str:
    """Return the overview of methods as a Markdown table."""
    lines = ["| Method | Effect | What it does |", "| --- | --- | --- |"]
    lines += [f"| `{method.name}` | {method.effect.value} | {method.summary} |" for method in app.methods()]
    return "\n".join(lines) + "\n"


def bot() -> str:
    """Return the example bot as a fenced block."""
    return f"```python bot\n{BOT.read_text(encoding='utf-8')}```\n"


def parts() -> Mapping[str, str]:
    return {"methods": methods(), "settings": table(), "bot": bot()}


if __name__ == "__main__":
    document.README.write_text(document.with_generated(document.text(), parts()), encoding="utf-8")
