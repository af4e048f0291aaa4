"""The configuration of the daemon: declared once, read in one place, frozen, with every problem told at once.

settings = load_settings()
settings.listen.port, settings.limits.in_flight_per_session, settings.venue("deribit", Environment.TESTNET).url
"""

from cerberod.settings.declared import (
    Audit,
    Client,
    Health,
    Limits,
    Listen,
    LogFormat,
    Logging,
    LogLevel,
    Setting,
    Tokens,
)
from cerberod.settings.loading import (
    Row,
    Settings,
    SettingsError,
    Sources,
    Systemd,
    all_settings,
    load_client,
    load_settings,
    new_token,
)
from cerberod.settings.secret import MASK, Secret
from cerberod.settings.sources import Origin, Problem
from cerberod.settings.upstreams import Kind, UpstreamSettings

__all__ = [
    "MASK",
    "Audit",
    "Client",
    "Health",
    "Kind",
    "Limits",
    "Listen",
    "LogFormat",
    "LogLevel",
    "Logging",
    "Origin",
    "Problem",
    "Row",
    "Secret",
    "Setting",
    "Settings",
    "SettingsError",
    "Sources",
    "Systemd",
    "Tokens",
    "UpstreamSettings",
    "all_settings",
    "load_client",
    "load_settings",
    "new_token",
]
