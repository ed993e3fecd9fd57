"""References to saved blocks among parameters."""

import pytest

from heliostat.runtime.foundation.errors import ParameterMismatch
from heliostat.runtime.values.block_references import references_in, with_blocks

ID = "01a218d1-0000-74b5-9aed-7be6d072ebad"


def test_references_are_found_at_any_depth_and_nothing_else_is_taken_for_one():
    parameters = {
        "by_id": {"$ref": {"block_document_id": ID}},
        "short": [{"inner": {"$ref": ID}}],
        "by_name": {"$ref": {"block_document_slug": "login/main"}},
        "schema": {"$ref": "#/definitions/Login"},
        "more": {"$ref": {"block_document_id": ID}, "and": 1},
        "plain": 3,
    }
    assert sorted(references_in(parameters)) == [ID, ID, "login/main"]
    filled = with_blocks(parameters, {ID: {"user": "ann"}, "login/main": {"user": "bob"}})
    assert filled["by_id"] == {"user": "ann"} and filled["short"] == [{"inner": {"user": "ann"}}]
    assert filled["by_name"] == {"user": "bob"}
    assert (filled["schema"], filled["plain"]) == (parameters["schema"], 3)


def test_block_that_is_not_there_is_named_with_its_parameter():
    with pytest.raises(ParameterMismatch, match=f"login: there is no block document '{ID}'"):
        with_blocks({"login": {"$ref": {"block_document_id": ID}}}, {})
