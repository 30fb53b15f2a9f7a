// ollama-ai-provider-v2 with Vercel's `ai`: node ai_provider.mjs MODULES URL. Prints the conversation as JSON.
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, url] = process.argv.slice(2);
const require = createRequire(join(modules, "driver.cjs"));
const { generateText, jsonSchema, Output, stepCountIs, streamText, tool } = require("ai");
const { createOllama } = require("ollama-ai-provider-v2");

const model = createOllama({ baseURL: `${url}/api` })("demo");
const calls = [];
const get_weather = tool({
  description: "The weather in a city",
  inputSchema: jsonSchema({ type: "object", properties: { city: { type: "string" } }, required: ["city"] }),
  execute: async ({ city }) => {
    calls.push(["get_weather", { city }]);
    return city === "Paris" ? { sky: "clear" } : "there is no such city";
  },
});
const person = jsonSchema({
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer" } },
  required: ["name", "age"],
});
const asked = { model, prompt: "What is the weather in Paris?", tools: { get_weather }, stopWhen: stepCountIs(4) };

async function talk(stream) {
  calls.length = 0;
  let answer = "";
  if (stream) for await (const part of streamText(asked).textStream) answer += part;
  else answer = (await generateText(asked)).text;
  return { calls: [...calls], answer };
}

const { output } = await generateText({ model, prompt: "Make a person of this: Alice is 22", output: Output.object({ schema: person }) });
process.stdout.write(
  JSON.stringify({ streamed: await talk(true), whole: await talk(false), structured: { schema: output } }),
);
