// Back ends with Pusher's own SDK for Node, npm's `pusher`.

import Pusher from "pusher";
import { tell } from "./wire.mjs";

const backends = new Map();

function backend({ backend, options }) {
  backends.set(backend, new Pusher(options));
}

async function call({ backend, method, args, id }) {
  try {
    const answer = await backends.get(backend)[method](...args);
    // Requests are answered with a response, what only signs with an object.
    if (typeof answer.text !== "function") tell({ id, result: answer });
    else tell({ id, status: answer.status, body: await answer.text() });
  } catch (error) {
    tell({ id, failed: error.message, status: error.status ?? null, body: error.body ?? null });
  }
}

// What the SDK makes of a request to a webhook; headers are as Node has them, in lower case.
function webhook({ backend, headers, body, id }) {
  const received = backends.get(backend).webhook({ headers, rawBody: body });
  const valid = received.isValid();
  tell({ id, valid, events: valid ? received.getEvents() : null, time: valid ? received.getTime() : null });
}

// Options for pusher-js, whose page then has its own back end sign, instead of asking Fanfare.
export function signedBy(name, member) {
  const sdk = backends.get(name);
  const user = member && { id: member.user_id, user_info: member.user_info, watchlist: member.watchlist };
  return {
    channelAuthorization: {
      customHandler: ({ socketId, channelName }, callback) => {
        const data = channelName.startsWith("presence-") ? member : undefined;
        callback(null, sdk.authorizeChannel(socketId, channelName, data));
      },
    },
    userAuthentication: {
      customHandler: ({ socketId }, callback) => callback(null, sdk.authenticateUser(socketId, user)),
    },
  };
}

export const commands = { backend, call, webhook };
