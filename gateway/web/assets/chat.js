"use strict";

// A conversation with one model. It lives in this page alone.

let conversation = [];
let answering = null;

const CHAT_EMPTY = "Choose a model and say something.";
const INFINITE_S = 1e9;

function modelChoices(models) {
  const chats = (model) => !model.capabilities || model.capabilities.includes("completion");
  return models.filter(chats).map((model) => model.name ?? model.model);
}

async function readModels() {
  const select = byId("model");
  try {
    const response = await ask("api/tags");
    if (!response.ok) return;
    const names = modelChoices((await response.json()).models);
    const chosen = select.value;
    const options = names.map((name) => element("option", { value: name, selected: name === chosen }, name));
    select.replaceChildren(...(options.length ? options : [element("option", { value: "" }, "There is none")]));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}

function emptyLog() {
  byId("log").replaceChildren(element("p", { className: "empty" }, CHAT_EMPTY));
}

function bubble(kind, who, text) {
  const log = byId("log");
  log.querySelector(":scope > .empty")?.remove();
  const said = { text: element("p", { className: "text" }, text), box: null };
  said.box = element("div", { className: `said ${kind}` }, element("p", { className: "who" }, who), said.text);
  log.append(said.box);
  log.scrollTop = log.scrollHeight;
  return said;
}

// Follows the answer only where its end is in sight: who reads above stays there.
function following(change) {
  const log = byId("log");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  change();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

async function* linesOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line) yield JSON.parse(line);
  }
}

function showThinking(answer, text) {
  if (!answer.thinking) {
    answer.thinking = element("p");
    answer.text.before(element("details", {}, element("summary", {}, "Thinking"), answer.thinking));
  }
  answer.thinking.append(text);
}

function showFacts(answer, done, requestId, startedMs, firstMs) {
  const facts = [];
  if (firstMs !== null) facts.push(`first token after ${asSeconds((firstMs - startedMs) / 1000)}`);
  if (done?.eval_count) facts.push(`${wholeNumbers.format(done.eval_count)} tokens`);
  if (done?.eval_count && done.eval_duration > 0) {
    const speed = done.eval_count / (done.eval_duration / 1e9);
    if (speed < INFINITE_S) facts.push(`${asNumber(speed)} tokens per second`);
  }
  if (requestId) facts.push(requestId);
  answer.box.append(element("p", { className: "facts" }, facts.join(" · ")));
}

function fail(answer, problem) {
  answer.box.append(element("p", { className: "problem" }, problem));
}

async function readAnswer(response, answer) {
  const requestId = response.headers.get("X-Request-ID");
  const startedMs = answer.startedMs;
  let firstMs = null;
  let content = "";
  let last = null;
  for await (const line of linesOf(response.body)) {
    if (line.error) throw new Error(line.error);
    const { content: text = "", thinking = "" } = line.message ?? {};
    if ((text || thinking) && firstMs === null) {
      firstMs = performance.now();
      answer.text.classList.remove("waiting");
    }
    following(() => {
      if (thinking) showThinking(answer, thinking);
      if (text) answer.text.append(text);
    });
    content += text;
    if (line.done) last = line;
  }
  if (last === null) throw new Error("the answer was cut off");
  following(() => showFacts(answer, last, requestId, startedMs, firstMs));
  return content;
}

async function answerTo(question, model) {
  const mine = conversation; // a new chat begins another one
  bubble("user", "You", question);
  mine.push({ role: "user", content: question });
  const answer = bubble("assistant", model, "");
  answer.startedMs = performance.now();
  answer.text.classList.add("waiting");
  answering = new AbortController();
  setAnswering(true);
  try {
    const response = await ask("api/chat", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ model, messages: mine, stream: true }),
      signal: answering.signal,
    });
    if (response.status === 401) askForKey();
    if (!response.ok) throw new Error(await problemOf(response));
    mine.push({ role: "assistant", content: await readAnswer(response, answer) });
  } catch (error) {
    takeBack(mine, question, answer, error);
  } finally {
    answer.text.classList.remove("waiting");
    setAnswering(false);
  }
}

// What was not answered is no part of the conversation: the next question would be refused for it by many models.
function takeBack(asked, question, answer, error) {
  const wasStopped = error.name === "AbortError";
  if (wasStopped && answer.text.textContent) asked.push({ role: "assistant", content: answer.text.textContent });
  else asked.pop();
  following(() => fail(answer, wasStopped ? "Stopped." : error instanceof TypeError ? "The connection is lost." : error.message));
  if (!wasStopped && !byId("question").value) byId("question").value = question;
}

function setAnswering(active) {
  if (!active) answering = null;
  byId("log").setAttribute("aria-busy", String(active));
  const [shown, gone] = active ? [byId("stop"), byId("send")] : [byId("send"), byId("stop")];
  const hadFocus = document.activeElement === gone;
  shown.hidden = false;
  gone.hidden = true;
  // A button that disappears hands its focus on; anybody else keeps it.
  if (hadFocus) (active ? shown : byId("question")).focus();
}

byId("chat-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const question = byId("question").value.trim();
  const model = byId("model").value;
  if (answering || !question || !model) return;
  byId("question").value = "";
  answerTo(question, model);
});
byId("question").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  byId("chat-form").requestSubmit();
});
byId("stop").addEventListener("click", () => answering?.abort());
byId("chat-clear").addEventListener("click", () => {
  answering?.abort();
  conversation = [];
  emptyLog();
  byId("question").focus();
});
document.addEventListener("connected", readModels);

emptyLog();
