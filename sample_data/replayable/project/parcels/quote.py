from parcels.rates import BANDS, EXPRESS


class TooHeavy(ValueError):
    """No band takes this weight."""


def quote(weight, zone, express=False):
    """The price of a parcel of ``weight`` kilograms into ``zone`` (1, 2 or 3), in euro."""
    for limit, prices in BANDS:
        if weight < limit:
            price = prices[zone - 1]
            return round(price + EXPRESS, 2) if express else price
    raise TooHeavy(f"{weight} kg")
