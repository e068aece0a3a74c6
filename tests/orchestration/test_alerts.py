"""Alerts: each channel is told once of each change, whatever happens in between."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from activations.destinations import Account, load_destinations
from activations.errors import ConfigError
from activations.manifest import load_catalog
from activations.retries import Retry
from orchestration.alerts.channels import Channel, load_channels
from orchestration.alerts.watch import Alert, rehearse, tell_changes
from orchestration.sync_health import Health, State
from tests.activations.mail_server import PASSWORD, run_mail
from tests.activations.scripted import Destination, Give, run_destination

ROOT = Path(__file__).parents[2]
CATALOG = load_catalog()
ONCE = Retry(attempts=1, first_wait=0.01, longest_wait=0.01, seconds=1)
CHANNEL = """
channels:
  on_call: {account: pager, action: row}
"""


@dataclass
class Watch:
    """A channel, a clock, and syncs whose state a test sets."""

    data_dir: Path
    channels: list[Channel]
    now: datetime = datetime(2026, 11, 22, 12, tzinfo=UTC)
    syncs: dict[str, Health] = field(default_factory=dict)

    def becomes(self, state: State, *, sync: str = "crm__vips", why: str = "") -> None:
        self.syncs[sync] = Health(sync, state, why or None, why or None)

    def look(self, *, minutes: float = 1) -> list[Alert]:
        self.now += timedelta(minutes=minutes)
        return tell_changes(
            self.syncs,
            self.channels,
            data_dir=self.data_dir,
            now=lambda: self.now,
            retry=ONCE,
        )

    def facts(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for file in (self.data_dir / "raw" / "alerts").rglob("*.parquet"):
            rows += pq.ParquetFile(file).read().to_pylist()
        return sorted(rows, key=lambda row: (row["at"], row["outcome"] != "sending"))


@pytest.fixture
def pager() -> Iterator[Destination]:
    with run_destination() as running:
        yield running


@pytest.fixture
def accounts(tmp_path: Path, pager: Destination) -> dict[str, Account]:
    webhook = {
        "manifest": "webhook",
        "private_network": True,
        "settings": {"url": pager.url},
    }
    files = {"manifest": "files", "settings": {"location": "out"}}
    return accounts_of(tmp_path, {"pager": webhook, "files": files}, environ={})


@pytest.fixture
def watch(tmp_path: Path, accounts: dict[str, Account]) -> Watch:
    return Watch(tmp_path / "data", channels(tmp_path, accounts, CHANNEL))


def accounts_of(
    tmp_path: Path, entries: dict[str, Any], *, environ: dict[str, str]
) -> dict[str, Account]:
    file = tmp_path / "destinations.yml"
    file.write_text(yaml.safe_dump(entries))
    return load_destinations(file, catalog=CATALOG, environ=environ)


def channels(tmp_path: Path, accounts: dict[str, Account], text: str) -> list[Channel]:
    file = tmp_path / "alerts.yml"
    file.write_text(text)
    return load_channels(file, accounts)


def titles(pager: Destination) -> list[str]:
    return [got.json["record"]["title"] for got in pager.requests]


def test_a_change_is_told_once_and_so_is_the_recovery(
    watch: Watch, pager: Destination
) -> None:
    watch.becomes("healthy")
    assert watch.look() == []
    for state in ("warning", "critical", "healthy"):
        watch.becomes(state, why="" if state == "healthy" else f"It is {state}.")
        (alert,) = watch.look()
        assert (alert.state, alert.outcome) == (state, "sent")
        assert watch.look() == watch.look(minutes=600) == []
    assert titles(pager) == [
        "crm__vips is warning",
        "crm__vips is critical",
        "crm__vips is healthy again",
    ]
    assert pager.requests[1].json["record"] == {
        "alert_id": watch.facts()[2]["alert_id"],
        "title": "crm__vips is critical",
        "text": "crm__vips is critical: It is critical.",
        "sync": "crm__vips",
        "state": "critical",
        "previous_state": "warning",
        "reason": "It is critical.",
        "at": "2026-11-22T22:04:00+00:00",
    }


def test_each_alert_has_a_fact_before_it_goes_out_and_one_of_its_fate(
    watch: Watch, pager: Destination
) -> None:
    seen: list[list[str]] = []

    def look(_: object) -> Give:
        seen.append([fact["outcome"] for fact in watch.facts()])
        return Give()

    pager.answer = look
    watch.becomes("critical", why="crm does not accept the key.")
    watch.look()
    assert seen == [["sending"]]
    first, last = watch.facts()
    assert last["outcome"] == "sent"
    assert first["alert_id"] == last["alert_id"]
    assert first["reason"] == "crm does not accept the key."
    assert (first["previous_state"], first["state"]) == ("healthy", "critical")


def test_an_alert_whose_process_was_killed_is_not_sent_again(
    tmp_path: Path, watch: Watch, pager: Destination
) -> None:
    never = threading.Event()
    pager.answer = lambda got: Give(until=never)
    program = [sys.executable, "-m", "tests.orchestration.alert_runner", str(tmp_path)]
    with subprocess.Popen(program, cwd=ROOT) as process:
        deadline = time.monotonic() + 30
        while not pager.requests and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
    never.set()
    assert [fact["outcome"] for fact in watch.facts()] == ["sending"]
    # It may have arrived; what comes next is told as ever.
    watch.becomes("critical")
    assert watch.look() == []
    assert titles(pager) == ["crm__vips is critical"]
    pager.answer = lambda got: Give()
    watch.becomes("healthy")
    watch.look()
    assert titles(pager)[1:] == ["crm__vips is healthy again"]


def test_a_channel_that_is_away_is_tried_again_at_growing_distances(
    watch: Watch, pager: Destination
) -> None:
    pager.answer = lambda got: Give(503, {"error": "no"})
    watch.becomes("critical")
    tries = [bool(watch.look(minutes=1.01)) for _ in range(16)]
    # After 1, 2, 4 and 8 minutes.
    assert [minute for minute, tried in enumerate(tries) if tried] == [0, 1, 3, 7, 15]
    assert {got.headers["idempotency-key"] for got in pager.requests} == {
        pager.requests[0].headers["idempotency-key"]
    }
    pager.answer = lambda got: Give()
    (alert,) = watch.look(minutes=17)
    assert (alert.state, alert.outcome) == ("critical", "sent")
    assert watch.look() == []


def test_what_was_never_told_needs_no_recovery(
    watch: Watch, pager: Destination
) -> None:
    pager.answer = lambda got: Give(503)
    watch.becomes("warning")
    (alert,) = watch.look()
    assert alert.outcome == "failed"
    assert alert.message is not None
    assert "503" in alert.message
    watch.becomes("healthy")
    assert watch.look(minutes=60) == []


def test_a_channel_hears_of_its_own_syncs_and_states(
    tmp_path: Path, accounts: dict[str, Account], pager: Destination
) -> None:
    text = (
        "channels:\n"
        "  loud: {account: pager, action: row, states: [critical], syncs: ['crm__*'],"
        " record: {text: 'Mind {{ sync }}!', title: '{{ title }}'}}\n"
    )
    watch = Watch(tmp_path / "data", channels(tmp_path, accounts, text))
    watch.becomes("critical", sync="files__list")
    watch.becomes("warning")
    assert watch.look() == []
    watch.becomes("critical")
    watch.look()
    watch.becomes("warning", why="A guard holds rows back.")
    watch.look()
    assert [got.json["record"]["text"] for got in pager.requests] == [
        "Mind crm__vips!",
        "Mind crm__vips!",
    ]
    assert titles(pager)[1] == "crm__vips is no longer critical"


def test_a_channel_can_be_tried(watch: Watch, pager: Destination) -> None:
    rehearse(watch.channels[0], data_dir=watch.data_dir, retry=ONCE)
    assert titles(pager) == ["Test of an alert channel"]
    assert watch.facts() == []


def test_a_channel_that_does_not_answer_keeps_no_look_waiting_for_each_sync(
    watch: Watch, pager: Destination
) -> None:
    pager.answer = lambda got: Give(503)
    for number in range(5):
        watch.becomes("critical", sync=f"sync_{number}")
    assert len(watch.look()) == 1
    pager.answer = lambda got: Give()
    assert len(watch.look(minutes=2)) == 5


def test_an_alert_is_a_message_in_slack(tmp_path: Path, pager: Destination) -> None:
    accounts = accounts_of(
        tmp_path,
        {
            "ops_slack": {
                "manifest": "slack",
                "private_network": True,
                "settings": {"webhook_url": "{{ env_var('SLACK') }}"},
            }
        },
        environ={"SLACK": f"{pager.url}/services/T0/B0/secret"},
    )
    text = "channels: {ops: {account: ops_slack, action: webhook_message}}"
    watch = Watch(tmp_path / "data", channels(tmp_path, accounts, text))
    watch.becomes("warning", why="40 rows would be deleted & more.")
    watch.look()
    (got,) = pager.requests
    assert got.path == "/services/T0/B0/secret"
    assert got.json == {
        "text": "crm__vips is warning: 40 rows would be deleted &amp; more."
    }
    pager.answer = lambda got: Give(403, b"invalid_token")
    watch.becomes("critical")
    (alert,) = watch.look()
    assert alert.outcome == "failed"
    assert "secret" not in str(watch.facts())


def test_an_alert_is_a_mail(tmp_path: Path) -> None:
    with run_mail(tmp_path / "tls") as server:
        settings = server.settings(tmp_path) | {"password": "{{ env_var('MAIL') }}"}
        account = {"manifest": "smtp", "private_network": True, "settings": settings}
        accounts = accounts_of(tmp_path, {"mail": account}, environ={"MAIL": PASSWORD})
        text = """
channels:
  team:
    account: mail
    action: message
    record: {to: ops@shop.example, subject: "{{ title }}", text: "{{ text }}"}
"""
        watch = Watch(tmp_path / "data", channels(tmp_path, accounts, text))
        watch.becomes("critical", why="crm does not accept the key.")
        (alert,) = watch.look()
        assert alert.outcome == "sent"
        assert watch.look() == []
    (mail,) = server.mails
    assert (mail["To"], mail["Subject"]) == (
        "ops@shop.example",
        "crm__vips is critical",
    )
    assert "does not accept the key" in mail.get_content()


def test_an_alert_can_go_to_a_connector(
    tmp_path: Path, accounts: dict[str, Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "channels: {list: {account: files, action: file}}"
    watch = Watch(tmp_path / "data", channels(tmp_path, accounts, text))
    watch.becomes("critical")
    (alert,) = watch.look()
    assert alert.outcome == "sent"
    assert "crm__vips is critical" in (tmp_path / "out" / "alerts.csv").read_text()


def test_mistakes_in_the_file_are_told_all_at_once(
    tmp_path: Path, accounts: dict[str, Account]
) -> None:
    text = """
channels:
  a: {account: nobody, action: row}
  b: {account: pager, action: call}
  c: {account: pager, action: row, record: {text: "{{ colour }}"}}
  d: {account: pager, action: row, options: {list: x}}
"""
    with pytest.raises(ConfigError) as caught:
        channels(tmp_path, accounts, text)
    assert len(caught.value.problems) == 4
    told = str(caught.value)
    assert "alerts.yml:3: channels.a.account: no account 'nobody'" in told
    assert "'webhook' has no 'call'. Actions: rows, row." in told
    assert "colour" in told
    assert "alerts.yml:6: channels.d.options.list: no such option." in told
    with pytest.raises(ConfigError, match=r"channels\.a\.acount: there is no such key"):
        channels(tmp_path, accounts, "channels: {a: {acount: pager, action: row}}")
