"""Every error that Heliostat raises, by who acts on it.

    HeliostatError
     ├─ UserError            the author or operator mends something and tries again
     │   ├─ ParameterMismatch, MissingFlow, StockFlow, NotInAFlow, RunIsOver, WaitCycle, CannotPickle
     │   ├─ HiddenFuture, NoFingerprint
     │   ├─ NondeterministicReplay, BadSetting, NotFound (NoWorkPool), RunStillAlive, UnfinishedRun
     │   ├─ SchemaTooNew, BadSchedule, BadJobTemplate, BadJobVariables
     │   ├─ Reserved, PackageTooLarge, BadPackage, UnresolvedParameter
     │   ├─ RequestRefused, NotAllowed, BadDeployment, BadSlots, BadBlock, SecretsUnreadable
     │   └─ GraphTooLarge, BadEventQuery, UnstorableValue, StockClientMissing
     ├─ RunFailure           recorded in a run's state, travels between processes
     │   └─ TaskFailed, TaskCrashed, TaskTimedOut, UpstreamFailed, FlowRunFailed, RunCancelled, ResultLost
     ├─ Conflict             another writer won: give way
     │   └─ LeaseLost, LeaseHeld, JournalGap, StaleState, Duplicate, NoFreeSlots
     └─ Unavailable          not now: back off or say what is missing
         ├─ DatabaseUnavailable, PortTaken, RayUnavailable, StorageUnavailable
         └─ ServerUnavailable, ServerFailed
    CancelRun(BaseException) control flow, so that a user's `except Exception` cannot swallow it

Each class builds its message from facts that it keeps as attributes, says what to do next in `hint`, and
survives pickling (it is rebuilt from its own arguments).
"""

from __future__ import annotations

import sys
from typing import Any


class HeliostatError(Exception):
    """The root. `hint` tells what to do next, or is None."""

    hint: str | None = None

    def __init__(self, *facts: Any, hint: str | None = None) -> None:
        super().__init__(*facts)
        if hint is not None:
            self.hint = hint

    def __reduce__(self) -> Any:
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(cls: type[HeliostatError], facts: tuple[Any, ...], attributes: dict[str, Any]) -> HeliostatError:
    error = cls.__new__(cls)
    Exception.__init__(error, *facts)
    error.__dict__.update(attributes)
    return error


class UserError(HeliostatError):
    """An error that the author or operator can mend."""


class ParameterMismatch(UserError):
    """Arguments do not fit the signature or its annotations; raised before anything starts."""

    parameters: tuple[str, ...] = ()  # the names at fault


class MissingFlow(UserError):
    """An entrypoint names no flow."""


class StockFlow(MissingFlow):
    """An entrypoint names a flow of the stock client, which only the stock client can execute."""


class StockClientMissing(UserError):
    """A flow of the stock client cannot be executed: that client is not installed, or has no server set."""


class NotInAFlow(UserError):
    """A task was submitted where no flow is running."""


class RunIsOver(UserError):
    """A thread of a run called a task or flow after the run had ended."""


class WaitCycle(UserError):
    """`wait_for` (or an argument) makes calls wait for each other in a circle."""


class CannotPickle(UserError):
    """A function, argument or result cannot be sent to another process."""


class HiddenFuture(CannotPickle):
    """A future is in an object that is not searched for futures, so its value would not replace it."""


class NoFingerprint(UserError):
    """A value has no digest that tells it from others of its kind, so no cache key can be made of it."""


class NondeterministicReplay(UserError):
    """A replayed run made a call that its journal knows with other inputs, and the policy is to fail."""


class BadSetting(UserError):
    """A setting or profile has a value that cannot be used."""


class UnstorableValue(UserError):
    """The database has no form for a value."""


class NotFound(UserError):
    """No such run, profile or object."""


class NoWorkPool(NotFound):
    """No work pool has that name or id; `pool` is what was asked for."""

    def __init__(self, pool: object) -> None:
        super().__init__(
            f"there is no work pool {str(pool)!r}", hint="heliostat work-pool ls shows the pools there are"
        )
        self.pool = pool


class RunStillAlive(UserError):
    """The run to be resumed still has a living owner."""


class UnfinishedRun(UserError):
    """The result of a run that has not ended was asked for."""


class SchemaTooNew(UserError):
    """The database was made by a newer version of Heliostat."""


class BadSchedule(UserError):
    """A schedule cannot be used; `where` names the field at fault, such as "cron" or "schedule.timezone"."""

    def __init__(self, message: str, where: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.where = where


class BadJobTemplate(UserError):
    """A pool's base job template is malformed, or uses a variable that it does not declare."""


class BadJobVariables(UserError):
    """Job variables do not fit the template of their pool; `problems` has one line for each problem."""

    problems: tuple[str, ...] = ()


class Reserved(UserError):
    """A name, or a thing, that users may not make or change."""


class PackageTooLarge(UserError):
    """A project folder is larger than a code package may be; `largest` holds (path, bytes) of its entries."""

    largest: tuple[tuple[str, int], ...] = ()


class BadPackage(UserError):
    """A project folder, or a code package, that cannot be used."""


class RequestRefused(UserError):
    """The server understood a request and refuses it; `status` is the HTTP status of its answer."""

    def __init__(self, message: str, status: int = 422, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class NotAllowed(UserError):
    """The server does not know who asks, or does not let them."""


class BadDeployment(UserError):
    """A deployment cannot be made: a field or its file is wrong, or its code cannot be loaded from
    anywhere.
    """


class BadDeployments(BadDeployment):
    """Some of several deployments are wrong, so none is made; `mistakes` holds each error."""

    mistakes: tuple[HeliostatError, ...] = ()


class UnresolvedParameter(UserError):
    """A parameter is given as JSON text, a template or a variable, and that gives no value."""


class CallFailed(UserError):
    """A function that was called in a separate process has raised an error; the text is that error's."""


class BeyondBounds(CallFailed):
    """A function that was called in a separate process took too long, used too much memory or returned too
    much.
    """


class GraphTooLarge(UserError):
    """A run has more parts than a graph can show."""


class BadBlock(UserError):
    """A block document cannot be kept: its schema, or something that it refers to, does not exist."""


class SecretsUnreadable(UserError):
    """Encrypted data was written with another key than the one that is set."""


class BadSlots(UserError):
    """Slots of a concurrency limit were asked for that it can never grant."""


class BadEventQuery(UserError):
    """A query for events is malformed or asks for something that cannot be answered."""


class RunFailure(HeliostatError):
    """What went wrong inside a run; recorded in its state."""


class TaskFailed(RunFailure):
    """A task's exception could not be sent to this process; the text has its type, message and traceback."""


class TaskCrashed(RunFailure):
    """The process under a task went away: killed, out of memory, node lost, environment not set up.

    `cause` is one of "worker-killed", "out-of-memory", "node-lost", "environment", "unschedulable", "lost".
    """

    def __init__(self, message: str, cause: str = "worker-killed", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.cause = cause


class TaskTimedOut(RunFailure, TimeoutError):
    """A task or flow ran longer than its timeout."""


class UpstreamFailed(RunFailure):
    """A call was not made because a call that it waits for did not complete."""


class NoSlotEver(RunFailure):
    """A call needs a slot of a concurrency limit that can never be granted; nothing was executed."""


class FlowRunFailed(RunFailure):
    """A flow run ended in a state other than Completed, and there is no exception of its author to raise."""


class RunCancelled(RunFailure):
    """The run or task was cancelled before it ended."""


class ResultLost(RunFailure):
    """A call completed, but its value was kept only in memory and is gone."""


class Conflict(HeliostatError):
    """Another writer won."""


class LeaseLost(Conflict):
    """Another owner holds this run now; the database refuses what this process still writes."""


class RelayFailed(HeliostatError):
    """A worker's request to the process that drives its run, or the answer, could not be sent over."""


class LeaseHeld(Conflict):
    """The run's lease belongs to someone else and has not lapsed."""


class JournalGap(Conflict):
    """Events are missing between those that the database has of a run and those to be added."""


class StaleState(Conflict):
    """The run's state is not what the caller believed."""


class Duplicate(Conflict):
    """An object with that name or key exists already."""


class NoFreeSlots(Conflict):
    """All slots of a concurrency limit are taken; try again after `retry_after_s` seconds."""

    def __init__(
        self, name: str, retry_after_s: float, limit: int | None = None, hint: str | None = None
    ) -> None:
        super().__init__(f"concurrency limit {name!r} has no free slot", hint=hint)
        self.name = name
        self.retry_after_s = retry_after_s
        self.limit = limit


class Unavailable(HeliostatError):
    """An outside service does not answer."""


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached, or cannot write (a full disk, say).

    `heals` tells whether waiting alone may help: true of a restart, false of a full disk.
    """

    heals: bool = True


class ServerGone(DatabaseUnavailable):
    """A run's server has not answered for longer than the run's lease, so the process that executes the run
    stops.

    What is not recorded is kept on this machine, where a later execution of the run finds it.
    """

    heals = False


class PortTaken(Unavailable):
    """Another program listens on the port that a server was to use."""


class RayUnavailable(Unavailable):
    """The Ray cluster cannot be reached or started."""


class StorageUnavailable(Unavailable):
    """Result storage cannot be read or written."""


class ServerUnavailable(Unavailable):
    """No Heliostat server answers at the address that is set, or none is set and none runs here."""


class ServerFailed(Unavailable):
    """The server answers with an error of its own (HTTP status 5xx)."""


class CancelRun(BaseException):
    """Ends a run from inside; not an Exception, so that user code does not catch it by accident."""


# Databases hold pickled exceptions of earlier versions, under the name that this module had then.
sys.modules.setdefault("heliostat.runtime.errors", sys.modules[__name__])
