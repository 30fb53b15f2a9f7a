"use strict";

// Elements and numbers as people read them. Text always becomes text nodes: nothing that was answered is ever markup.

const byId = (id) => document.getElementById(id);

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function shape(name, attributes = {}) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// Writing only what is new keeps a reader's selection, and its screen reader quiet.
function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

const NOTHING = "–";
const wholeNumbers = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

function asNumber(value) {
  if (value === null || value === undefined) return NOTHING;
  if (value === 0 || value >= 100) return wholeNumbers.format(value);
  return String(Number(value.toPrecision(value < 1 ? 2 : 3)));
}

function asSeconds(value) {
  if (value === null || value === undefined) return NOTHING;
  if (value < 0.9995) return `${value < 0.01 ? Number((value * 1000).toFixed(1)) : Math.round(value * 1000)} ms`;
  if (value < 59.95) return `${value < 9.995 ? value.toFixed(2) : value.toFixed(1)} s`;
  return asSpan(value);
}

function asSpan(seconds) {
  const whole = Math.round(seconds);
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = parts.findIndex(([size]) => whole >= size);
  if (first < 0) return "0 s";
  const [size, unit] = parts[first];
  const next = parts[first + 1];
  const rest = next ? Math.floor((whole % size) / next[0]) : 0;
  return `${Math.floor(whole / size)} ${unit}${rest ? ` ${rest} ${next[1]}` : ""}`;
}

function asClock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString("en-GB");
}
