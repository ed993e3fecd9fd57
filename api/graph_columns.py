"""The graph of a run as columns: what a browser draws from 100,000 task runs without a line for each.

Ids of native task runs count from a base, so a group tells its base once. Edges are blocks: an item of one
group for each item of another, or all of a span for each of another span.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import orjson

from ..runtime.store.graph_rows import GraphRun, TaskLine
from ..runtime.store.run_parts import site_name

ITEM, ALL = 0, 1
_SPAN = 1 << 32  # the most items of a call site whose ids are told apart from another site's
_AROUND = "__parents__"
_COLUMNS = ("id", "group", "index", "state", "expected", "start", "end", "tries", "node")

Block = list[int]
"""[kind, group, first item, items, group above, first item above, items above]"""


class Columns:
    """The answer while it is put together."""

    def __init__(self, runs: Sequence[GraphRun]) -> None:
        self._runs = runs
        self._t0 = _micros(runs[0].start or runs[0].expected)
        self._groups: dict[tuple[int, str], int] = {}
        self._listed: list[dict[str, Any]] = []
        self._states: dict[tuple[str, str], int] = {}
        self._nodes: dict[str, int] = {}
        self._columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
        self._labels: list[list[Any]] = []
        self._messages: list[list[Any]] = []
        self._known: dict[int, tuple[int, int]] = {}
        self._upstream: list[tuple[int, int, str]] = []  # group, index, inputs
        self._odd: list[tuple[str, str]] = []  # id, inputs of rows without an index

    def whole(self) -> dict[str, Any]:
        """The whole answer; to be asked once."""
        for place, run in enumerate(self._runs):
            for line in run.lines:
                self._add(place, line)
        blocks, links = self._edges()
        return {
            "t0": self._t0 / 1_000_000,
            "cursor": ",".join(f"{run.id.hex}:{run.seq}" for run in self._runs),
            "runs": [_run(run) for run in self._runs],
            "groups": self._listed,
            "states": list(self._states),
            "nodes": list(self._nodes),
            "columns": self._columns,
            "labels": self._labels,
            "messages": self._messages,
            "edges": blocks,
            "links": links,
        }

    def _add(self, place: int, line: TaskLine) -> None:
        group = self._group(place, line)
        number = int(line.id, 16)
        index = int(line.dynamic_key) if line.dynamic_key.isdecimal() else None
        listed = self._listed[group]
        if index is not None and "base" not in listed:
            listed["base"] = f"{number - index:032x}"
            listed["first"] = number - index
        is_counted = index is not None and listed["first"] + index == number
        columns = self._columns
        row = len(columns["id"])
        columns["id"].append(None if is_counted else line.id)
        columns["group"].append(group)
        columns["index"].append(index)
        columns["state"].append(_number(self._states, (line.state_type, line.state_name)))
        columns["expected"].append(self._ms(line.expected))
        columns["start"].append(self._ms(line.start))
        columns["end"].append(self._ms(line.end))
        columns["tries"].append(line.run_count)
        columns["node"].append(None if line.node is None else _number(self._nodes, line.node))
        if line.name is not None or index is None:
            self._labels.append([row, line.name or f"{line.task_name}-{line.dynamic_key}"])
        if line.message:
            self._messages.append([row, line.message])
        if is_counted and index is not None:
            if line.inputs:
                self._upstream.append((group, index, line.inputs))
        else:
            if index is not None:
                self._known[number] = (group, index)
            if line.inputs:
                self._odd.append((line.id, line.inputs))

    def _group(self, place: int, line: TaskLine) -> int:
        key = (place, line.task_key)
        found = self._groups.get(key)
        if found is None:
            found = self._groups[key] = len(self._listed)
            name = site_name(line.task_key, line.task_name)
            self._listed.append({"key": line.task_key, "name": name, "run": place})
        return found

    def _ms(self, micros: int | None) -> int | None:
        return None if micros is None else (micros - self._t0) // 1000

    def _edges(self) -> tuple[list[Block], list[list[str]]]:
        bases = sorted(
            (listed.pop("first"), at) for at, listed in enumerate(self._listed) if "first" in listed
        )
        firsts = [base for base, _ in bases]

        def place(number: int) -> tuple[int, int] | None:
            at = bisect_right(firsts, number) - 1
            if at >= 0 and number - firsts[at] < _SPAN:
                return bases[at][1], number - firsts[at]
            return self._known.get(number)

        blocks: list[Block] = []
        links: list[list[str]] = []
        self._upstream.sort(key=lambda each: each[:2])
        for group, index, inputs in self._upstream:
            spans: list[list[int]] = []
            for number in _ids(inputs):
                above = place(number)
                if above is None:
                    links.append([f"{int(self._listed[group]['base'], 16) + index:032x}", f"{number:032x}"])
                elif spans and spans[-1][0] == above[0] and spans[-1][1] + spans[-1][2] == above[1]:
                    spans[-1][2] += 1
                else:
                    spans.append([above[0], above[1], 1])
            for span in spans:
                _put(blocks, group, index, span)
        for id, inputs in self._odd:
            links += [[id, f"{number:032x}"] for number in _ids(inputs)]
        return blocks, links


def _put(blocks: list[Block], group: int, index: int, span: list[int]) -> None:
    """Lengthen the last block of these two groups if the edge goes on with it, or begin one."""
    above, first, count = span
    for block in reversed(blocks[-4:]):
        if block[1] != group or block[4] != above or block[2] + block[3] != index:
            continue
        is_item = block[0] == ITEM or block[3] == block[6] == 1
        if is_item and count == 1 and block[5] + block[3] == first:
            block[0] = ITEM
            block[3] += 1
            block[6] = block[3]
            return
        if block[5] == first and block[6] == count and (block[0] == ALL or block[3] == 1):
            block[0] = ALL
            block[3] += 1
            return
    blocks.append([ITEM if count == 1 else ALL, group, index, 1, above, first, count])


def _ids(inputs: str) -> Iterator[int]:
    seen: set[int] = set()
    for name, items in orjson.loads(inputs).items():
        if name == _AROUND:
            continue
        for item in items or ():
            if item.get("input_type") == "task_run":
                number = int(str(item["id"]).replace("-", ""), 16)
                if number not in seen:
                    seen.add(number)
                    yield number


def _number(numbers: dict[Any, int], value: Any) -> int:
    return numbers.setdefault(value, len(numbers))


def _micros(moment: datetime | None) -> int:
    return 0 if moment is None else round(moment.timestamp() * 1_000_000)


def _run(run: GraphRun) -> dict[str, Any]:
    return {
        "id": run.id,
        "name": run.name,
        "flow_name": run.flow_name,
        "state_type": run.state_type,
        "state_name": run.state_name,
        "start": run.start,
        "end": run.end,
        "expected": run.expected,
        "parent": None if run.parent is None else run.parent.hex,
        "depth": run.depth,
    }
