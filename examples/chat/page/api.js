// The chat's own back end.

let token = "";

export class Refusal extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

export function identify(bearer) {
  token = bearer;
}

async function ask(method, path, body) {
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) }).catch(() => null);
  if (answer === null) throw new Refusal(0, "The chat does not answer.");
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refusal(answer.status, told.error ?? answer.statusText);
  return told;
}

export const logIn = (name) => ask("POST", "/api/login", { name });
export const people = async () => (await ask("GET", "/api/chat/users")).users;
export const history = (other) => ask("GET", `/api/chat/messages${other ? `?with=${other}` : ""}`);
export const send = (message) => ask("POST", "/api/chat/messages", { message });
export const sendTo = (recipient_id, message) => ask("POST", "/api/chat/messages/private", { recipient_id, message });
export const typing = (typing) => ask("POST", "/api/chat/typing", { typing });
export const read = (id) => ask("POST", `/api/chat/messages/${id}/read`);
