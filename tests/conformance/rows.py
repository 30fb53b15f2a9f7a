"""All rows, in the order of the contract."""

from tests.conformance import (
    chat_rows,
    embedding_rows,
    error_rows,
    generate_rows,
    management_rows,
    misc_rows,
    openai_rows,
    option_rows,
    origin_rows,
    rule_rows,
    sdk_rows,
)

_TABLES = (
    rule_rows,
    error_rows,
    chat_rows,
    generate_rows,
    embedding_rows,
    management_rows,
    misc_rows,
    origin_rows,
    openai_rows,
    option_rows,
    sdk_rows,
)

CASES = tuple(case for table in _TABLES for case in table.CASES)
NOT_OURS = tuple(row for table in _TABLES for row in table.NOT_OURS)
