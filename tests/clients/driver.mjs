// Drives stock pusher-js clients: commands come as lines of JSON on standard input, and what the clients
// see goes out as lines of JSON on standard output.  The tests are in Python; here is no judgement.

import { createInterface } from "node:readline";
import Pusher from "pusher-js";

const clients = new Map();

function tell(message) {
  process.stdout.write(JSON.stringify(message) + "\n");
}

function connect({ client, key, options }) {
  const pusher = new Pusher(key, options);
  clients.set(client, pusher);
  pusher.connection.bind("state_change", ({ current }) => {
    tell({ client, state: current, socket_id: pusher.connection.socket_id ?? null });
  });
  pusher.connection.bind("error", (error) => tell({ client, error: error?.data ?? String(error?.type) }));
}

function subscribe({ client, channel }) {
  const subscription = clients.get(client).subscribe(channel);
  subscription.bind_global((event, data) => tell({ client, channel, event, data: plain(data) }));
}

function bind({ client, channel, event }) {
  // Unlike a global binding, this one is told who sent a client event.
  const subscription = clients.get(client).channel(channel);
  subscription.bind(event, (data, metadata) => tell({ client, channel, bound: event, data, user_id: metadata?.user_id ?? null }));
}

function signin({ client }) {
  const pusher = clients.get(client);
  pusher.user.bind_global((event, data) => tell({ client, user_event: event, data }));
  pusher.connection.bind("message", ({ event, channel }) => {
    if (event === "pusher_internal:subscription_succeeded" && channel.startsWith("#")) tell({ client, user_channel: channel });
  });
  pusher.signin();
  pusher.user.signinDonePromise.then(() => tell({ client, signed_in: pusher.user.user_data?.id ?? null }));
}

function plain(data) {
  // Members of a presence channel are an object of pusher-js's own.
  return data && typeof data.each === "function" ? { members: data.members, me: data.me, count: data.count } : data;
}

const commands = {
  connect,
  subscribe,
  bind,
  unsubscribe: ({ client, channel }) => clients.get(client).unsubscribe(channel),
  trigger: ({ client, channel, event, data }) => clients.get(client).channel(channel).trigger(event, data),
  signin,
  disconnect: ({ client }) => clients.get(client).disconnect(),
};

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const command = JSON.parse(line);
  commands[command.do](command);
});
lines.on("close", () => process.exit(0));
tell({ ready: true });
