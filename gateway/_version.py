"""The one source of the version; a build fills in the commit it is made from (ISO 8601 date)."""

__version__ = "0.1.0.dev0"
COMMIT = ""
COMMIT_DATE = ""
