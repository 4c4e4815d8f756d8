// What is seen.  Everything that people wrote is put there as text, never as HTML.

const place = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const list = new Intl.ListFormat("en", { type: "conjunction" });
const entries = new Map(); // Of people, by their ids; null: everyone.
const NAMED = 3; // Typists; of more only the number is told.

function element(tag, { text, ...attributes }, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(name, value);
  made.append(...(text === undefined ? children : [text]));
  return made;
}

export function showEntrance() {
  place("entrance").hidden = false;
  place("chat").hidden = true;
  place("name").focus();
}

export function showChat(me) {
  place("entrance").hidden = true;
  place("chat").hidden = false;
  place("me").textContent = me.name;
}

export function showConnection(state) {
  const words = { initialized: "Connecting…", connecting: "Connecting…", connected: "Connected" };
  place("connection").textContent = words[state] ?? "Offline, trying again…";
  place("connection").dataset.state = state;
}

export function complain(form, error) {
  place(form).querySelector(".complaint").textContent = error?.message ?? "";
}

export function showConversation(other, name) {
  place("conversation").textContent = other === null ? "Everyone" : name;
  place("message").placeholder = other === null ? "Message to everyone" : `Message to ${name}`;
  place("message").focus();
  place("messages").replaceChildren();
}

export function showPeople(people, { other, unread, choose }) {
  const everyone = { id: null, name: "Everyone" };
  for (const [list, shown] of [["everyone", [everyone]], ["people", people]]) {
    const wanted = shown.map((person) => entryOf({ ...person, unread: unread.get(person.id) }, { other, choose }));
    const isInOrder = wanted.every((entry, index) => entry === place(list).children[index]);
    if (!isInOrder) place(list).replaceChildren(...wanted);
  }
}

// Entries stay what they are while they change: one of them may have the keyboard's focus.
function entryOf({ id, name, is_online, last_seen, unread }, { other, choose }) {
  if (!entries.has(id)) entries.set(id, newEntry(id, choose));
  const button = entries.get(id).firstChild;
  const state = id === null ? "" : is_online ? "online" : seen(last_seen);
  button.setAttribute("aria-current", String(id === other));
  if (id !== null) button.dataset.online = is_online;
  button.replaceChildren(
    element("span", { class: "name", text: name }),
    ...(state ? [element("span", { class: "state", text: state })] : []),
    ...(unread ? [element("span", { class: "unread", text: unread, "aria-label": `${unread} unread` })] : []),
  );
  return entries.get(id);
}

function newEntry(id, choose) {
  const button = element("button", { type: "button" });
  button.addEventListener("click", () => choose(id));
  return element("li", {}, button);
}

function seen(at) {
  if (!at) return "never seen";
  const minutes = Math.floor((Date.now() - new Date(at)) / 60_000);
  if (minutes < 1) return "last seen just now";
  if (minutes < 60) return `last seen ${minutes} min ago`;
  return `last seen ${new Date(at).toLocaleString()}`;
}

export function showMessage(message, { author, isMine }) {
  const messages = place("messages");
  const log = place("log");
  const wasAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  const time = new Date(message.created_at);
  const shown = element(
    "li",
    { "data-id": message.id, class: isMine ? "mine" : "theirs" },
    element("span", { class: "author", text: isMine ? "You" : author }),
    element("p", { text: message.message }),
    element("span", { class: "about" }, element("time", { datetime: message.created_at, text: clock.format(time) })),
  );
  const later = [...messages.children].find(({ dataset }) => Number(dataset.id) > message.id);
  messages.insertBefore(shown, later ?? null);
  if (wasAtEnd || isMine) log.scrollTop = log.scrollHeight;
}

// The tick of a message of one's own; `readers` are names, and may be empty though somebody has read it.
export function showTick(id, { isRead, readers }) {
  const about = place("messages").querySelector(`[data-id="${id}"] .about`);
  if (!about) return;
  const said = !isRead ? "Sent" : readers.length ? `Read by ${list.format(readers)}` : "Read";
  const tick = element("span", { class: "tick", role: "img", "aria-label": said, title: said, text: isRead ? "✓✓" : "✓" });
  tick.dataset.read = isRead;
  about.querySelector(".tick")?.remove();
  about.append(tick);
}

export function showTypists(names, count = names.length) {
  place("typing").textContent =
    !count ? "" : names.length === 0 || count > NAMED ? `${count} people are typing…`
      : `${list.format(names)} ${count === 1 ? "is" : "are"} typing…`;
}
