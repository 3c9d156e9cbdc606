"""Each day is read once. A day is over when it is over everywhere on Earth."""

from __future__ import annotations

import datetime as dt

import pytest

from tap_cube.readers import days

DAY = dt.timedelta(days=1)


def moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("now", "today", "over"),
    [
        ("2024-05-20T00:00:00+00:00", "2024-05-20", "2024-05-18"),
        ("2024-05-20T09:59:59+00:00", "2024-05-20", "2024-05-18"),
        ("2024-05-20T10:00:00+00:00", "2024-05-21", "2024-05-18"),
        ("2024-05-20T11:59:59+00:00", "2024-05-21", "2024-05-18"),
        ("2024-05-20T12:00:00+00:00", "2024-05-21", "2024-05-19"),
        ("2024-05-21T00:00:00+14:00", "2024-05-21", "2024-05-18"),
        ("2024-05-20T23:59:59+14:00", "2024-05-20", "2024-05-18"),
        ("2024-05-20T00:00:00-12:00", "2024-05-21", "2024-05-19"),
        ("2024-05-19T23:59:59-12:00", "2024-05-21", "2024-05-18"),
        ("2024-03-01T00:00:00+01:00", "2024-03-01", "2024-02-28"),
        ("2024-01-01T12:00:00+00:00", "2024-01-02", "2023-12-31"),
    ],
)
def test_a_day_begins_with_the_first_zone_and_is_over_with_the_last(
    now: str, today: str, over: str
) -> None:
    assert days.today(moment(now)) == dt.date.fromisoformat(today)
    assert days.last_day_over(moment(now)) == dt.date.fromisoformat(over)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 31, 100])
@pytest.mark.parametrize("back", [0, 1, 2, 3, 7, 8, 60])
@pytest.mark.parametrize("hour", [0, 10, 12, 23])
def test_windows_hold_each_day_once_and_never_both_open_and_over_ones(
    size: int, back: int, hour: int
) -> None:
    now = dt.datetime(2024, 3, 10, hour, tzinfo=dt.timezone.utc)
    first, last, over = days.today(now) - back * DAY, days.today(now), days.last_day_over(now)
    found = list(days.to_read(first, now, size))
    covered = [day.first for window in found for day in window.single_days()]
    assert covered == [first + n * DAY for n in range(back + 1)]
    assert all(window.last - window.first < size * DAY for window in found)
    assert all((window.first <= over) == (window.last <= over) for window in found)
    assert found[-1].last == last


def test_there_is_nothing_to_read_from_a_day_that_is_to_come() -> None:
    now = moment("2024-05-20T08:00:00+00:00")
    assert list(days.to_read(dt.date(2024, 5, 21), now, 7)) == []


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-01-31", dt.date(2024, 1, 31)),
        ("2024-01-31T23:59:59Z", dt.date(2024, 1, 31)),
        ("2024-01-31 23:59", dt.date(2024, 1, 31)),
        ("2024-02-29T00:00:00+14:00", dt.date(2024, 2, 29)),
        ("2023-02-29", None),
        ("20240131", None),
        ("2024-1-31", None),
        ("2024-01-31x", None),
        ("2024-01-311", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_only_dates_are_dates(text: str, day: dt.date | None) -> None:
    assert days.parse(text) == day


TODAY = dt.date(2024, 5, 20)


@pytest.mark.parametrize(
    ("bookmark", "lookback", "start", "first"),
    [
        (None, 1, "2024-01-01", "2024-01-01"),
        (None, 1, None, "2024-04-20"),
        ("2024-05-18", 0, None, "2024-05-19"),
        ("2024-05-18", 1, None, "2024-05-18"),
        ("2024-05-18T00:00:00Z", 3, None, "2024-05-16"),
        ("2024-05-18", 9, "2024-05-15", "2024-05-15"),
        ("2024-05-18", 3650, None, "2014-05-22"),
        ("2024-05-20", 0, None, "2024-05-20"),
        ("1900-01-02", 30, None, "1899-12-04"),
    ],
)
def test_a_run_starts_at_the_bookmark_less_the_days_to_look_back(
    bookmark: object, lookback: int, start: str | None, first: str
) -> None:
    earliest = start and dt.date.fromisoformat(start)
    found = days.first_day(bookmark, TODAY, lookback, earliest or None)
    assert found == days.FirstDay(dt.date.fromisoformat(first), "")


@pytest.mark.parametrize(
    "bookmark", ["yesterday", "20240518", 5, "2024-02-30", "0024-01-31", "", {}, [None]]
)
def test_a_bookmark_that_is_no_date_means_reading_from_the_start(bookmark: object) -> None:
    found = days.first_day(bookmark, TODAY, 1, dt.date(2024, 3, 1))
    assert found.day == dt.date(2024, 3, 1)
    assert found.warning == "the bookmark in STATE is no date: reading from `start_date`"


@pytest.mark.parametrize(
    ("bookmark", "lookback", "start", "first"),
    [
        ("2024-05-21", 1, None, "2024-05-19"),
        ("2999-01-01", 3, None, "2024-05-17"),
        ("9999-12-31", 0, None, "2024-05-20"),
        ("2999-01-01", 30, dt.date(2024, 5, 10), "2024-05-10"),
    ],
)
def test_a_bookmark_that_is_to_come_means_reading_from_today_less_the_days_to_look_back(
    bookmark: str, lookback: int, start: dt.date | None, first: str
) -> None:
    found = days.first_day(bookmark, TODAY, lookback, start)
    assert str(found.day) == first
    assert found.warning == f"the bookmark in STATE is later than today: reading from {first}"


def test_windows_end_with_the_last_date_there_is() -> None:
    found = list(days.windows(dt.date(9999, 12, 25), dt.date.max, 5))
    assert [window.last for window in found] == [dt.date(9999, 12, 29), dt.date.max]


def test_there_is_no_day_beyond_the_calendar() -> None:
    assert days.shifted(dt.date(1, 1, 2), -30) == dt.date.min
    assert days.shifted(dt.date(9999, 12, 30), 30) == dt.date.max
