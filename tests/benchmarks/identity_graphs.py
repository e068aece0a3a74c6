"""Graphs for `kith bench identity`: pairs of an account and a device seen together.

Every shape is bipartite, so that any of them can stand for accounts and their devices:
trees, stars and chains by the distance from where they begin.

    cdp     components of 2 to 1,000 identifiers, most of them small; half are stars
            and half are trees
    hub     the same, with one star of 1 %, trees of 5 and 3 %, and ten long chains
    power   accounts and devices of very different popularity; one giant component
    chains  chains only, each of a thousandth of all links
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

Numbers = npt.NDArray[np.int64]
Links = tuple[Numbers, Numbers]
"""The number of the account and the number of the device of each link."""

STARTED = "timestamptz '2026-01-01 00:00:00+00'"


def cdp(links: int, chance: np.random.Generator) -> Links:
    """Many small components, a few of up to a thousand identifiers."""
    sizes = np.minimum(2 * chance.random(links) ** -0.8, 1_000).astype(np.int64)
    sizes = sizes[: int(np.searchsorted(np.cumsum(sizes - 1), links)) + 1]
    return _stars_and_trees(sizes, chance.random(len(sizes)) < 0.5)


def hub(links: int, chance: np.random.Generator) -> Links:
    """`cdp` among a few identifiers that very many others were seen with."""
    giants = np.array([links // 100, links // 20, links // 33], dtype=np.int64)
    chains = np.full(10, max(2, links // 1_000), dtype=np.int64)
    rest = links - int(giants.sum() + chains.sum())
    return _together(
        cdp(rest, chance),
        _stars_and_trees(giants, np.array([True, False, False])),
        _chains(chains),
    )


def power(links: int, chance: np.random.Generator) -> Links:
    """Both ends drawn by popularity: the weight of rank n is n ^ -0.7."""
    count = links // 2
    weights = (np.arange(count) + 10.0) ** -0.7
    bounds = np.cumsum(weights) / weights.sum()
    ends = np.searchsorted(bounds, chance.random((2, links))).astype(np.int64)
    return ends[0], ends[1] + count


def chains(links: int, chance: np.random.Generator) -> Links:
    """A thousand chains."""
    return _chains(np.full(1_000, max(2, links // 1_000 + 1), dtype=np.int64))


SHAPES: dict[str, Callable[[int, np.random.Generator], Links]] = {
    "cdp": cdp,
    "hub": hub,
    "power": power,
    "chains": chains,
}


def more(links: Links, count: int, chance: np.random.Generator) -> Links:
    """`count` later links: half bring a known account a new device, a quarter join a
    known account and a known device, and a quarter are of two that are both new."""
    accounts, devices = links
    fresh = int(max(accounts.max(), devices.max())) + 1
    half, quarter = count // 2, count // 4
    some = chance.integers(len(accounts), size=count)
    others = chance.integers(len(devices), size=count)
    new_accounts = np.arange(fresh, fresh + count, dtype=np.int64)
    known = np.arange(count) < half + quarter
    return (
        np.where(known, accounts[some], new_accounts),
        np.where(
            (np.arange(count) >= half) & known, devices[others], new_accounts + count
        ),
    )


def write_pairs(warehouse: Path, links: Links, chance: np.random.Generator) -> int:
    """Append the links to the table `crm.pairs`, in any order, as texts and moments;
    the number of rows that it then has."""
    accounts, devices = links
    order = chance.permutation(len(accounts))
    columns = [pa.array(column[order]) for column in (accounts, devices)]
    drawn = pa.table(columns, names=["account", "device"])
    with duckdb.connect(warehouse) as connection:
        connection.execute("create schema if not exists crm")
        connection.execute(
            "create table if not exists crm.pairs (pair_id bigint, "
            "seen_at timestamptz, account varchar, device varchar)"
        )
        connection.register("drawn", drawn)
        connection.execute(
            f"""
            insert into crm.pairs
            with numbered as (
                select
                    (select count(*) from crm.pairs) + row_number() over () as pair_id,
                    account,
                    device
                from drawn
            )
            select
                pair_id,
                {STARTED} + to_microseconds(pair_id * 100),
                cast(cast(md5('account ' || account) as uuid) as varchar),
                cast(cast(md5('device ' || device) as uuid) as varchar)
            from numbered
            """  # noqa: S608 - a constant of this module
        )
        connection.unregister("drawn")
        return count(connection, "crm.pairs")


def count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """How many rows a table has."""
    found: Any = connection.execute(f"select count(*) from {table}").fetchone()  # noqa: S608 - our own names
    return int(found[0])


def _stars_and_trees(sizes: Numbers, is_star: npt.NDArray[np.bool_]) -> Links:
    """Components of these sizes. In a star all others hang on the first; in a tree
    each hangs on the one at half its place."""
    starts = np.cumsum(sizes) - sizes
    start = np.repeat(starts, sizes)
    star = np.repeat(is_star, sizes)
    place = np.arange(int(sizes.sum()), dtype=np.int64) - start
    upper = np.where(star, 0, (place - 1) // 2)
    depth = np.where(star, 1, np.log2(place + 1).astype(np.int64))
    return _by_side(
        *(column[place > 0] for column in (start + upper, start + place, depth))
    )


def _chains(lengths: Numbers) -> Links:
    starts = np.cumsum(lengths) - lengths
    start = np.repeat(starts, lengths)
    place = np.arange(int(lengths.sum()), dtype=np.int64) - start
    later = place > 0
    return _by_side((start + place - 1)[later], (start + place)[later], place[later])


def _by_side(upper: Numbers, lower: Numbers, depth: Numbers) -> Links:
    """Accounts stand at an even distance from the beginning, devices at an odd one."""
    is_odd = depth % 2 == 1
    return np.where(is_odd, upper, lower), np.where(is_odd, lower, upper)


def _together(*parts: Links) -> Links:
    accounts, devices, first = [], [], 0
    for part in parts:
        accounts.append(part[0] + first)
        devices.append(part[1] + first)
        first = int(max(accounts[-1].max(), devices[-1].max())) + 1
    return np.concatenate(accounts), np.concatenate(devices)
