"""A sub-flow whose tasks are retried when they fail and cached when they succeed.

Run it twice with `python examples/retries_and_caching.py`: the second time the prices come from the cache,
and `heliostat task-run ls --flow-run @last` shows them as Cached.
"""

from datetime import timedelta

from heliostat import INPUTS, current_task_run, flow, get_run_logger, task

PRICES = {"apple": 0.4, "bread": 2.6, "cheese": 5.2, "dates": 3.1}


@task(
    retries=3,
    retry_delay_seconds=[0.1, 0.5, 2],
    cache_policy=INPUTS,
    cache_expiration=timedelta(hours=1),
)
def price_of(product: str) -> float:
    """Ask a shop that never answers at the first attempt."""
    if current_task_run().attempt == 1:
        raise ConnectionError(f"the shop is busy and does not tell the price of {product}")
    return PRICES[product]


@flow
def prices(products: list[str]) -> dict[str, float]:
    """A flow; called inside another flow it is a sub-flow with a run of its own."""
    found = price_of.map(products)
    return dict(zip(products, found.result(), strict=True))


@flow
def shopping(basket: dict[str, int] | None = None) -> float:
    basket = basket or {"apple": 6, "bread": 1, "cheese": 2}
    known = prices(sorted(basket))
    get_run_logger().info("prices: %s", known)
    return round(sum(known[product] * count for product, count in basket.items()), 2)


if __name__ == "__main__":
    print(f"the basket costs {shopping():.2f}")
