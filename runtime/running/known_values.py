"""How a run's process reads the variables and blocks that pull steps name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..client.client import get_client
from ..client.setup_values import read_block, read_variable
from ..foundation.settings import current_settings
from ..journal.recording import Recording
from ..projects.filling import Known
from ..store import block_documents, variables


def known_here(recording: Recording) -> Known:
    """The variables and blocks, read from the server when one is set, else through the process's
    recording.
    """
    if current_settings().api_url is not None:
        return Known(_variable, _block)

    def variable(name: str) -> Any:
        return recording.call(variables.read, name).value

    def block(kind: str, name: str) -> Mapping[str, Any]:
        return recording.call(block_documents.read_by_name, kind, name, secrets=True).data

    return Known(variable, block)


def _variable(name: str) -> Any:
    with get_client(sync_client=True) as client:
        return read_variable(client, name)


def _block(kind: str, name: str) -> Mapping[str, Any]:
    with get_client(sync_client=True) as client:
        return read_block(client, kind, name)
