// The chat: Laravel Echo hears what happens, the back end is told what its user does.

import * as api from "./api.js";
import * as view from "./view.js";

const AGAIN = 2500; // Milliseconds between two words that one types: each holds for six seconds.
const Echo = window.Echo.default;

const people = new Map(); // By their ids.
const present = new Set(); // Ids of those who are online.
const unread = new Map(); // How many messages wait in conversations that are not open, by the other's id; null: everyone.
const typists = new Map(); // What was told last of who types, likewise.
const messages = new Map(); // Of the conversation that is open, by their ids.
const marks = new Map(); // How far each user has read in it.

let me, echo;
let other = null; // With whom the open conversation is; null: everyone.
let told = 0; // When it was last said that we type there.
let saying; // That of it which is under way.

// ------------------------------------------------------------------------------------------ Coming and going

function enter({ token, user, fanfare }) {
  me = user;
  api.identify(token);
  view.showChat(me);
  const headersProvider = () => ({ Authorization: `Bearer ${token}` });
  const endpoint = `http://${fanfare.host}:${fanfare.port}/broadcasting/auth`;
  echo = new Echo({
    broadcaster: "reverb", key: fanfare.key, wsHost: fanfare.host, wsPort: fanfare.port,
    forceTLS: false, enabledTransports: ["ws"], channelAuthorization: { endpoint, headersProvider },
  });
  watch(echo.connector.pusher.connection);
  echo.join("chat").here(met).joining((member) => joined([member])).leaving(left);
  echo.private(`user.${me.id}`).listen(".MessageRead", isRead).listen(".NotificationCreated", notified);
  hear(echo.channel("chat").listen(".MessageSent", (message) => received(null, message)), null);
  open(null);
}

function watch(connection) {
  let hasConnected = false;
  view.showConnection(connection.state);
  connection.bind("state_change", ({ current }) => {
    view.showConnection(current);
    if (current !== "connected") return;
    // Fanfare tells by itself who is here and who types; messages that came meanwhile the back end has.
    if (hasConnected) learnConversation().catch(report);
    hasConnected = true;
  });
}

function met(members) {
  present.clear();
  joined(members);
}

function joined(members) {
  for (const { id } of members) present.add(Number(id));
  learnPeople().catch(report);
}

function left({ id }) {
  present.delete(Number(id));
  learnPeople().catch(report);
}

async function learnPeople() {
  for (const person of await api.people()) people.set(person.id, person);
  showPeople();
  showTypists(); // Who came late may have heard of typists before their names.
}

function showPeople() {
  const others = [...people.values()].filter(({ id }) => id !== me.id);
  const shown = others.map((person) => ({ ...person, is_online: present.has(person.id) }));
  shown.sort((one, two) => two.is_online - one.is_online || one.name.localeCompare(two.name));
  view.showPeople(shown, { other, unread, choose: open });
}

// ------------------------------------------------------------------------------------------- A conversation

const between = (id) => `chat.${Math.min(me.id, id)}.${Math.max(me.id, id)}`;
const nameOf = (id) => people.get(id)?.name ?? "Somebody";

function open(id) {
  leaveConversation();
  other = id;
  unread.delete(id);
  view.showConversation(id, nameOf(id));
  showTypists();
  showPeople();
  if (id !== null) {
    const channel = echo.private(between(id));
    hear(channel.listen(".PrivateMessageSent", (message) => received(id, message)), id);
  }
  learnConversation().catch(report);
}

function leaveConversation() {
  if (told) say(false);
  if (other !== null) {
    echo.leave(between(other));
    typists.delete(other);
  }
  messages.clear();
  marks.clear();
}

// What Fanfare itself says on a conversation's channel.
function hear(channel, id) {
  channel.listen(".fanfare:typing", (typing) => {
    typists.set(id, typing);
    if (id === other) showTypists();
  });
  channel.listen(".fanfare:read", (read) => {
    if (id === other) moved(read.marks);
  });
}

async function learnConversation() {
  const asked = other;
  await learnPeople();
  const known = await api.history(asked);
  if (asked !== other) return;
  for (const message of known.messages) show(message);
  moved(known.marks);
  markRead();
}

function received(id, message) {
  if (id === other) {
    show(message);
    markRead();
  } else if (message.user_id !== me.id) {
    count(id);
  }
}

function show(message) {
  const known = messages.get(message.id);
  messages.set(message.id, { ...message, is_read: message.is_read || known?.is_read });
  if (!known) view.showMessage(message, { author: nameOf(message.user_id), isMine: message.user_id === me.id });
  showTick(messages.get(message.id));
}

function count(id) {
  unread.set(id, (unread.get(id) ?? 0) + 1);
  showPeople();
}

// Of a message in a conversation that is not open, whose channel we do not hear.
function notified({ user_id }) {
  if (user_id !== other) count(user_id);
}

async function send(text) {
  await saying; // What is sent ends the typing, so that must have been said before.
  told = 0;
  const id = other;
  const message = id === null ? await api.send(text) : await api.sendTo(id, text);
  if (id === other) show(message);
}

// ------------------------------------------------------------------------------------------------- Who types

function typed({ target }) {
  const types = target.value !== "";
  if (types ? Date.now() - told >= AGAIN : told) say(types);
}

// Everyone's channel is public: there the back end says who types.  In one of two Echo's whisper does.
function say(types) {
  told = types ? Date.now() : 0;
  if (other === null) saying = api.typing(types).catch(report);
  else echo.private(between(other)).whisper("typing", { typing: types });
}

function showTypists() {
  const { user_ids, count } = typists.get(other) ?? { user_ids: [] };
  const names = user_ids?.map(Number).filter((id) => id !== me.id).map(nameOf);
  view.showTypists(names ?? [], names?.length ?? count);
}

// --------------------------------------------------------------------------------------------- Who has read

function moved(read) {
  for (const [id, upto] of Object.entries(read)) {
    marks.set(Number(id), Math.max(upto, marks.get(Number(id)) ?? 0));
  }
  for (const message of messages.values()) showTick(message);
}

// The back end's word to an author.
function isRead({ message_id, reader_id, recipient_id }) {
  if ((recipient_id === null ? null : reader_id) !== other) return;
  for (const message of messages.values()) {
    if (message.user_id === me.id && message.id <= message_id) show({ ...message, is_read: true });
  }
}

function showTick(message) {
  if (message.user_id !== me.id) return;
  const read = [...marks].filter(([id, upto]) => id !== me.id && upto >= message.id);
  const readers = read.map(([id]) => nameOf(id)).sort();
  view.showTick(message.id, { isRead: message.is_read || readers.length > 0, readers });
}

// What others wrote counts as read when it is on a page that is seen.
function markRead() {
  if (document.visibilityState !== "visible") return;
  const theirs = [...messages.values()].filter(({ user_id }) => user_id !== me.id);
  const newest = Math.max(0, ...theirs.map(({ id }) => id));
  const before = marks.get(me.id) ?? 0;
  if (newest <= before) return;
  marks.set(me.id, newest);
  api.read(newest).catch((error) => {
    marks.set(me.id, before);
    report(error);
  });
}

// ------------------------------------------------------------------------------------------------- The page

function report(error) {
  if (error.status === 401) leave();
  else view.complain("compose", error);
}

function leave() {
  sessionStorage.removeItem("login");
  location.reload();
}

async function logIn(name) {
  const login = await api.logIn(name);
  sessionStorage.setItem("login", JSON.stringify(login)); // Each tab has a user of its own.
  enter(login);
}

function on(form, act) {
  document.getElementById(form).addEventListener("submit", async (event) => {
    event.preventDefault();
    const input = event.target.querySelector("input");
    const text = input.value;
    input.value = "";
    view.complain(form, null);
    await act(text).catch((error) => {
      input.value ||= text;
      view.complain(form, error);
    });
  });
}

on("compose", send);
on("login", logIn);
document.getElementById("message").addEventListener("input", typed);
document.getElementById("leave").addEventListener("click", leave);
document.addEventListener("visibilitychange", () => me && markRead());

const login = sessionStorage.getItem("login");
if (login) enter(JSON.parse(login));
else view.showEntrance();
