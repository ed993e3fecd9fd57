"""A node of the cluster that goes away in the middle of a map."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from databases import ON_SQLITE

from heliostat.runtime.store import task_runs

CLUSTER = '''
"""A cluster whose head runs nothing; of its two other nodes one is lost on the way."""

import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

import psutil
import ray
from ray._private.utils import get_ray_address_file
from ray.cluster_utils import Cluster

import flows
from flows import HERE
from heliostat import flow, task

quick = {"health_check_period_ms": 500, "health_check_timeout_ms": 1000, "health_check_failure_threshold": 3}
folder = tempfile.mkdtemp(prefix="heliostat-ray-")
# The cluster helper notes its address where a Ray that was started plainly would, and expects the folder.
Path(get_ray_address_file(None)).parent.mkdir(parents=True, exist_ok=True)
cluster = Cluster(
    initialize_head=True,
    head_node_args={
        "num_cpus": 0,
        "object_store_memory": 80 * 2**20,
        "include_dashboard": False,
        "_system_config": quick,
        "temp_dir": folder,
    },
)
places = [cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20) for _ in range(2)]
ray.init(address=cluster.address, namespace="heliostat", logging_level="ERROR")


def lines():
    path = os.path.join(HERE, "effects.txt")
    return open(path).read().splitlines() if os.path.exists(path) else []


def lose_one():
    while not (stuck := [line for line in lines() if line.startswith("30 ")]):
        time.sleep(0.01)
    raylet = psutil.Process(int(stuck[0].split()[1])).ppid()
    [lost] = [node for node in places if node.all_processes["raylet"][0].process.pid == raylet]
    cluster.remove_node(lost, allow_graceful=False)


@task
def sticky(number):
    is_first = not any(line.startswith("30 ") for line in lines())
    flows.leave(number)
    if number == 30 and is_first:
        time.sleep(600)
    return number


@flow
def on_two_nodes(count: int = 100):
    numbers = sticky.map(range(count)).result()
    assert numbers == list(range(count))


threading.Thread(target=lose_one, daemon=True).start()
on_two_nodes()
print("all there")
ray.shutdown()
cluster.shutdown()
shutil.rmtree(folder, ignore_errors=True)
'''


@ON_SQLITE
def test_a_lost_node_costs_only_what_was_under_way_there(
    run_script: Any, flows: Path, effects: Any, left: Any
) -> None:
    file = flows.with_name("cluster.py")
    file.write_text(CLUSTER)
    script = run_script(file)
    assert script.ended(100) == 0, script.output
    assert "all there" in script.output
    assert left.counts() == {"COMPLETED": 100}
    assert effects.times().keys() == Counter(map(str, range(100))).keys()
    assert effects.times()["30"] == 2
    assert any("the node that ran it was lost" in message for message in left.messages()), left.messages()
    [repeated] = left(task_runs.list, left.run().id, name_like="sticky-30")
    assert (repeated.state_name, repeated.run_count) == ("Completed", 2)
