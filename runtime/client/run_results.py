"""The value of a run that was executed elsewhere, fetched when it is needed."""

from __future__ import annotations

import base64
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ..foundation.errors import NotFound, RequestRefused, ResultLost, StorageUnavailable
from ..foundation.loop_thread import LoopThread
from ..states import ValueElsewhere
from ..values import serializers
from ..values.result_places import ResultPlace, lost
from .address import api_url as address_of_server
from .http import Connection


@dataclass(frozen=True, slots=True)
class ResultOfRun(ValueElsewhere):
    """The result of the run at the path `kind`/`run_id` below the API, such as "flow_runs/ID"."""

    api_url: str | None
    kind: str
    run_id: UUID

    def load(self) -> Any:
        """Fetch the value. Raises ResultLost, which says where the value is, or ServerUnavailable."""
        value = self._fetched()
        # A flow may have returned the state of another remote run: its value is that run's.
        return value.load() if isinstance(value, ValueElsewhere) else value

    def _fetched(self) -> Any:
        with _connected(self.api_url) as (http, wait):
            found: dict[str, Any] = wait(http.get(self._path))
            if found["kind"] == "none":
                return None
            if found["kind"] == "inline":
                return serializers.loads(base64.b64decode(found["data"]))
            if found["kind"] == "stored":
                place = ResultPlace(**found["place"])
                return serializers.loads(self._bytes_of(place, http, wait), place.serializer)
        raise ResultLost(
            "This run completed, but its value was only in the memory of its process and is gone.",
            hint="Persist results (persist_result=True) to read them later, or run it again.",
        )

    @property
    def _path(self) -> str:
        return f"/heliostat/{self.kind}/{self.run_id}/result"

    def _bytes_of(self, place: ResultPlace, http: Connection, wait: Callable[..., Any]) -> bytes:
        """The bytes, from the storage if this machine reaches it, else through the server."""
        try:
            return place.read()
        except (ResultLost, StorageUnavailable) as error:
            unread = error
        try:
            return wait(http.send("GET", f"{self._path}/content")).content
        except (NotFound, RequestRefused):
            raise lost(place) from unread


@contextmanager
def _connected(api_url: str | None) -> Generator[tuple[Connection, Callable[..., Any]]]:
    """A connection to the server, and what waits for its answers wherever another event loop runs already."""
    http, thread = Connection(api_url or address_of_server()), LoopThread("heliostat-client")
    try:
        yield http, thread.run
    finally:
        thread.run(http.close())
        thread.close()
