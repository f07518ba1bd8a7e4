"""A storm's week in small: respect spares people nearly everything, and loses no warning."""

from pathlib import Path

from benchmarks.storm_week import Week, write_readings

HOMES = 6
"""Of five at once a storm is made."""


def test_a_week_of_storms_leaves_each_customer_with_little_to_read(tmp_path: Path) -> None:
    readings = tmp_path / "week.csv"
    write_readings(readings, HOMES)
    week = Week(tmp_path, HOMES, respect=True)
    tally = week.live(readings)
    week.database.close()
    assert (tally.at_night, tally.repeated, tally.unfounded, tally.unwanted) == (0, 0, 0, 0)
    assert 0 < sum(tally.per_customer) <= 2 * HOMES
