"""The demo with its raw datasets on object storage."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kith import Kith
from tests.object_storage import ObjectServer

pytestmark = pytest.mark.slow


def test_the_demo_needs_no_raw_datasets_on_disk(tmp_path: Path) -> None:
    server = ObjectServer()
    kith = Kith(tmp_path / "data", server.environ)
    try:
        story = kith.json("demo")
        events = story["events"]
        fates = (events["stored"], events["duplicate"], *events["quarantined"].values())
        assert (events["sent"], events["duplicate"]) == (sum(fates), 75)
        for delivery in story["deliveries"].values():
            assert delivery["succeeded"] > 50
        plan = kith.json("plan", "crm__vip_customers")
        assert [plan[name] for name in ("insert", "update", "delete")] == [0, 0, 0]
        assert plan["destination_rows"] > 50
        assert not (kith.data_dir / "raw").exists()
        server.stop()
        built = kith.run("build")
        assert built.returncode != 0
        assert "it cannot be reached" in built.stderr
        assert "Traceback" not in built.stderr
    finally:
        server.stop()
