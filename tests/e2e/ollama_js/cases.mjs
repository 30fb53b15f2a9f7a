// Cases for the public surface of npm's `ollama`: node cases.mjs MODULE_FILE URL HELD_URL
//
// HELD_URL is a gateway whose backend sends one token of its answer and then waits for ever. Writes a JSON report:
// `methods` and `called` of the class, `cases` (how many ran), `failures` (texts).

import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { deflateSync } from "node:zlib";

const [, , moduleFile, host, heldHost] = process.argv;
const { Ollama } = await import(pathToFileURL(moduleFile));
const called = new Set();

/** A client that notes which of its methods were called. */
function client(host) {
  return new Proxy(new Ollama({ host }), {
    get(target, name) {
      const member = target[name];
      if (typeof member !== "function") return member;
      called.add(name);
      return member.bind(target);
    },
  });
}

const ollama = client(host);
const SUM = [{ role: "user", content: "2+2" }];
const ANSWER = "2+2 = 4. I received 1 message with 1 word.";
const WEATHER = [{ role: "user", content: "What is the weather in Paris?" }];
const PERSON = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer" } },
  required: ["name", "age"],
};
const GET_WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather in a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

/** All parts of a stream. */
async function all(stream) {
  const parts = [];
  for await (const part of await stream) parts.push(part);
  return parts;
}

const said = (parts) => parts.map((part) => part.message.content).join("");

function checkEnd(last, reason = "stop") {
  assert.equal(last.done, true);
  assert.equal(last.done_reason, reason);
  for (const count of [last.prompt_eval_count, last.eval_count, last.total_duration]) assert.ok(count > 0);
}

function checkStream(parts, reason = "stop") {
  assert.ok(parts.length > 2);
  assert.ok(parts.slice(0, -1).every((part) => part.done === false && part.eval_count === undefined));
  checkEnd(parts.at(-1), reason);
}

/** What a call is refused with; the stream of an answer is read. */
async function refusal(call) {
  try {
    const result = await call();
    if (result?.[Symbol.asyncIterator]) await all(result);
  } catch (error) {
    return error;
  }
  throw new Error("was answered");
}

/** A black picture as PNG. */
function png(width, height) {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head[8] = 8;
  const block = (kind, data) => {
    const body = Buffer.concat([Buffer.from(kind), data]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const rows = deflateSync(Buffer.alloc(height * (width + 1)));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, block("IHDR", head), block("IDAT", rows), block("IEND", Buffer.alloc(0))]);
}

// zlib has one of its own only from node 22.2 on.
function crc32(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return (sum ^ 0xffffffff) >>> 0;
}

const cases = {
  async "chat answers"() {
    const reply = await ollama.chat({ model: "demo", messages: SUM });
    assert.deepEqual(reply.message, { role: "assistant", content: ANSWER });
    checkEnd(reply);
  },
  async "chat streams"() {
    const parts = await all(ollama.chat({ model: "demo", messages: SUM, stream: true }));
    checkStream(parts);
    assert.equal(said(parts), ANSWER);
  },
  async "chat takes options and system messages"() {
    const messages = [{ role: "system", content: "Be brief." }, ...SUM];
    const reply = await ollama.chat({ model: "demo", messages, keep_alive: "5m" });
    assert.match(reply.message.content, /My system prompt is "Be brief\."/);
    const options = { num_predict: 3, temperature: 0.1, seed: 7 };
    checkEnd(await ollama.chat({ model: "demo", messages, options }), "length");
  },
  async "chat calls tools"() {
    const first = await ollama.chat({ model: "demo", messages: WEATHER, tools: [GET_WEATHER] });
    const [call] = first.message.tool_calls;
    assert.equal(call.function.name, "get_weather");
    assert.deepEqual(call.function.arguments, { city: "Paris" });
    const result = { role: "tool", content: '{"sky": "clear"}', tool_name: "get_weather" };
    const messages = [...WEATHER, first.message, result];
    const second = await ollama.chat({ model: "demo", messages, tools: [GET_WEATHER] });
    assert.match(second.message.content, /^get_weather says: sky: clear\./);
  },
  async "chat streams tool calls"() {
    const parts = await all(ollama.chat({ model: "demo", messages: WEATHER, tools: [GET_WEATHER], stream: true }));
    checkEnd(parts.at(-1));
    const calls = parts.flatMap((part) => part.message.tool_calls ?? []);
    assert.deepEqual(calls.map((call) => call.function.arguments), [{ city: "Paris" }]);
  },
  async "chat sees images"() {
    const encoded = await ollama.encodeImage(png(5, 4));
    const messages = [{ role: "user", content: "What is this?", images: [png(3, 2), encoded] }];
    const reply = await ollama.chat({ model: "demo-vision", messages });
    assert.match(reply.message.content, /3 x 2 pixels.*5 x 4 pixels/);
  },
  async "chat thinks"() {
    const reply = await ollama.chat({ model: "demo-thinking", messages: SUM, think: true });
    assert.match(reply.message.thinking, /The user says/);
    assert.equal(reply.message.content, ANSWER);
    const parts = await all(ollama.chat({ model: "demo-thinking", messages: SUM, think: "high", stream: true }));
    assert.equal(said(parts), ANSWER);
    assert.ok(parts.some((part) => part.message.thinking));
    assert.ok(!parts.some((part) => "thinking" in part.message && part.message.content));
    const silent = await ollama.chat({ model: "demo-thinking", messages: SUM, think: false });
    assert.ok(!("thinking" in silent.message));
  },
  async "chat answers in a format"() {
    const messages = [{ role: "user", content: "Alice is 22" }];
    const reply = await ollama.chat({ model: "demo", messages, format: PERSON });
    assert.deepEqual(JSON.parse(reply.message.content), { name: "Alice", age: 22 });
    JSON.parse((await ollama.chat({ model: "demo", messages, format: "json" })).message.content);
  },
  async "chat gives logprobs"() {
    const reply = await ollama.chat({ model: "demo", messages: SUM, logprobs: true, top_logprobs: 2 });
    assert.equal(reply.logprobs.map((token) => token.token).join(""), ANSWER);
    assert.ok(reply.logprobs.every((token) => token.top_logprobs.length === 2));
  },
  async "a stream can be aborted"() {
    const held = client(heldHost);
    const stream = await held.chat({ model: "held", messages: SUM, stream: true });
    const error = await refusal(async () => {
      for await (const _ of stream) stream.abort();
    });
    assert.equal(error.name, "AbortError");
  },
  async "all streams can be aborted"() {
    const held = client(heldHost);
    const stream = await held.generate({ model: "held", prompt: "2+2", stream: true });
    const error = await refusal(async () => {
      for await (const _ of stream) held.abort();
    });
    assert.equal(error.name, "AbortError");
  },
  async "generate answers"() {
    const reply = await ollama.generate({ model: "demo", prompt: "2+2", system: "Be brief." });
    assert.match(reply.response, /^2\+2 = 4\..*My system prompt is "Be brief\."/);
    checkEnd(reply);
    const seen = await ollama.generate({ model: "demo-vision", prompt: "What is this?", images: [png(7, 6)] });
    assert.match(seen.response, /7 x 6 pixels/);
  },
  async "generate streams"() {
    const parts = await all(ollama.generate({ model: "demo", prompt: "2+2", stream: true }));
    checkStream(parts);
    assert.equal(parts.map((part) => part.response).join(""), ANSWER);
  },
  async "generate fills gaps and goes on with raw prompts"() {
    const filled = await ollama.generate({ model: "demo", prompt: "def add(a, b):", suffix: "\nprint(add(1, 2))" });
    assert.match(filled.response, /return a \+ b/);
    assert.equal((await ollama.generate({ model: "demo", prompt: "2 + 2 =", raw: true })).response, " 4");
  },
  async "generate loads and unloads"() {
    assert.equal((await ollama.generate({ model: "demo", prompt: "" })).done_reason, "load");
    assert.equal((await ollama.generate({ model: "demo", prompt: "", keep_alive: 0 })).done_reason, "unload");
  },
  async "texts are embedded"() {
    const reply = await ollama.embed({ model: "demo-embed", input: ["sky", "grass"], dimensions: 16 });
    assert.deepEqual(reply.embeddings.map((vector) => vector.length), [16, 16]);
    for (const vector of reply.embeddings) assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-5);
    const old = await ollama.embeddings({ model: "demo-embed", prompt: "sky" });
    assert.ok(Math.abs(Math.hypot(...old.embedding) - 1) < 1e-5);
  },
  async "models are listed and shown"() {
    const { models } = await ollama.list();
    const names = ["demo", "demo-embed", "demo-thinking", "demo-vision"];
    assert.deepEqual(models.map((model) => model.name).sort(), names);
    assert.deepEqual((await ollama.ps()).models, []);
    const shown = await ollama.show({ model: "demo" });
    assert.ok(shown.capabilities.includes("tools"));
    assert.equal(shown.model_info[`${shown.model_info["general.architecture"]}.context_length`], 8192);
  },
  async "pull and push succeed"() {
    for (const method of [ollama.pull, ollama.push]) {
      assert.equal((await method({ model: "demo" })).status, "success");
      const parts = await all(method({ model: "demo", stream: true }));
      assert.ok(parts.length > 1);
      assert.equal(parts.at(-1).status, "success");
    }
  },
  async "delete succeeds"() {
    assert.equal((await ollama.delete({ model: "demo" })).status, "success");
  },
  async "copy and create are refused"() {
    for (const call of [
      () => ollama.copy({ source: "demo", destination: "mine" }),
      () => ollama.create({ model: "mine", from: "demo", system: "Be brief." }),
      () => ollama.create({ model: "mine", from: "demo", stream: true }),
    ]) {
      const error = await refusal(call);
      assert.equal(error.status_code, 501);
      assert.match(error.message, /^models cannot be (copied|created) here/);
    }
  },
  async "an unknown model is not found"() {
    for (const call of [
      () => ollama.chat({ model: "nobody", messages: SUM }),
      () => ollama.chat({ model: "nobody", messages: SUM, stream: true }),
      () => ollama.generate({ model: "nobody", prompt: "hi" }),
      () => ollama.embed({ model: "nobody", input: "hi" }),
      () => ollama.embeddings({ model: "nobody", prompt: "hi" }),
      () => ollama.show({ model: "nobody" }),
    ]) {
      const error = await refusal(call);
      assert.equal(error.status_code, 404);
      assert.match(error.message, /nobody.*not found/);
    }
  },
  async "the version is a number clients compare"() {
    assert.match((await ollama.version()).version, /^\d+\.\d+\.\d+$/);
  },
};

/** The public methods of a class, inherited ones included. */
function methodsOf(kind) {
  const names = new Set();
  for (let proto = kind.prototype; proto !== Object.prototype; proto = Object.getPrototypeOf(proto)) {
    for (const name of Object.getOwnPropertyNames(proto)) {
      if (name !== "constructor" && typeof proto[name] === "function") names.add(name);
    }
  }
  return [...names].sort();
}

const failures = [];
for (const [name, run] of Object.entries(cases)) {
  try {
    await run();
  } catch (error) {
    failures.push(`${name}: ${error.stack ?? error}`);
  }
}
const report = { methods: methodsOf(Ollama), called: [...called].sort(), cases: Object.keys(cases).length, failures };
process.stdout.write(JSON.stringify(report));
