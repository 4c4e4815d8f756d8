// Pages with pusher-js.

import Pusher from "pusher-js";
import { signedBy } from "./backend.mjs";
import { plain, tell } from "./wire.mjs";

const clients = new Map();
const tokens = new Map();

// Keep a client, whoever made it, and tell what its connection goes through.
export function keep(client, pusher) {
  clients.set(client, pusher);
  pusher.connection.bind("state_change", ({ current }) => {
    tell({ client, state: current, socket_id: pusher.connection.socket_id ?? null });
  });
  pusher.connection.bind("error", (error) => {
    // What a Close frame says is wrapped once more than what `pusher:error` does.
    tell({ client, error: error?.data ?? error?.error?.data ?? String(error?.type) });
  });
}

// Options for a page that has a channel token, and asks nobody.
function showing(client, member) {
  const authorise = ({ channelName }, callback) => {
    // pusher-js itself wants to know who it is in a presence channel; Fanfare reads the token.
    const data = channelName.startsWith("presence-") && { channel_data: JSON.stringify(member) };
    callback(null, { auth: tokens.get(client), ...data });
  };
  const authenticate = (_, callback) => callback(null, { auth: tokens.get(client) });
  return { channelAuthorization: { customHandler: authorise }, userAuthentication: { customHandler: authenticate } };
}

function connect({ client, key, options, backend, member, token }) {
  tokens.set(client, token);
  const more = token ? showing(client, member) : backend && signedBy(backend, member);
  keep(client, new Pusher(key, { ...options, ...more }));
}

function subscribe({ client, channel }) {
  const subscription = clients.get(client).subscribe(channel);
  subscription.bind_global((event, data) => tell({ client, channel, event, data: plain(data) }));
}

// Subscribe where the gateway has refused: pusher-js itself takes that for pending still, and asks no more.
function again({ client, channel }) {
  clients.get(client).channel(channel).disconnect();
  clients.get(client).subscribe(channel);
}

function bind({ client, channel, event }) {
  // Unlike a global binding, this one is told who sent a client event.
  const subscription = clients.get(client).channel(channel);
  subscription.bind(event, (data, metadata) => tell({ client, channel, bound: event, data, user_id: metadata?.user_id ?? null }));
}

function signin({ client }) {
  const pusher = clients.get(client);
  pusher.user.bind_global((event, data) => tell({ client, user_event: event, data }));
  pusher.user.watchlist.bind_global((event, { user_ids }) => tell({ client, watched: event, user_ids }));
  pusher.connection.bind("message", ({ event, channel }) => {
    if (event === "pusher_internal:subscription_succeeded" && channel.startsWith("#")) tell({ client, user_channel: channel });
  });
  pusher.signin();
  pusher.user.signinDonePromise.then(() => tell({ client, signed_in: pusher.user.user_data?.id ?? null }));
}

function look({ client, channel, id }) {
  const pusher = clients.get(client);
  tell({ id, state: pusher.connection.state, count: pusher.channel(channel)?.subscriptionCount ?? null });
}

export const commands = {
  connect,
  subscribe,
  again,
  renew: ({ client, token }) => tokens.set(client, token),
  bind,
  unsubscribe: ({ client, channel }) => clients.get(client).unsubscribe(channel),
  trigger: ({ client, channel, event, data }) => clients.get(client).channel(channel).trigger(event, data),
  signin,
  look,
  disconnect: ({ client }) => clients.get(client).disconnect(),
  reconnect: ({ client }) => clients.get(client).connect(),
};
