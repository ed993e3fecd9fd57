"""Names of runs: generated ones, and names from templates."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Mapping, Sequence
from string import Formatter
from typing import Any

from ..foundation.errors import UserError

MAX_NAME_LENGTH = 500

_ADJECTIVES = """
able active agile airy amber ample apt ardent avid azure balmy blithe bold bonny brave bright brisk bubbly
calm candid careful cheery chipper civil clear clever cordial cosy courtly crisp curious daring dapper
dazzling deft devoted dreamy eager earnest easy elegant epic fair fancy fearless festive fleet fluent fond
frank free fresh friendly gallant generous gentle genuine gifted glad gleaming golden graceful grand happy
hardy hearty helpful honest hopeful humble ideal jaunty jolly jovial joyful keen kind lively loyal lucid
lucky lunar mellow merry mighty mindful modest neat nifty nimble noble patient peaceful playful plucky
polite proud quick quiet radiant rapid ready rosy rustic sage serene sincere smiling snappy snug solar spry
stellar sturdy sunny swift tidy tranquil trusty upbeat valiant vivid warm wise witty zesty
""".split()

_ANIMALS = """
alpaca ant antelope axolotl badger bat beagle bear beaver bee bison bluebird boar bobcat buffalo bunny
butterfly camel capybara caribou cat chamois cheetah chickadee chinchilla chipmunk cicada clam cod condor
coot coral cormorant coyote crab crane cricket crow cuckoo curlew deer dingo dolphin donkey dormouse dove
dragonfly duck eagle echidna egret elephant elk emu ermine falcon ferret finch firefly flamingo fox frog
gazelle gecko gibbon giraffe goat goose grouse gull hamster hare hawk hedgehog heron hippo horse hummingbird
ibex ibis iguana impala jackdaw jaguar jay kangaroo kestrel kingfisher kiwi koala ladybird lark lemming
lemur leopard lion lizard llama lobster lynx macaw magpie manatee marmot marten meerkat mole moose moth
mouse narwhal newt nightingale ocelot octopus okapi oriole osprey ostrich otter owl ox oyster panda panther
parrot partridge pelican penguin petrel pheasant pigeon plover pony porcupine porpoise puffin puma quail
quokka rabbit raccoon raven reindeer robin rook salmon seahorse seal shrew skylark snail sparrow squid
squirrel starling stoat stork swallow swan swift tapir tern thrush tiger toad tortoise toucan trout turtle
viper vole walrus weasel whale wolf wombat woodpecker wren yak zebra
""".split()


def generate_name() -> str:
    """A friendly name for a run without one, such as "brave-otter". Not unique."""
    return f"{random.choice(_ADJECTIVES)}-{random.choice(_ANIMALS)}"


def render_run_name(
    template: str | Callable[..., str],
    parameters: Mapping[str, Any],
    extra: Mapping[str, Any] | None = None,
) -> str:
    """The name of a run from its template and the parameters of its call.

    A text may hold fields like `{customer}`, `{order.id}` or `{date:%Y-%m-%d}`; `extra` holds further names
    (parameters win). A function is called without arguments, or with `parameters=` if it takes that. Names
    are cut at 500 characters. Raises UserError, which names the field or function at fault.
    """
    if callable(template):
        return _checked(_call(template, parameters), f"The run name function {_title(template)}")
    fields = {**(extra or {}), **parameters}
    try:
        name = _FieldFormatter().vformat(template, (), fields)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"The run name template {template!r} cannot be filled: {type(error).__name__}: {error}."
        ) from error
    return _checked(name, f"The run name template {template!r}")


class _FieldFormatter(Formatter):
    """Allows fields by name only, and no private attributes."""

    def get_value(self, key: int | str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if isinstance(key, int) or key not in kwargs:
            shown = "{}" if isinstance(key, int) or not key else f"{{{key}}}"
            raise UserError(
                f"The run name template has the field {shown}, which is not a parameter.",
                hint=f"Fields that exist: {', '.join(sorted(kwargs)) or 'none'}.",
            )
        return kwargs[key]

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if "._" in field_name:
            raise UserError(
                f"The run name template reads {{{field_name}}}: attributes that begin with an underscore are"
                " private.",
                hint="Name a public attribute, or use a function as the template.",
            )
        return super().get_field(field_name, args, kwargs)


def _call(template: Callable[..., str], parameters: Mapping[str, Any]) -> Any:
    try:
        takes_parameters = "parameters" in inspect.signature(template).parameters
    except (TypeError, ValueError):
        takes_parameters = False
    try:
        return template(parameters=dict(parameters)) if takes_parameters else template()
    except Exception as error:
        raise UserError(
            f"The run name function {_title(template)} raised {type(error).__name__}: {error}."
        ) from error


def _checked(name: Any, what: str) -> str:
    if not isinstance(name, str) or not name.strip():
        raise UserError(f"{what} must return a text that is not empty, not {name!r}.")
    return name if len(name) <= MAX_NAME_LENGTH else name[: MAX_NAME_LENGTH - 1] + "…"


def _title(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)
