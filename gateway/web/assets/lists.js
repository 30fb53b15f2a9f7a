"use strict";

// Backends, and the latest requests. What is shown already and did not change stays the same element, so that it can be selected.

const MOST_ROWS = 50;

function badge(state) {
  return element("span", { className: "badge", "data-state": state }, state);
}

function measure(name, value, kind = "") {
  return element("div", {}, element("dt", {}, name), element("dd", { className: kind }, value));
}

function breakerOf({ open, half_open: halfOpen }) {
  if (open.length) return ["open", `open for ${open.length === 1 ? open[0] : `${open.length} models`}`];
  if (halfOpen.length) return ["half_open", `probing ${halfOpen.length === 1 ? halfOpen[0] : `${halfOpen.length} models`}`];
  return ["closed", "closed"];
}

function chipsOf(backend) {
  const kindOf = (model) => {
    if (backend.breakers.open.includes(model)) return ["broken", ": breaker open"];
    return backend.breakers.half_open.includes(model) ? ["probed", ": being probed"] : ["", ""];
  };
  const chips = backend.models.map((model) => {
    const [kind, words] = kindOf(model);
    return element("li", { className: kind }, model, ...(words ? [element("span", { className: "unseen" }, words)] : []));
  });
  const more = backend.model_count - backend.models.length;
  if (more > 0) chips.push(element("li", { className: "more" }, `and ${wholeNumbers.format(more)} more`));
  if (backend.model_count === null) chips.push(element("li", { className: "more" }, "Its list was not read yet, or depends on the key."));
  if (backend.model_count === 0) chips.push(element("li", { className: "more" }, "It lists none."));
  return chips;
}

function backendCard(backend) {
  const [state, words] = breakerOf(backend.breakers);
  return element(
    "li",
    { className: "backend" },
    element("header", {}, element("h3", {}, backend.name), badge(backend.status)),
    element(
      "dl",
      { className: "measures" },
      measure("Probe", asSeconds(backend.latency_ms === null ? null : backend.latency_ms / 1000)),
      measure("In flight", asNumber(backend.in_flight)),
      measure("Breaker", words, `breaker-${state}`),
    ),
    element("ul", { className: "chips", "aria-label": `Models of ${backend.name}` }, ...chipsOf(backend)),
  );
}

const drawnBackends = new Map();

function drawBackends(backends) {
  const cards = backends.map((backend) => {
    const text = JSON.stringify(backend);
    const drawn = drawnBackends.get(backend.name);
    if (drawn?.text === text) return drawn.card;
    const card = backendCard(backend);
    drawnBackends.set(backend.name, { text, card });
    return card;
  });
  keepInOrder(byId("backends"), cards);
}

function keepInOrder(list, wanted) {
  const kept = new Set(wanted);
  for (const child of [...list.children]) if (!kept.has(child)) child.remove();
  wanted.forEach((child, at) => {
    if (list.children[at] !== child) list.insertBefore(child, list.children[at] ?? null);
  });
}

function outcomeOf({ status, error }) {
  if (status === null) return ["running", "running"];
  if (error === null && status < 400) return ["good", String(status)];
  return [status >= 400 && status < 500 ? "warn" : "bad", String(status)];
}

function requestRow(request) {
  const [state, words] = outcomeOf(request);
  const number = (text) => element("td", { className: "number" }, text);
  const line = (text, kind) => element("div", { className: kind, title: text ?? "" }, text ?? NOTHING);
  return element(
    "tr",
    {},
    element("td", {}, element("time", { dateTime: new Date(request.began_s * 1000).toISOString() }, asClock(request.began_s))),
    element("td", {}, element("span", { className: "badge", "data-state": state }, words), line(request.error ?? "", "under")),
    element("td", {}, line(`${request.method} ${request.route}`, "name"), line(request.id, "under mono")),
    element("td", {}, line(request.model, "name"), line(request.backend, "under")),
    number(asSeconds(request.first_chunk_s)),
    number(asSeconds(request.duration_s)),
    number(asNumber(request.output_tokens)),
    number(asNumber(request.attempts)),
  );
}

let drawnRows = new Map();

function drawRecent(requests) {
  const rows = new Map();
  for (const request of requests.slice(0, MOST_ROWS)) {
    const text = JSON.stringify(request);
    const name = `${request.id} ${request.began_s}`;
    const drawn = drawnRows.get(name);
    rows.set(name, drawn?.text === text ? drawn : { text, row: requestRow(request) });
  }
  drawnRows = rows;
  keepInOrder(byId("recent"), [...rows.values()].map(({ row }) => row));
  byId("recent-empty").hidden = rows.size > 0;
}
