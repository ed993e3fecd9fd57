"""Block schemas: checksums agree with stock clients bit by bit, and secrets are found at any depth."""

from __future__ import annotations

from typing import Any

from heliostat.runtime.values.block_schemas import checksum, masked, references, unmasked

# What the stock client (3.8.8) makes of a block with a secret, a model and an enumeration, and its checksum.
FIELDS: dict[str, Any] = {
    "block_schema_references": {},
    "block_type_slug": "inner",
    "properties": {
        "s": {"format": "password", "title": "S", "type": "string", "writeOnly": True, "position": 0},
        "sub": {"$ref": "#/definitions/Sub", "position": 1},
    },
    "required": ["s", "sub"],
    "secret_fields": ["s"],
    "title": "Inner",
    "type": "object",
    "definitions": {
        "Colour": {"enum": ["r", "ü"], "title": "Colour", "type": "string"},
        "Sub": {
            "properties": {"a": {"title": "A", "type": "integer"}, "c": {"$ref": "#/definitions/Colour"}},
            "required": ["a", "c"],
            "title": "Sub",
            "type": "object",
        },
    },
}
CHECKSUM = "sha256:7d22f46ed4c922c809bf02a8e0421fecbf4edf03412b715841ac835b6de4945a"


def test_the_checksum_equals_that_of_the_stock_client() -> None:
    assert checksum(FIELDS) == CHECKSUM


def test_the_checksum_counts_neither_secrecy_nor_definitions_of_blocks() -> None:
    block = {"title": "Other", "block_type_slug": "other", "type": "object"}
    holding = {**FIELDS, "secret_fields": [], "definitions": {**FIELDS["definitions"], "Other": block}}
    assert checksum(holding) == CHECKSUM
    assert checksum({**FIELDS, "title": "Else"}) != CHECKSUM


def test_secrets_are_masked_and_what_stays_masked_is_kept() -> None:
    fields = {"secret_fields": ["a", "b.*.c", "d.e"]}
    data = {"a": "1", "b": [{"c": "2", "x": "3"}], "d": {"e": None}, "f": "4"}
    shown = masked(data, fields)
    assert shown == {"a": "********", "b": [{"c": "********", "x": "3"}], "d": {"e": None}, "f": "4"}
    assert unmasked({**shown, "f": "5"}, data, fields) == {**data, "f": "5"}
    assert unmasked({"b": [{"c": "new"}]}, data, fields) == {"b": [{"c": "new"}]}


def test_references_are_found_at_any_depth() -> None:
    held = {"$ref": {"block_document_id": "x"}}
    assert list(references({"a": held, "b": [{"c": held}], "$ref": 1})) == ["x", "x"]
