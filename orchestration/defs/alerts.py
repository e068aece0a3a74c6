"""A sensor that tells people when a sync changes its state, and a look at them all."""

# No `from __future__ import annotations`: Dagster reads the types of what it calls.
from datetime import UTC, datetime

import dagster as dg

from activations.destinations import load_destinations
from activations.manifest import Catalog
from activations.sync import Sync
from orchestration.alerts.channels import load_channels
from orchestration.alerts.watch import tell_changes
from orchestration.defs.syncs import declared_syncs
from orchestration.project import alerts_file, data_dir, destinations_file
from orchestration.sync_health import read_health

LOOK_SECONDS = 60


@dg.definitions
def defs() -> dg.Definitions:
    """The sensor, off until somebody switches it on."""
    return dg.Definitions(sensors=[alerts_of(declared_syncs())])


def alerts_of(syncs: list[Sync]) -> dg.SensorDefinition:
    """The sensor that watches these syncs."""
    catalog = Catalog()

    @dg.sensor(
        name="sync_alerts",
        minimum_interval_seconds=LOOK_SECONDS,
        description=(
            "Tells the channels of alerts.yml once when a sync changes its state, "
            "and once when it is well again."
        ),
    )
    def sync_alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        accounts = load_destinations(destinations_file(), catalog=catalog)
        channels = load_channels(alerts_file(), accounts)
        if not channels:
            return dg.SkipReason("alerts.yml names no channel.")
        health = read_health(syncs, data_dir=data_dir(), now=datetime.now(UTC))
        alerts = tell_changes(health, channels, data_dir=data_dir())
        for alert in alerts:
            line = f"{alert.sync} is {alert.state}, {alert.channel}: {alert.outcome}"
            if alert.message is None:
                context.log.info(line)
            else:
                context.log.error(f"{line}: {alert.message}")
        return dg.SkipReason(f"{len(alerts)} alerts")

    return sync_alerts
