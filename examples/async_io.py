"""Async tasks: calls wait for the network side by side, hundreds on one worker.

Run it with `python examples/async_io.py`. It starts a small server on this machine, so nothing is downloaded.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from heliostat import flow, task, unmapped


@task(timeout_seconds=10, pack=100)  # a worker always takes a hundred calls at once
async def ask(question: str, port: int) -> str:
    """Send a line to the server and read its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(question.encode() + b"\n")
        return (await reader.readline()).decode().strip()
    finally:
        writer.close()


@flow
async def conversation(questions: int = 300) -> int:
    """Ask many questions at once; returns how many different answers came back."""
    async with shouting_server() as port:
        answers = await ask.map([f"question {number}" for number in range(questions)], unmapped(port))
    return len(set(answers))


@asynccontextmanager
async def shouting_server() -> AsyncIterator[int]:
    """A server that waits for a moment and answers in capitals; yields its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        await asyncio.sleep(0.2)
        writer.write(line.upper())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1_024)
    async with server:
        yield server.sockets[0].getsockname()[1]


if __name__ == "__main__":
    print(f"{asyncio.run(conversation())} different answers")
