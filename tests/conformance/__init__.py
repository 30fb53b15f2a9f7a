"""The contract of `/api/*` against gateway processes: one named case a row, and a schema for every answer."""
