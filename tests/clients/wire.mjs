// How the driver talks to the tests: each message is a line of JSON on standard output.

export function tell(message) {
  process.stdout.write(JSON.stringify(message) + "\n");
}

export function plain(data) {
  // Members of a presence channel are an object of pusher-js's own.
  return data && typeof data.each === "function" ? { members: data.members, me: data.me, count: data.count } : data;
}
