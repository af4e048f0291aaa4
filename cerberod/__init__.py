"""cerberod: one daemon between trading programs and the exchanges whose keys it holds."""

__version__ = "0.1.0"
