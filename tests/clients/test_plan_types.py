"""Typed tracking functions for TypeScript: tsc holds programs to them.

The client is Segment's own for browsers, with its own types.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from orchestration.plans.typescript_types import typescript_types
from tests.orchestration.typed_plan import PLAN

pytestmark = pytest.mark.clients

GOOD = """\
import { AnalyticsBrowser } from "@segment/analytics-next";
import * as tracking from "./tracking";

const analytics = AnalyticsBrowser.load({ writeKey: "key" });
tracking.paid(analytics, {
  order_id: "o-1",
  total: 9.5,
  method: "it's cash",
  at: new Date(),
  "First Name": null,
  class: true,
  lines: [{ sku: "a", sizes: [1, null] }],
  address: { "it's": 1 },
  free: { x: 1 },
});
tracking.left(analytics);
tracking.leftV2(analytics, { why: "rain" }, { context: { locale: "de" } });
tracking.import_(analytics);
tracking.identified(analytics, "u", { email: "ada@example.com" });
tracking.groupJoined(analytics, "g", { seats: 3 });
tracking.pageViewed(analytics, { name: "Home" }, { path: "/" });
tracking.screenViewed(analytics, { name: "Home" });
"""
BAD = """\
import { AnalyticsBrowser } from "@segment/analytics-next";
import * as tracking from "./tracking";
const analytics = AnalyticsBrowser.load({ writeKey: "key" });
tracking.payed(analytics, {});
tracking.paid(analytics, { order_id: "1" });
tracking.paid(analytics, { order_id: 1, total: 1 });
tracking.paid(analytics, { order_id: "1", total: 1, totl: 1 });
tracking.paid(analytics, { order_id: "1", total: 1, method: "fax" });
tracking.paid(analytics, { order_id: "1", total: 1, lines: [{}] });
tracking.leftV2(analytics);
tracking.groupJoined(analytics, { seats: 3 });
"""


def test_tsc_holds_programs_to_the_plan(
    tmp_path: Path, node_environ: dict[str, str]
) -> None:
    modules = Path(node_environ["NODE_PATH"])
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "tracking.ts").write_text(typescript_types(PLAN), encoding="utf-8")
    (tmp_path / "good.ts").write_text(GOOD, encoding="utf-8")
    (tmp_path / "bad.ts").write_text(BAD, encoding="utf-8")
    options = ["--noEmit", "--strict", "--skipLibCheck", "--pretty", "false"]
    kinds = ["--target", "es2020", "--module", "esnext"]
    resolution = ["--moduleResolution", "bundler"]
    result = subprocess.run(
        [modules / ".bin" / "tsc", *options, *kinds, *resolution, "good.ts", "bad.ts"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    wrong = re.findall(r"^([\w.]+)\((\d+),\d+\): error", result.stdout, re.MULTILINE)
    bad_lines = range(4, len(BAD.splitlines()) + 1)
    assert {(file, int(line)) for file, line in wrong} == {
        ("bad.ts", line) for line in bad_lines
    }, result.stdout
