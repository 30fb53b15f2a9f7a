// npm's `ollama`: node ollama_js.mjs MODULE URL. Cases come as JSON on stdin, results leave on stdout.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [module, host] = process.argv.slice(2);
const { Ollama } = await import(pathToFileURL(module));
const client = new Ollama({ host });
const NAMES = ["messages", "prompt", "tools", "think", "options", "format", "keep_alive"];

/** A result without anything heard yet. */
function silence() {
  return { text: "", thinking: "", calls: [], tokens: null, reason: null, error: "", status: null };
}

function hear(part, heard) {
  const message = part.message ?? part;
  heard.text += message.content ?? message.response;
  heard.thinking += message.thinking ?? "";
  for (const call of message.tool_calls ?? []) heard.calls.push([call.function.name, call.function.arguments]);
  if (part.eval_count !== undefined) {
    // Added up, as programs do that expect counts at the end alone.
    const [prompt, completion] = heard.tokens ?? [0, 0];
    heard.tokens = [prompt + part.prompt_eval_count, completion + part.eval_count];
  }
  heard.reason = part.done_reason ?? heard.reason;
}

async function talk(method, given) {
  const heard = silence();
  const wanted = NAMES.filter((name) => name in given).map((name) => [name, given[name]]);
  try {
    const answer = await client[method]({ model: given.model, stream: given.stream, ...Object.fromEntries(wanted) });
    if (!given.stream) hear(answer, heard);
    else for await (const part of answer) hear(part, heard);
  } catch (error) {
    heard.error = error.message;
    heard.status = error.status_code ?? -1;
  }
  return heard;
}

const kinds = {
  chat: (given) => talk("chat", given),
  generate: (given) => talk("generate", given),
  "load by chat": (given) => talk("chat", given),
  "load by generate": (given) => talk("generate", given),
  async show({ model }) {
    const shown = await client.show({ model });
    const keys = Object.keys(shown.model_info).filter((key) => key.includes("context_length"));
    return { context: keys.map((key) => shown.model_info[key]), capabilities: shown.capabilities.sort() };
  },
  async tags() {
    const { models } = await client.list();
    return { digests: Object.fromEntries(models.map(({ name, digest }) => [name, digest])) };
  },
  async pull({ model, stream }) {
    const answer = await client.pull({ model, stream });
    if (!stream) return { status: answer.status };
    let status;
    for await (const part of answer) status = part.status;
    return { status };
  },
};

const results = {};
for (const given of JSON.parse(readFileSync(0, "utf8"))) {
  if (!(given.kind in kinds)) continue;
  try {
    results[given.id] = await kinds[given.kind](given);
  } catch (error) {
    results[given.id] = { crash: String(error.stack ?? error) };
  }
}
process.stdout.write(JSON.stringify(results));
