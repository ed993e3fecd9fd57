"""Pauses and suspends a flow run from inside its body; holds its calls while it is paused from outside."""

from __future__ import annotations

import dataclasses
import json
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import datetime
from typing import Any
from uuid import UUID

from ...foundation import clock
from ...foundation.errors import CancelRun, Duplicate, HeliostatError, NotFound, RunFailure
from ...states import FINAL_STATES, Paused, State, StateType, Suspended
from ...store import flow_run_inputs, flow_runs
from ..interruption import interruption
from ..run_desk import RunDesk
from .flow_states import FlowStates

POLL_S = 1.0


class SuspendHere(CancelRun):
    """Unwinds the body of a run that suspends itself; `state` is the state in which it is left."""

    def __init__(self, state: State) -> None:
        super().__init__("the flow run is suspended")
        self.state = state


class PauseTimedOut(RunFailure):
    """A paused run was not resumed in time."""


class RunControl:
    """Pauses and suspends one run for its own body. `asks` answers store verbs."""

    def __init__(
        self, asks: Any, states: FlowStates, desk: RunDesk, durable: Callable[[], Future[None]]
    ) -> None:
        self._asks = asks
        self._durable = durable  # the barrier of the run's journal
        self._states = states
        self._desk = desk
        self._run_id: UUID = desk.flow_run.id
        self._pauses = 0
        self._counts_from: datetime | None = None  # pauses before this time belong to an earlier attempt

    def begin_attempt(self, again: bool) -> None:
        """Prepare for an attempt of the body; `again`: after a failure, so that its pauses wait anew."""
        self._pauses = 0
        if again:
            self._counts_from = clock.now()

    def pause(
        self, timeout_s: float, key: str | None, schema: Mapping[str, Any] | None, poll_s: float = POLL_S
    ) -> Any:
        """Wait until the run is resumed; returns the input with which it was resumed.

        A pause that an earlier execution of the run has passed is passed again. Raises PauseTimedOut,
        StaleState when the rules refuse.
        """
        paused = self._stopped(Paused(timeout_s=timeout_s, pause_key=self._key(key)), schema)
        if paused is None:
            return self._response("paused", key)
        self._states.write(paused)
        self._durable().result()
        self._desk.say(logging.INFO, f"paused until the run is resumed, for at most {timeout_s:g} s")
        self._wait(clock.monotonic_s() + timeout_s, poll_s)
        self._desk.say(logging.INFO, "resumed")
        return self._response("paused", key)

    def suspend(self, timeout_s: float | None, key: str | None, schema: Mapping[str, Any] | None) -> Any:
        """End this execution; resuming the run starts another one, which passes this point.

        Raises SuspendHere, or StaleState when the rules refuse (no deployment, a sub-flow).
        """
        suspended = self._stopped(Suspended(timeout_s=timeout_s, pause_key=self._key(key)), schema)
        if suspended is None:
            return self._response("suspended", key)
        raise SuspendHere(suspended)

    def hold_calls(self) -> None:
        """Let no new call begin while the run is PAUSED; calls that have begun go on. Returns at once."""
        if self._desk.gate.close():
            threading.Thread(target=self._open_when_resumed, name="heliostat-paused", daemon=True).start()

    def _open_when_resumed(self) -> None:
        from_outside = not self._states.current.is_paused()
        if from_outside:
            self._desk.say(logging.INFO, "paused from outside: no new task begins until the run is resumed")
        while not self._desk.gate.wait_for(POLL_S):
            try:
                run = self._asks.call(flow_runs.read, self._run_id)
            except HeliostatError:
                continue  # the database, or the server before it, is away
            if run.state_type == "CANCELLING" or run.state_type in FINAL_STATES:
                return  # the run is told to end too, and no call may begin before that
            if run.state_type != "PAUSED":
                if from_outside:
                    self._desk.say(logging.INFO, "resumed")
                self._release_calls()

    def _release_calls(self) -> None:
        self._desk.gate.open()
        if self._desk.session is not None:
            self._desk.session.go_on()

    def _key(self, key: str | None) -> str:
        if key is None:
            self._pauses += 1
        return key or str(self._pauses)

    def _stopped(self, wanted: State, schema: Mapping[str, Any] | None) -> State | None:
        """The state to enter; None when the run has passed this pause already."""
        key = str(wanted.details["pause_key"])
        if key in self._passed():
            return None
        if schema is not None:
            keys = _input_keys(wanted.name, key)
            self._put(keys["schema"], json.dumps(schema))
            wanted = dataclasses.replace(wanted, details={**wanted.details, "run_input_keyset": keys})
        return self._states.decide(wanted)

    def _passed(self) -> set[str]:
        """Keys of the pauses that this run has gone through since it last ended."""
        keys: set[str] = set()
        for state in self._asks.call(flow_runs.history, self._run_id):
            if state.type in FINAL_STATES:
                keys.clear()
            elif state.type == "PAUSED" and (
                self._counts_from is None or state.timestamp >= self._counts_from
            ):
                keys.add(str(state.details.get("pause_key")))
        return keys

    def _wait(self, until_s: float, poll_s: float) -> None:
        while True:
            run = self._asks.call(flow_runs.read, self._run_id)
            if run.state_type == "RUNNING":
                self._states.adopt(StateType.RUNNING, run.state_name or "Running")
                self._release_calls()
                return
            if run.state_type == "CANCELLING":
                raise interruption("cancel", self._run_id)
            if run.state_type != "PAUSED":
                raise interruption("stop", self._run_id)
            if run.state_name == "Suspended":
                raise interruption("suspend", self._run_id)
            left_s = until_s - clock.monotonic_s()
            if left_s <= 0:
                raise PauseTimedOut("the run was paused and not resumed in time")
            clock.sleep(min(poll_s, left_s))

    def _put(self, key: str, value: str) -> None:
        try:
            self._asks.call(flow_run_inputs.create, self._run_id, key, value)
        except Duplicate:
            pass  # an earlier execution has put it there

    def _response(self, name: str, key: str | None) -> Any:
        keys = _input_keys(name, key or str(self._pauses))
        try:
            return json.loads(self._asks.call(flow_run_inputs.read, self._run_id, keys["response"]).value)
        except NotFound:
            return None


def _input_keys(name: str, key: str) -> dict[str, str]:
    """The keys of an input and its schema, as clients of the standard name them."""
    base = f"{name.lower()}-{key}"
    return {"schema": f"{base}-schema", "response": f"{base}-response"}
