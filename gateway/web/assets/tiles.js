"use strict";

// The five numbers of the traffic, each with its plot.

const FIGURE_S = 10;
const SMOOTHED_S = 5;
const KEPT_S = 180;

const perSecond = (value) => `${asNumber(value)} /s`;

const TILES = [
  { name: "requests", title: "Requests", unit: "per second", least: 1, value: (p) => p.requests, format: perSecond },
  { name: "first", title: "Time to first token", unit: "", least: 0.01, value: (p) => p.first_chunk_s, format: asSeconds },
  { name: "tokens", title: "Output tokens", unit: "per second", least: 10, value: (p) => p.tokens, format: perSecond },
  { name: "errors", title: "Errors", unit: "per second", least: 1, value: (p) => p.errors, format: perSecond },
  { name: "flight", title: "In flight", unit: "requests", least: 4, value: (p) => p.in_flight, format: asNumber, isNow: true },
].map(makeTile);

function makeTile(spec) {
  const tile = { ...spec, figure: element("strong", {}, NOTHING), detail: element("p", { className: "detail" }) };
  tile.plot = new Plot({ label: spec.unit ? `${spec.title} ${spec.unit}` : spec.title, format: spec.format, least: spec.least });
  tile.plot.onRead = (point, ago) => {
    tile.reading = point && `${spec.format(point.value)}, ${Math.round(ago)} s ago`;
    write(tile.detail, tile.reading ?? tile.said ?? "");
  };
  const title = element("h3", {}, spec.title);
  const figure = element("p", { className: "figure" }, tile.figure, element("span", {}, spec.unit));
  byId("tiles").append(element("li", { className: "card tile", "data-plot": spec.name }, title, figure, tile.detail, tile.plot.svg));
  return tile;
}

let points = [];

function addPoints(more) {
  points = [...points, ...more];
  const oldest = (points.at(-1)?.at_s ?? 0) - KEPT_S;
  points = points.filter((point) => point.at_s >= oldest);
}

function mean(values) {
  const known = values.filter((value) => value !== null);
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}

function drawTiles(now, hasMetrics) {
  const lately = points.filter((point) => now - point.at_s <= FIGURE_S);
  for (const tile of TILES) {
    const values = lately.map(tile.value);
    const value = tile.isNow ? values.at(-1) ?? null : mean(values);
    write(tile.figure, tile.name === "first" ? asSeconds(value) : asNumber(value));
    tile.said = detailOf(tile.name, lately, hasMetrics);
    write(tile.detail, tile.reading ?? tile.said);
    tile.plot.show(tile.isNow ? curveOf(tile.value) : smoothed(curveOf(tile.value)), now);
  }
}

function curveOf(valueOf) {
  return points.map((point) => ({ at: point.at_s, value: valueOf(point) }));
}

// What happens once a second or less would be a comb of needles: each point is the mean of the seconds before it.
function smoothed(curve) {
  let from = 0;
  return curve.map(({ at, value }, to) => {
    while (curve[from].at <= at - SMOOTHED_S) from += 1;
    return { at, value: value === null ? null : mean(curve.slice(from, to + 1).map((point) => point.value)) };
  });
}

function detailOf(name, lately, hasMetrics) {
  if (!hasMetrics) return "ENABLE_METRICS is false";
  if (!lately.length) return "";
  const sum = (key) => lately.reduce((total, point) => total + point[key], 0);
  if (name === "errors" && sum("requests") > 0) return `${asNumber((100 * sum("errors")) / sum("requests"))} % of requests`;
  if (name === "flight") return lately.at(-1).waiting ? `${asNumber(lately.at(-1).waiting)} wait for their turn` : "none waits";
  const speed = mean(lately.map((point) => point.speed));
  if (name === "tokens" && speed !== null) return `${asNumber(speed)} /s within a stream`;
  if (name === "first" && mean(lately.map((point) => point.first_chunk_s)) === null) return "no stream began lately";
  return "";
}
