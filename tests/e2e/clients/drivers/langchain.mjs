// @langchain/ollama, which n8n and Flowise use: node langchain.mjs MODULES URL. Prints the conversation as JSON.
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, url] = process.argv.slice(2);
const require = createRequire(join(modules, "driver.cjs"));
const { ChatOllama } = require("@langchain/ollama");
const { HumanMessage, ToolMessage } = require("@langchain/core/messages");

const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tool = { type: "function", function: { name: "get_weather", description: "The weather in a city", parameters } };
const person = {
  title: "Person",
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer" } },
  required: ["name", "age"],
};
// It looks for the model in the list, and pulls it where it does not find it.
const model = new ChatOllama({ model: "demo", baseUrl: url, checkOrPullModel: true });

async function ask(asked, said, stream) {
  if (!stream) return asked.invoke(said);
  let whole;
  for await (const part of await asked.stream(said)) whole = whole === undefined ? part : whole.concat(part);
  return whole;
}

async function talk(stream) {
  const asked = model.bindTools([tool]);
  const said = [new HumanMessage("What is the weather in Paris?")];
  const first = await ask(asked, said, stream);
  said.push(first);
  for (const call of first.tool_calls) {
    const content = call.args.city === "Paris" ? '{"sky": "clear"}' : "there is no such city";
    said.push(new ToolMessage({ content, tool_call_id: call.id ?? "none", name: call.name }));
  }
  const last = await ask(asked, said, stream);
  return { calls: first.tool_calls.map((call) => [call.name, call.args]), answer: last.content };
}

const structured = { schema: await model.withStructuredOutput(person).invoke("Make a person of this: Alice is 22") };
process.stdout.write(JSON.stringify({ streamed: await talk(true), whole: await talk(false), structured }));
