"""Is it cheap enough for who asked?"""

from __future__ import annotations

import math

from deployer.aws.prices import Price
from deployer.facts import Facts, Unknown
from deployer.preflight.findings import Finding, Level, allow
from deployer.preflight.machine import wanted_zone


def check_price(facts: Facts, name: str) -> list[Finding]:
    """Does one instance cost at most `max_price`, where one is set? Says nothing where it does."""
    limit, is_spot = facts.config.max_price, facts.config.spot
    if not limit:
        return []
    spot = _cheapest_spot(facts, name)
    on_demand = facts.prices.get(name)
    price = spot if is_spot else on_demand
    way = "as spot" if is_spot else "on demand"
    if price is None:
        cause = facts.spot_prices if is_spot else facts.price_list
        reason, permission = (cause.reason, cause.permission) if isinstance(cause, Unknown) else ("", "")
        because = f": {reason}" if reason else "."
        message = f"What {name} costs {way} is unknown, so max_price = {limit:g} was not applied to it{because}"
        return [Finding("price", Level.WARNING, message, allow(permission, reason), name)]
    if price.usd_per_hour <= limit:
        return []
    # Up to a whole cent: what is typed must not fall below the price again.
    enough = math.ceil(price.usd_per_hour * 100) / 100
    hint = f"Raise max_price to {enough:.2f} (--max-price {enough:.2f}) or more"
    if not is_spot and spot and spot.usd_per_hour <= limit:
        hint += f", or pass --spot: ${spot.usd_per_hour:.3f} now"
    message = f"{name} costs ${price.usd_per_hour:.3f} per hour {way} at least, more than max_price = {limit:g}."
    return [Finding("price", Level.ERROR, message, f"{hint}.", name)]


def _cheapest_spot(facts: Facts, name: str) -> Price | None:
    """Return the lowest spot price of the zones that may be used."""
    if isinstance(facts.spot_prices, Unknown):
        return None
    wanted = wanted_zone(facts)
    prices = [price for (of, zone), price in facts.spot_prices.items() if of == name and wanted in {"", zone}]
    return min(prices, key=lambda item: item.usd_per_hour, default=None)
