"""`distance`: how far a device is from where it belongs, over the surface of the earth."""

import numpy as np

from rules.samples import Floats

RADIUS_M = 6_371_008.8
"""Mean radius of the earth (IUGG), in metres."""


def haversine(lat: Floats, lon: Floats, to_lat: Floats, to_lon: Floats) -> Floats:
    """Metres along the great circle between points in degrees; NaN where a coordinate is none, or is not on the globe.

    2 R asin(sqrt(sin²(Δφ / 2) + cos φ1 cos φ2 sin²(Δλ / 2))) (Sinnott 1984): exact for short distances, too.
    """
    with np.errstate(invalid="ignore"):
        wrong = (np.abs(lat) > 90) | (np.abs(to_lat) > 90) | (np.abs(lon) > 180) | (np.abs(to_lon) > 180)
        here, there = np.radians(lat), np.radians(to_lat)
        apart = np.radians(to_lon - lon)
        half = np.sin((there - here) / 2) ** 2 + np.cos(here) * np.cos(there) * np.sin(apart / 2) ** 2
        metres = 2 * RADIUS_M * np.arcsin(np.sqrt(np.minimum(half, 1.0)))
    found: Floats = np.where(wrong, np.nan, metres)
    return found
