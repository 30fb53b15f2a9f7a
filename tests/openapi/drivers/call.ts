// Calls the gateway whose URL is the argument, through the types in ./schema, and prints what it got as JSON.

import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { argv: string[] };

const client = createClient<paths>({ baseUrl: process.argv[2] });
const messages = [{ role: "user", content: "What is 6*7?" }];

// What may come as a text as well, as a stream does, was not asked for as one.
function object<T>(data: T | string | undefined): T {
  if (data === undefined || typeof data === "string") throw new Error(`no object: ${data}`);
  return data;
}

const chat = object((await client.POST("/api/chat", { body: { model: "demo", messages, stream: false } })).data);
const streamed = await client.POST("/api/chat", { body: { model: "demo", messages }, parseAs: "text" });
const lines: (components["schemas"]["ChatChunk"] | components["schemas"]["ChatAnswer"])[] = [];
for (const line of String(streamed.data).trim().split("\n")) lines.push(JSON.parse(line));
const missing = await client.POST("/api/chat", { body: { model: "nobody", messages } });
const completion = object((await client.POST("/v1/chat/completions", { body: { model: "demo", messages } })).data);
const vectors = object((await client.POST("/api/embed", { body: { model: "demo-embed", input: ["a", "b"] } })).data);
const tags = object((await client.GET("/api/tags")).data);
const model = object((await client.GET("/v1/models/{model}", { params: { path: { model: "demo" } } })).data);

console.log(
  JSON.stringify({
    answer: chat.message.content,
    reason: chat.done_reason,
    lines: lines.length,
    said: lines.map((line) => line.message.content).join(""),
    done: lines.at(-1)?.done,
    missing: [missing.response.status, missing.error?.error],
    completion: completion.choices[0]?.message.content,
    vectors: vectors.embeddings.length,
    models: tags.models.map((one) => one.name),
    model: model.id,
  }),
);
