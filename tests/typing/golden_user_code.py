"""What an author writes, and the types that a type checker must see in it; checked, never run."""

# pyright: reportUnnecessaryTypeIgnoreComment=error

from collections.abc import AsyncGenerator, Coroutine, Generator
from datetime import timedelta
from typing import Any, assert_type
from uuid import UUID

from heliostat import (
    ConcurrencyLimit,
    CronSchedule,
    DeploymentSpec,
    State,
    TaskFuture,
    TaskFutureList,
    ThreadTaskRunner,
    allow_failure,
    arun_deployment,
    as_completed,
    deploy,
    flow,
    get_client,
    run_deployment,
    serve,
    task,
    unmapped,
    wait,
)


@task
def square(number: int) -> int:
    return number * number


@task(retries=2, retry_delay_seconds=[1.0, 2.0], tags=["io"])
def named(number: int, *, name: str = "x") -> str:
    return name * number


@task
async def fetched(url: str) -> bytes:
    return url.encode()


@task
def counted(stop: int) -> Generator[int]:
    yield from range(stop)


@task
async def streamed(stop: int) -> AsyncGenerator[str]:
    for number in range(stop):
        yield str(number)


class Shop:
    @task
    def price(self, item: str) -> float:
        return float(len(item))

    @flow
    def total(self, items: list[str]) -> float:
        return sum(self.price(item) for item in items)


@flow
def report(day: str, limit: int = 3) -> dict[str, int]:
    # A direct call is a call: the author's own signature, checked.
    assert_type(square(3), int)
    assert_type(named(3, name="y"), str)
    square("3")  # pyright: ignore[reportArgumentType]
    named(3, nam="y")  # pyright: ignore[reportCallIssue]
    square()  # pyright: ignore[reportCallIssue]
    assert_type(square(3, return_state=True), State)
    assert_type(counted(3), list[int])
    assert_type(square.fn(3), int)
    square.fn("3")  # pyright: ignore[reportArgumentType]
    square.with_options(retries=3)("3")  # pyright: ignore[reportArgumentType]

    # submit and map take futures where the function takes values.
    future = square.submit(3)
    assert_type(future, TaskFuture[int])
    assert_type(future.result(), int)
    assert_type(future.result(raise_on_failure=False), int | BaseException)
    assert_type(future.wait(), State)
    assert_type(square.submit(future, wait_for=[future]), TaskFuture[int])
    assert_type(square.submit(3, return_state=True), State)
    assert_type(named.submit(future, name=unmapped("z")), TaskFuture[str])
    assert_type(fetched.submit("u"), TaskFuture[bytes])
    assert_type(counted.submit(3), TaskFuture[list[int]])
    assert_type(streamed.submit(3), TaskFuture[list[str]])

    futures = square.map(range(10))
    assert_type(futures, TaskFutureList[int])
    assert_type(futures.result(), list[int])
    assert_type(futures[0], TaskFuture[int])
    assert_type(futures[1:], list[TaskFuture[int]])
    assert_type(square.map(range(3), return_state=True), list[State])
    assert_type(named.map(futures, name=unmapped("n")), TaskFutureList[str])
    assert_type(fetched.map(["a", "b"]), TaskFutureList[bytes])
    assert_type(square.map(allow_failure(futures)).result(), list[int])
    for done in as_completed(futures):
        assert_type(done, TaskFuture[int])
    assert_type(wait(futures).done, set[TaskFuture[int]])

    # The same task with other options keeps its signature.
    assert_type(square.with_options(name="sq")(4), int)
    assert_type(square.with_options(name="sq").map([4]), TaskFutureList[int])

    # An option that there is not, or of another type, is told where it is written.
    square.with_options(retires=3)  # pyright: ignore[reportCallIssue]
    square.with_options(retries="3")  # pyright: ignore[reportArgumentType]
    task(retires=3)(square.fn)  # pyright: ignore[reportCallIssue]
    flow(task_runner=3)(square.fn)  # pyright: ignore[reportArgumentType]

    # Methods.
    shop = Shop()
    assert_type(shop.price("tea"), float)
    assert_type(shop.price.submit("tea"), TaskFuture[float])
    shop.price(3)  # pyright: ignore[reportArgumentType]
    assert_type(shop.total(["tea"]), float)
    return {day: limit}


@flow(name="nightly", timeout_seconds=60)
async def nightly(day: str) -> int:
    assert_type(await fetched("u"), bytes)
    assert_type(await fetched("u", return_state=True), State)
    assert_type(await fetched.submit("u"), bytes)
    assert_type(await square.map([1, 2]), list[int])
    assert_type(await streamed(3), list[str])
    assert_type(square(2), int)
    return 1


async def script() -> None:
    assert_type(report("monday"), dict[str, int])
    assert_type(report("monday", limit=2), dict[str, int])
    report(3)  # pyright: ignore[reportArgumentType]
    report("monday", limit="x")  # pyright: ignore[reportArgumentType]
    assert_type(report("monday", return_state=True), State)
    assert_type(report.with_options(retries=1)("monday"), dict[str, int])
    report.with_options(task_runner=ThreadTaskRunner(max_workers=2))("monday")
    report.with_options(task_runner=3)  # pyright: ignore[reportArgumentType]
    coroutine: Coroutine[Any, Any, int] = nightly("monday")
    assert_type(await coroutine, int)
    assert_type(await nightly("monday", return_state=True), State)


def deployments() -> None:
    assert_type(report.deploy("daily", cron="0 6 * * *", parameters={"limit": 3}, tags=["a"]), UUID)
    report.deploy("daily", "gpu", interval=timedelta(hours=1), concurrency_limit=3)
    report.deploy("daily", corn="0 6 * * *")  # pyright: ignore[reportCallIssue]
    report.deploy("daily", parameters=3)  # pyright: ignore[reportArgumentType]
    limited = nightly.to_deployment(
        "x", concurrency_limit=ConcurrencyLimit(1, "CANCEL_NEW"), schedules=[CronSchedule("@daily")]
    )
    assert_type(limited, DeploymentSpec)
    assert_type(deploy(limited, report.to_deployment("y"), work_pool_name="gpu"), list[UUID])
    serve(limited, limit=2)
    report.serve("here", pause_on_shutdown=False)
    flow.from_source("https://example.com/x.git", "etl.py:etl", branch="main").deploy("x")
    run = run_deployment("report/daily", parameters={"day": "monday"}, timeout=0)
    assert_type(run.state, State | None)
    run_deployment("report/daily", timeuot=0)  # pyright: ignore[reportCallIssue]
    with get_client(sync_client=True) as client:
        assert_type(client.read_flow_run(run.id).name, str)
        client.read_flow_run("x")  # pyright: ignore[reportArgumentType]


async def asynchronous_deployments() -> None:
    assert_type(await report.adeploy("daily"), UUID)
    run = await arun_deployment("report/daily")
    async with get_client() as client:
        assert_type((await client.read_flow_run(run.id)).parameters, dict[str, Any])
