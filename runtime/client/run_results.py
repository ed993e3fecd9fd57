"""The value of a run that was executed elsewhere, fetched when somebody asks for it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ..foundation.errors import NotFound, RequestRefused, ResultLost, StorageUnavailable
from ..states import ValueElsewhere
from ..values import serializers
from ..values.result_places import ResultPlace, lost


@dataclass(frozen=True, slots=True)
class ResultOfRun(ValueElsewhere):
    """The result of the run of that path below the API, such as "flow_runs/ID"."""

    api_url: str | None
    kind: str
    run_id: UUID

    def load(self) -> Any:
        """Fetch the value. Raises ResultLost that says where it lies, ServerUnavailable."""
        value = self._fetched()
        # A flow that returned the state of a run elsewhere has that run's value.
        return value.load() if isinstance(value, ValueElsewhere) else value

    def _fetched(self) -> Any:
        from .client import get_client

        with get_client(sync_client=True, api_url=self.api_url) as client:
            path = f"/heliostat/{self.kind}/{self.run_id}/result"
            found: dict[str, Any] = client.request("GET", path)
            if found["kind"] == "none":
                return None
            if found["kind"] == "inline":
                return serializers.loads(base64.b64decode(found["data"]))
            if found["kind"] == "stored":
                place = ResultPlace(**found["place"])
                return serializers.loads(self._bytes_of(place, client), place.serializer)
        raise ResultLost(
            "This run completed, but its value was kept only in the memory of its process, and is gone.",
            hint="Persist results (persist_result=True) to read them later, or run it again.",
        )

    def _bytes_of(self, place: ResultPlace, client: Any) -> bytes:
        """From the storage if this machine reaches it, else through the server if that one does."""
        try:
            return place.read()
        except (ResultLost, StorageUnavailable) as error:
            unread = error
        path = f"/heliostat/{self.kind}/{self.run_id}/result/content"
        try:
            return client.wait(client.asynchronous.http.send("GET", path)).content
        except (NotFound, RequestRefused):
            raise lost(place) from unread
