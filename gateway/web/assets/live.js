"use strict";

// The events of /ui/events, read with fetch: an EventSource could not send the key in a header.

const SILENCE_MS = 10_000;
const HIDDEN_MS = 60_000;
const PAUSES_MS = [1000, 2000, 4000, 8000, 15_000];

let connection = null;
let failures = 0;
let retryTimer = 0;
let hiddenTimer = 0;
let isPaused = false;
let latest = null;
let shownFrom = null;

function say(text) {
  write(byId("link"), text);
}

async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const lines = block.split("\n");
      const field = (name) => lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2)).join("\n");
      if (field("data")) yield [field("event"), JSON.parse(field("data"))];
    }
  }
}

async function watch() {
  clearTimeout(retryTimer);
  connection?.abort();
  const mine = (connection = new AbortController());
  let silence = 0;
  const listen = () => {
    clearTimeout(silence);
    silence = setTimeout(() => mine.abort(), SILENCE_MS);
  };
  listen();
  let problem = "the connection is lost";
  try {
    const response = await ask("ui/events", { signal: mine.signal, headers: { Accept: "text/event-stream" } });
    if (response.ok) {
      for await (const [kind, content] of eventsOf(response.body)) {
        listen();
        receive(kind, content);
      }
      problem = "";
    } else if (response.status === 401) {
      lose("Not connected: an API key is wanted");
      askForKey();
      return;
    } else problem = await problemOf(response);
  } catch (error) {
    if (!(error instanceof TypeError) && error.name !== "AbortError") throw error;
  } finally {
    clearTimeout(silence);
    if (connection === mine) connection = null;
    else problem = null;
  }
  if (problem !== null) tryAgain(problem);
}

function tryAgain(problem) {
  if (!problem && !failures) {
    // The gateway ends every view after a while.
    failures = 1;
    watch();
    return;
  }
  const pause = PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)];
  failures += 1;
  lose(`Not connected${problem ? ` (${problem})` : ""}: trying again`);
  retryTimer = setTimeout(watch, pause);
}

function lose(text) {
  say(text);
  const health = byId("health");
  health.dataset.state = "unknown";
  write(health, "not connected");
}

function receive(kind, content) {
  if (kind === "history") {
    points = [];
    addPoints(content);
    return;
  }
  if (failures || latest === null) document.dispatchEvent(new Event("connected"));
  failures = 0;
  latest = content;
  if (content.point) addPoints([content.point]);
  say(isPaused ? "Paused" : "Live");
  if (!isPaused) draw();
}

function draw() {
  if (latest === null) return;
  const health = byId("health");
  health.dataset.state = latest.status;
  write(health, latest.status);
  write(byId("version"), latest.version);
  const { worker } = latest;
  write(byId("worker"), worker === null ? "the only one" : `${worker.number} of ${worker.count}`);
  byId("worker").title = worker === null ? "" : "All numbers here are of this worker; each connection may lead to another one.";
  write(byId("uptime"), asSpan(latest.uptime_s));
  noteWorker(worker);
  drawTiles(latest.at_s, latest.metrics);
  drawBackends(latest.backends);
  drawRecent(latest.recent);
}

function noteWorker(worker) {
  const which = worker === null ? "" : ` Of worker ${worker.number} alone.`;
  if (shownFrom === which) return;
  shownFrom = which;
  write(byId("now-note"), `Plots: the last two minutes. Numbers: means of the last ten seconds.${which}`);
}

byId("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  byId("pause").setAttribute("aria-pressed", String(isPaused));
  if (connection !== null && latest !== null) say(isPaused ? "Paused" : "Live");
  if (!isPaused) draw();
});

keyChanged.addEventListener("change", () => {
  failures = 0;
  latest = null;
  watch();
});

// A page nobody looks at takes no place from others.
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiddenTimer);
  if (document.hidden) {
    hiddenTimer = setTimeout(() => {
      clearTimeout(retryTimer);
      const mine = connection;
      connection = null;
      mine?.abort();
    }, HIDDEN_MS);
  } else if (connection === null) watch();
});

watch();
