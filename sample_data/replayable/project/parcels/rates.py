"""Prices in euro: the limit of each band in kilograms, then the price in zone 1, 2 and 3."""

BANDS = (
    (2.0, (5.40, 8.10, 14.90)),
    (5.0, (7.90, 11.60, 21.50)),
    (10.0, (10.50, 16.20, 31.00)),
    (20.0, (16.80, 24.70, 52.40)),
)
EXPRESS = 4.50
