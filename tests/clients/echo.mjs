// Pages with Laravel Echo on pusher-js.  `kind` is the method of Echo that enters a channel.

import Echo from "laravel-echo";
import Pusher from "pusher-js";
import { signedBy } from "./backend.mjs";
import { keep } from "./pusherjs.mjs";
import { tell } from "./wire.mjs";

const pages = new Map();

function echo({ client, options, backend, member }) {
  const page = new Echo({ ...options, ...(backend && signedBy(backend, member)), Pusher });
  pages.set(client, page);
  keep(client, page.connector.pusher);
}

// Entering begins with the first mention of a channel, so all is bound in one go.
function enter({ client, kind, channel, events = [], whispers = [] }) {
  const entered = pages.get(client)[kind](channel);
  for (const event of events) listen({ client, kind, channel, event });
  for (const name of whispers) listen_for_whisper({ client, kind, channel, name });
  entered.subscribed(() => tell({ client, channel, subscribed: true }));
  entered.error((error) => tell({ client, channel, refused: error }));
  if (kind !== "join") return;
  entered.here((members) => tell({ client, channel, here: members }));
  entered.joining((member) => tell({ client, channel, joining: member }));
  entered.leaving((member) => tell({ client, channel, leaving: member }));
}

function listen({ client, kind, channel, event }) {
  pages.get(client)[kind](channel).listen(event, (data) => tell({ client, channel, listened: event, data }));
}

function listen_for_whisper({ client, kind, channel, name }) {
  pages.get(client)[kind](channel).listenForWhisper(name, (data) => tell({ client, channel, whispered: name, data }));
}

function notification({ client, channel }) {
  pages.get(client).private(channel).notification((data) => tell({ client, channel, notified: data }));
}

export const commands = {
  echo,
  enter,
  listen,
  listen_for_whisper,
  notification,
  whisper: ({ client, kind, channel, name, data }) => pages.get(client)[kind](channel).whisper(name, data),
  leave: ({ client, channel }) => pages.get(client).leave(channel),
  socket_id: ({ client, id }) => tell({ id, socket_id: pages.get(client).socketId() }),
};
