"use strict";

// One small plot: an area over time, drawn anew a second. Points are {at, value}; a value of null is a gap.

const WINDOW_S = 120;
const LONGEST_JOIN_S = 3;

function niceCeiling(value, least) {
  const wanted = Math.max(value, least);
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((each) => wanted <= each * power * 1.0001);
  return step * power;
}

class Plot {
  constructor({ label, format, least }) {
    this.format = format;
    this.label = label;
    this.least = least;
    this.svg = shape("svg", { class: "plot", role: "img", "aria-label": label });
    this.points = [];
    this.now = 0;
    this.pointer = null;
    this.onRead = () => {};
    this.svg.addEventListener("pointermove", (event) => this.point(event.offsetX));
    this.svg.addEventListener("pointerleave", () => this.point(null));
    new ResizeObserver(() => this.draw()).observe(this.svg);
  }

  show(points, now) {
    this.points = points.filter((point) => now - point.at <= WINDOW_S);
    this.now = now;
    this.draw();
  }

  point(x) {
    this.pointer = x;
    this.draw();
  }

  draw() {
    const { width, height } = this.svg.getBoundingClientRect();
    if (!width || !this.now) return;
    const known = this.points.filter((point) => point.value !== null);
    const highest = known.reduce((most, point) => Math.max(most, point.value), 0);
    const top = niceCeiling(highest, this.least);
    const frame = { left: 0, right: width - 4, top: 14, bottom: height - 16 };
    const x = (at) => frame.right - ((this.now - at) / WINDOW_S) * (frame.right - frame.left);
    const y = (value) => frame.bottom - (value / top) * (frame.bottom - frame.top);
    const drawn = [...this.axes(frame, top, width), ...this.curves(known, x, y, frame)];
    this.svg.replaceChildren(...drawn, ...this.reading(known, x, y, frame));
    this.describe(known, highest);
  }

  axes(frame, top, width) {
    const line = (at, kind) => shape("line", { class: kind, x1: frame.left, x2: width, y1: at + 0.5, y2: at + 0.5 });
    const text = (content, attributes) => {
      const made = shape("text", attributes);
      made.textContent = content;
      return made;
    };
    const middle = Math.round((frame.top + frame.bottom) / 2);
    return [
      line(Math.round(frame.top), "grid"),
      line(middle, "grid"),
      line(Math.round(frame.bottom), "floor"),
      text(this.format(top), { x: frame.left, y: frame.top - 4 }),
      text("2 min ago", { x: frame.left, y: frame.bottom + 13 }),
      text("now", { x: width, y: frame.bottom + 13, "text-anchor": "end" }),
    ];
  }

  curves(known, x, y, frame) {
    const runs = [];
    for (const point of known) {
      const run = runs.at(-1);
      if (run && point.at - run.at(-1).at <= LONGEST_JOIN_S) run.push(point);
      else runs.push([point]);
    }
    const drawn = runs.flatMap((run) => (run.length > 1 ? this.run(run, x, y, frame) : [this.dot(run[0], x, y, "dot", 2)]));
    const last = known.at(-1);
    if (last && this.now - last.at <= LONGEST_JOIN_S) drawn.push(this.dot(last, x, y, "latest", 4));
    return drawn;
  }

  run(run, x, y, frame) {
    const path = run.map((point) => `${x(point.at).toFixed(1)},${y(point.value).toFixed(1)}`).join("L");
    const ends = [x(run.at(-1).at), x(run[0].at)].map((at) => `${at.toFixed(1)},${frame.bottom}`);
    return [
      shape("path", { class: "area", d: `M${path}L${ends.join("L")}Z` }),
      shape("path", { class: "curve", d: `M${path}` }),
    ];
  }

  dot(point, x, y, kind, radius) {
    return shape("circle", { class: kind, cx: x(point.at).toFixed(1), cy: y(point.value).toFixed(1), r: radius });
  }

  reading(known, x, y, frame) {
    if (this.pointer === null || !known.length) {
      this.onRead(null);
      return [];
    }
    const distance = (point) => Math.abs(x(point.at) - this.pointer);
    const nearest = known.reduce((best, point) => (distance(point) < distance(best) ? point : best));
    this.onRead(nearest, this.now - nearest.at);
    const at = x(nearest.at).toFixed(1);
    return [
      shape("line", { class: "cross", x1: at, x2: at, y1: frame.top, y2: frame.bottom }),
      this.dot(nearest, x, y, "latest", 4),
    ];
  }

  describe(known, highest) {
    const latest = known.length ? this.format(known.at(-1).value) : "nothing";
    const text = known.length ? `latest ${latest}, highest ${this.format(highest)}` : "nothing yet";
    this.svg.setAttribute("aria-label", `${this.label}, the last two minutes: ${text}`);
  }
}
