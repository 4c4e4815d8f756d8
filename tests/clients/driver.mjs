// Drives stock Pusher clients and SDKs: commands come as lines of JSON on standard input, and what they
// see goes out as lines of JSON on standard output.  The tests are in Python; here is no judgement.

import { createInterface } from "node:readline";
import { commands as backend } from "./backend.mjs";
import { commands as echo } from "./echo.mjs";
import { commands as pusherjs } from "./pusherjs.mjs";
import { tell } from "./wire.mjs";

// Commands are taken in their order: an answer to this one means that all before it were.
const heard = ({ id }) => tell({ id, heard: true });
const commands = { ...pusherjs, ...echo, ...backend, heard };

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const command = JSON.parse(line);
  commands[command.do](command);
  if (command.number) tell({ done: command.number });
});
lines.on("close", () => process.exit(0));
tell({ ready: true });
