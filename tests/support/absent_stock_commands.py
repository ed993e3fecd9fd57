"""What the stock client's command line has and ours has not, each with its reason."""

from __future__ import annotations

_HOSTED = "it belongs to the hosted service of the stock client, which has no counterpart here"
_ITS_PACKAGE = "it is about the stock client's own package"

ABSENT: dict[str, str] = {
    "api --account": _HOSTED,
    "block register": "classes of blocks in authors' code are not part of our package yet",
    "cloud": _HOSTED,
    "deploy --sla": _HOSTED,
    "deploy --trigger": "automations are made by `automation create`",
    "deploy --version-type": _HOSTED,
    "deploy init": "what follows `deploy` is an entrypoint here: it is `heliostat init`",
    "dev": _ITS_PACKAGE,
    "events stream --account": _HOSTED,
    "experimental plugins": "there are no plugins",
    "flow-run retry --entrypoint": "`flow-run resume` continues a run without a deployment by its own code",
    "flow-run retry -e": "see `--entrypoint`",
    "plugins": "there are no plugins",
    "sdk": "a typed module is not made from deployments yet",
    "server database revision": _ITS_PACKAGE,
    "server services manager": _ITS_PACKAGE,
    "server start --analytics-off": "nothing is reported to anybody, so there is nothing to switch off",
    "server start --analytics-on": "nothing is reported to anybody",
    "server start --keep-alive-timeout": "idle connections are kept as long as stock clients reuse them",
    "server start --ui": "the pages cost nothing while nobody opens them",
    "shell serve --run-once": "`shell watch` runs a command once",
    "task": "background tasks are served by the stock client only",
    "version --omit-integrations": "`version` lists no integrations",
    "work-pool create --provision-infra": _HOSTED,
    "work-pool create --provision-infrastructure": _HOSTED,
    "work-pool create --set-as-default": "there is always a pool named `default`, which is the default one",
    "work-pool provision-infra": _HOSTED,
    "work-pool provision-infrastructure": _HOSTED,
    "work-pool storage configure": "it names modules of the stock client's integrations",
    "worker start --install-policy": "all kinds of workers come with the package, so none is installed",
}
"""Reasons by noun, by verb or by flag; that of a noun holds for all its verbs."""
