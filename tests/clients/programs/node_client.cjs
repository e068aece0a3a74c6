// Sends events with a Node client, as an application would. Takes the package, the
// collector's address, the write key and what to send; ends when all is sent. In an outage
// the second half is sent once a line comes in.

const { once } = require("node:events");

const [name, url, writeKey, scenario] = process.argv.slice(2);

const clients = {
  segment: () => {
    const { Analytics } = require("@segment/analytics-node");
    const client = new Analytics({ writeKey, host: url, maxRetries: 20 });
    client.on("error", (error) => console.error(error));
    return { client, finish: () => client.closeAndFlush({ timeout: 60_000 }) };
  },
  rudderstack: () => {
    const RudderAnalytics = require("@rudderstack/rudder-sdk-node");
    // Its own three retries are over after 1.4 seconds.
    const client = new RudderAnalytics(writeKey, { dataPlaneUrl: url, retryCount: 20 });
    return { client, finish: () => client.flush() };
  },
};

const pause = (milliseconds) =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

const scenarios = {
  calls: async (client) => {
    client.identify({ userId: "u", traits: { email: "a@b.example" } });
    client.track({ userId: "u", event: "E", properties: { n: 1 } });
    client.page({ userId: "u", name: "Home", properties: { path: "/" } });
    client.screen({ userId: "u", name: "Home" });
    client.group({ userId: "u", groupId: "g", traits: { plan: "x" } });
    client.alias({ userId: "u", previousId: "before" });
  },
  burst: async (client) => {
    for (let n = 0; n < 1_000; n += 1) {
      client.track({ userId: "u", event: "E", properties: { n } });
    }
  },
  outage: async (client) => {
    for (let n = 0; n < 100; n += 1) {
      if (n === 50) await once(process.stdin, "data");
      client.track({ userId: "u", event: "E", properties: { n } });
      await pause(20);
    }
    process.stdin.unref();
  },
};

const main = async () => {
  const { client, finish } = clients[name]();
  await scenarios[scenario](client);
  await finish();
};

main();
