"use strict";

// Shows a stream while it comes: the page's own box shows an answer only once it is whole.

const STREAMS = ["application/x-ndjson", "text/event-stream"];
const MOST_SHOWN = 20000;
let watched = 0;

function isStream(response) {
  const type = response.headers.get("Content-Type") ?? "";
  return response.body !== null && STREAMS.some((one) => type.startsWith(one));
}

async function watch(body, what) {
  const number = ++watched;
  const text = byId("stream-text");
  text.textContent = "";
  byId("stream").hidden = false;
  byId("stream-what").textContent = `${what}: streaming`;
  let pieces = 0;
  for await (const piece of body.pipeThrough(new TextDecoderStream())) {
    if (number !== watched) continue;
    pieces += 1;
    text.textContent = (text.textContent + piece).slice(-MOST_SHOWN);
    text.scrollTop = text.scrollHeight;
    byId("stream-what").textContent = `${what}: streaming, ${pieces} pieces`;
  }
  if (number === watched) byId("stream-what").textContent = `${what}: ended after ${pieces} pieces`;
}

// Stands for fetch: what it returns is the answer itself, or a copy of a stream's.
async function fetchAndWatch(url, options) {
  const response = await fetch(url, options);
  if (!isStream(response)) return response;
  const [shown, whole] = response.body.tee();
  watch(shown, `${options.method} ${new URL(url).pathname}`).catch((error) => {
    byId("stream-what").textContent = `The stream broke: ${error.message}`;
  });
  const { status, statusText, headers } = response;
  return Object.defineProperty(new Response(whole, { status, statusText, headers }), "url", { value: response.url });
}

byId("stream-close").addEventListener("click", () => {
  byId("stream").hidden = true;
});
