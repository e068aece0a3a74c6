// Opens a shop's page in Chromium and lets a browser SDK send from it. The page is of
// another origin than the collector, as in life. Takes the SDK, the collector's address,
// the write key and what to send; ends when its standard input is closed. In an outage the
// second half is sent once a line comes in.

const { once } = require("node:events");
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const { chromium } = require("playwright-core");

const [sdk, collector, writeKey, scenario, profile] = process.argv.slice(2);

const scripts = {
  segment: "@segment/analytics-next/dist/umd/index.js",
  rudderstack: "@rudderstack/analytics-js/dist/npm/modern/bundled/umd/index.js",
};

// What a page of a customer holds: load the SDK, name the collector. RudderStack's keeps
// what waits in local storage, written anew for each event: a burst needs its batches.
const loaders = {
  segment: (key, url, doing) => `
    const delivery = ${doing === "unload"}
      ? { deliveryStrategy: { strategy: "batching", config: { size: 100, timeout: 60000 } } }
      : {};
    window.analytics = window.AnalyticsNext.AnalyticsBrowser.load(
      { writeKey: "${key}", cdnURL: "${url}" },
      { integrations: { "Segment.io": delivery } },
    );`,
  rudderstack: (key, url, doing) => `
    window.analytics = new window.rudderanalytics.RudderAnalytics();
    window.analytics.load("${key}", "${url}", {
      configUrl: "${url}",
      useBeacon: ${doing === "unload"},
      queueOptions: {
        maxItems: 1000,
        minRetryDelay: 200,
        maxRetryDelay: 1000,
        batch: { enabled: ${doing === "burst"}, maxItems: 100, flushInterval: 1000 },
      },
    });`,
};

// What the page does; runs in the browser.
const actions = {
  calls: async () => {
    window.analytics.identify("u", { email: "a@b.example" });
    window.analytics.track("E", { n: 1 });
    window.analytics.page("Home");
    window.analytics.group("g", { plan: "x" });
    window.analytics.alias("u2", "u");
  },
  burst: async () => {
    for (let n = 0; n < 1000; n += 1) window.analytics.track("E", { n });
  },
  outage: async (start) => {
    for (let n = start; n < start + 50; n += 1) {
      window.analytics.track("E", { n });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  },
  unload: async () => {
    await new Promise((resolve) => window.analytics.ready(resolve));
    const sent = [];
    for (let n = 0; n < 20; n += 1) sent.push(window.analytics.track("E", { n }));
    await Promise.all(sent);
  },
};

const page = () => `<!doctype html><title>Shop</title>
<script src="/sdk.js"></script>
<script>${loaders[sdk](writeKey, collector, scenario)}</script>`;

const shop = () =>
  new Promise((resolve) => {
    const server = http.createServer((request, response) => {
      if (request.url === "/sdk.js") {
        response.setHeader("content-type", "text/javascript");
        response.end(fs.readFileSync(path.join(process.env.NODE_PATH, scripts[sdk])));
      } else {
        response.setHeader("content-type", "text/html");
        response.end(request.url === "/" ? page() : "<!doctype html>bye");
      }
    });
    server.listen(0, "127.0.0.1", () => resolve(server));
  });

const main = async () => {
  const server = await shop();
  const address = `http://127.0.0.1:${server.address().port}`;
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.KITH_TEST_CHROMIUM,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  const tab = await context.newPage();
  tab.on("console", (message) => {
    if (process.env.KITH_TEST_VERBOSE) console.error(message.text());
  });
  await tab.goto(`${address}/`);
  await tab.evaluate(actions[scenario], 0);
  if (scenario === "outage") {
    await once(process.stdin, "data");
    await tab.evaluate(actions.outage, 50);
  }
  if (scenario === "unload") await tab.goto(`${address}/elsewhere`);
  process.stdin.resume();
  await once(process.stdin, "end");
  await context.close();
  server.close();
};

main();
