"""Very many customers of the demo's shop, written straight as raw facts.

What the demo tells in a thousand calls, as often as somebody asks for: people who look
around, sign up, come back on other devices and order; a message in two hundred comes
twice, one in two hundred days late, one in a hundred breaks the tracking plan. Both
statements are in SQL beside this module, because the numbers are large. The same
arguments give the same events, to the letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from collector.datasets import EVENTS
from collector.landing import ensure_datasets, write_file
from orchestration.demo.shop import DAYS, FIRST_NAMES, LAST_NAMES

_DRAWN = Path(__file__).with_name("crowd.sql")
_TOLD = Path(__file__).with_name("crowd_events.sql")
_EVENTS_PER_PERSON = 8
"""Fewer than there are, so that enough people are drawn."""
_RETURNING = 0.7
"""Of the events of a later day, by people who were there before."""
_EVENTS_PER_VISIT = 4.75


@dataclass(frozen=True)
class Crowd:
    """Who was there: `people` of them, from whom `arrivals` landed by `until`."""

    people: int
    arrivals: int
    until: date


def write_history(raw_dir: Path, *, events: int, until: date) -> Crowd:
    """So many events of the sixty days before `until`, one segment a day.

    What is sent twice arrives beside them.
    """
    return _write(
        raw_dir, events=events, since=until - timedelta(days=DAYS), until=until
    )


def write_next_day(raw_dir: Path, former: Crowd, *, events: int) -> Crowd:
    """So many events of the day after; two in three by people who were there before."""
    until = former.until + timedelta(days=1)
    return _write(
        raw_dir, events=events, since=former.until, until=until, former=former
    )


def _write(
    raw_dir: Path,
    *,
    events: int,
    since: date,
    until: date,
    former: Crowd | None = None,
) -> Crowd:
    ensure_datasets(raw_dir)
    first, returning = 0, 0
    if former:
        first = former.people
        returning = int(events * _RETURNING / _EVENTS_PER_VISIT)
    with _shop() as connection:
        connection.execute(
            _DRAWN.read_text(),
            {
                "first": first,
                "last": first + events // _EVENTS_PER_PERSON + 1,
                "returning": returning,
                "events": events,
                "opened": _midnight(since),
                "closed": _midnight(until),
            },
        )
        people, arrivals = connection.execute(
            "select max(person) + 1, count(*) from moments"
        ).fetchall()[0]
        for number in range((until - since).days):
            _write_day(connection, raw_dir, since + timedelta(days=number))
    return Crowd(max(first, people), arrivals, until)


def _write_day(connection: duckdb.DuckDBPyConnection, raw_dir: Path, day: date) -> None:
    segment = f"crowd-{day:%Y%m%d}"
    told = connection.sql(
        _TOLD.read_text(),
        params={
            "from": _midnight(day),
            "until": _midnight(day + timedelta(days=1)),
            "segment": segment,
        },
    ).to_arrow_table()
    write_file(raw_dir, EVENTS, told, partition={"dt": f"{day:%F}"}, name=segment)


def _shop() -> duckdb.DuckDBPyConnection:
    """An empty database that knows what both statements call."""
    connection = duckdb.connect()
    connection.execute(
        f"""
        set TimeZone = 'UTC';
        create macro dice_of(kind, number) as
            cast(md5_number_lower(kind || ' ' || number) >> 1 as bigint);
        create macro pick(dice, place) as
            dice // [1, 1000, 1000000, 1000000000, 1000000000000, 1000000000000000]
                [place + 1] % 1000;
        create macro amount(halves) as
            halves // 2 || case when halves % 2 = 1 then '.5' else '' end;
        create macro first_name(person) as
            {[*FIRST_NAMES]}[person % {len(FIRST_NAMES)} + 1];
        create macro last_name(person) as
            {[*LAST_NAMES]}[person // {len(FIRST_NAMES)} % {len(LAST_NAMES)} + 1];
        """
    )
    return connection


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
