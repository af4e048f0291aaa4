"""The example file and the table of settings, both written from the declarations.

python -m cerberod.settings.example > .env.example
python -m cerberod.settings.example table
"""

import sys
from textwrap import wrap

from cerberod.settings.declared import Setting
from cerberod.settings.loading import all_settings

WIDTH = 118
_HEAD = """\
# Settings of cerberod. Copy to .env, fill in, chmod 600. `cerberod check` tells every problem at once.
#
# A systemd credential of the same name wins over a variable of the process, and that over this file. Lines are
# NAME=VALUE; a value with blanks or # stands in quotes; nothing is expanded; a name stands once. Empty is not given.
# This file is written from the declarations: python -m cerberod.settings.example > .env.example
"""
_TO_FILL_IN = ("TESTNET_TOKEN", "MAINNET_TOKEN")


def env_example() -> str:
    """Return the text of `.env.example`: every setting with its rule and default, in comments but for the tokens."""
    blocks = [_HEAD]
    for heading, text, settings in all_settings():
        lines = [f"# --- {heading}: {text}"]
        for setting in settings:
            lines += ["", *(f"# {line}" for line in wrap(f"{setting.help} Must be {_rule(setting)}.", WIDTH - 2))]
            lines.append(f"{'' if setting.name in _TO_FILL_IN else '#'}{setting.name}={setting.default}")
        blocks.append("\n".join(lines) + "\n")
    return "\n\n".join(blocks)


def table() -> str:
    """Return the settings as a Markdown table."""
    rows = ["| Setting | Default | Meaning |", "| --- | --- | --- |"]
    for _, _, settings in all_settings():
        for setting in settings:
            default = f"`{setting.default}`" if setting.default else ""
            rows.append(f"| `{setting.name}` | {default} | {setting.help} Must be {_rule(setting)}. |")
    return "\n".join(rows) + "\n"


def _rule(setting: Setting) -> str:
    return str(setting.rule.says)


if __name__ == "__main__":
    sys.stdout.write(table() if sys.argv[1:] == ["table"] else env_example())
