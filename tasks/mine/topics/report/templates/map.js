(() => {
"use strict";
const source = document.getElementById("map-data");
const canvas = document.getElementById("map-canvas");
if (!source || !canvas || !canvas.getContext) return;
const data = JSON.parse(source.textContent);
const pen = canvas.getContext("2d");
const tip = document.getElementById("map-tip");
const found = document.getElementById("map-found");
const buttons = [...document.querySelectorAll("#map-legend button")];
const count = data.x.length, edge = 9999, far = 60;
const [left, top, right, bottom] = data.frame;
const colourOf = new Map(data.legend.map((entry) => [entry.number, entry.colour]));
const group = data.topic.map((place) => data.groups[place]);
const lower = data.texts.map((text) => text.toLowerCase());
const chosen = new Set();
let view = { scale: 1, x: (left + right) / 2, y: (top + bottom) / 2 };
let matches = null, hovered = -1, preview = -1, by = "topic", size = { w: 0, h: 0, fit: 1 }, palette = {}, waiting = false;

document.documentElement.classList.add("js");

function readPalette() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  palette = { ink: read("--ink"), soft: read("--soft"), card: read("--card"), hues: [] };
  for (let i = 0; i < 9; i += 1) palette.hues.push(read("--c" + i));
  palette.font = "600 12px " + getComputedStyle(document.body).fontFamily;
}

function measure() {
  const box = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(box.width * ratio));
  canvas.height = Math.max(1, Math.round(box.height * ratio));
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  size = { w: box.width, h: box.height, fit: Math.min(box.width / (right - left || 1), box.height / (bottom - top || 1)) };
}

const zoom = () => size.fit * view.scale;
const screenX = (x) => (x - view.x) * zoom() + size.w / 2;
const screenY = (y) => (y - view.y) * zoom() + size.h / 2;

function hue(i) {
  if (by === "label") return data.label[i] >= data.labels.length - 1 ? 8 : Math.min(data.label[i], 8);
  if (by === "unusual") return data.flagged[i] ? 1 : 8;
  return colourOf.get(group[i]) ?? 8;
}

function shown(i) {
  const wanted = preview >= 0 ? group[i] === preview : !chosen.size || chosen.has(group[i]);
  return wanted && (!matches || matches.has(data.text[i]));
}

function draw() {
  waiting = false;
  pen.clearRect(0, 0, size.w, size.h);
  const radius = Math.min(5, (count > 8000 ? 1.5 : 2.2) * Math.sqrt(view.scale));
  const narrowed = preview >= 0 || chosen.size > 0 || matches !== null;
  const layers = Array.from({ length: 10 }, () => []);
  for (let i = 0; i < count; i += 1) layers[shown(i) ? 1 + (8 - hue(i)) : 0].push(i);
  layers.forEach((points, layer) => {
    pen.fillStyle = pen.strokeStyle = layer === 0 ? palette.hues[8] : palette.hues[9 - layer];
    pen.globalAlpha = layer === 0 ? 0.13 : narrowed ? 0.9 : 0.68;
    dots(points, narrowed && layer > 0 ? radius + 0.7 : radius);
  });
  pen.globalAlpha = 1;
  if (by === "topic") names();
  if (hovered >= 0) ring(hovered, radius + 4);
}

function circle(x, y, radius) {
  pen.lineWidth = 1.2;
  pen.beginPath();
  pen.arc(x, y, radius, 0, 6.2832);
  pen.stroke();
}

function dots(points, radius) {
  const round = radius > 1.9;
  for (const i of points) {
    const x = screenX(data.x[i]), y = screenY(data.y[i]);
    if (x < -9 || y < -9 || x > size.w + 9 || y > size.h + 9) continue;
    if (data.outlier[i]) { circle(x, y, radius + 1.4); continue; }
    if (!round) { pen.fillRect(x - radius, y - radius, 2 * radius, 2 * radius); continue; }
    pen.beginPath();
    pen.arc(x, y, radius, 0, 6.2832);
    pen.fill();
  }
}

function names() {
  const taken = [];
  pen.font = palette.font;
  pen.textAlign = "center";
  pen.lineWidth = 4;
  pen.lineJoin = "round";
  for (const entry of data.legend) {
    const some = preview >= 0 || chosen.size > 0;
    const picked = preview >= 0 ? entry.number === preview : chosen.has(entry.number);
    if (some && !picked) continue;
    const name = entry.name.length > 34 ? entry.name.slice(0, 33) + "…" : entry.name;
    const half = pen.measureText(name).width / 2 + 3;
    const x = Math.min(Math.max(screenX(entry.x), half), size.w - half), y = screenY(entry.y);
    if (y < 8 || y > size.h || screenX(entry.x) < -half || screenX(entry.x) > size.w + half) continue;
    if (taken.some((box) => Math.abs(box.x - x) < box.half + half && Math.abs(box.y - y) < 18)) continue;
    taken.push({ x, y, half });
    pen.strokeStyle = palette.card;
    pen.strokeText(name, x, y);
    pen.fillStyle = picked || entry.colour < 8 ? palette.ink : palette.soft;
    pen.fillText(name, x, y);
  }
}

function ring(i, radius) {
  pen.strokeStyle = palette.ink;
  pen.lineWidth = 1.8;
  pen.beginPath();
  pen.arc(screenX(data.x[i]), screenY(data.y[i]), radius, 0, 6.2832);
  pen.stroke();
}

function redraw() {
  if (!waiting) { waiting = true; requestAnimationFrame(draw); }
}

function nearest(x, y) {
  let best = -1, distance = 14 * 14;
  for (let i = 0; i < count; i += 1) {
    const dx = screenX(data.x[i]) - x, dy = screenY(data.y[i]) - y;
    const d = dx * dx + dy * dy;
    if (d < distance && shown(i)) { distance = d; best = i; }
  }
  return best;
}

function line(text, kind) {
  const p = document.createElement(kind);
  p.dir = "auto";
  p.textContent = text;
  return p;
}

function point(x, y) {
  const i = nearest(x, y);
  if (i === hovered) return;
  hovered = i;
  tip.hidden = i < 0;
  if (i >= 0) {
    const facts = [data.topics[data.topic[i]], data.partitions[data.partition[i]], data.labels[data.label[i]]];
    if (data.outlier[i]) facts.push("like no others");
    if (data.flagged[i]) facts.push("unusual");
    tip.replaceChildren(line(data.texts[data.text[i]], "p"), line(facts.filter(Boolean).join(" · "), "small"));
    const left = screenX(data.x[i]), top = screenY(data.y[i]);
    const right = left + 16 + tip.offsetWidth > size.w ? left - 14 - tip.offsetWidth : left + 14;
    tip.style.left = Math.max(4, Math.min(right, size.w - tip.offsetWidth - 4)) + "px";
    tip.style.top = (top + 18 + tip.offsetHeight > size.h ? Math.max(4, top - 14 - tip.offsetHeight) : top + 14) + "px";
  }
  redraw();
}

function scaleAt(factor, x, y) {
  const least = Math.min(1, Math.min(size.w, size.h) / (edge * 1.05) / size.fit);
  const dx = (x - size.w / 2) / zoom(), dy = (y - size.h / 2) / zoom(), before = view.scale;
  view.scale = Math.min(far, Math.max(least, before * factor));
  centre(view.x + dx * (1 - before / view.scale), view.y + dy * (1 - before / view.scale));
}

function centre(x, y) {
  view.x = Math.max(0, Math.min(edge, x));
  view.y = Math.max(0, Math.min(edge, y));
  hide();
}

function home() {
  view.scale = 1;
  centre((left + right) / 2, (top + bottom) / 2);
}

const move = (dx, dy) => centre(view.x - dx / zoom(), view.y - dy / zoom());

function hide() {
  hovered = -1;
  tip.hidden = true;
  redraw();
}

const fingers = new Map();
const gap = () => {
  const [a, b] = [...fingers.values()];
  return Math.hypot(a.x - b.x, a.y - b.y);
};

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
});
canvas.addEventListener("pointermove", (event) => {
  const last = fingers.get(event.pointerId);
  const now = { x: event.offsetX, y: event.offsetY };
  if (!last) { point(now.x, now.y); return; }
  const before = fingers.size === 2 ? gap() : 0;
  fingers.set(event.pointerId, now);
  if (fingers.size === 2) {
    const [a, b] = [...fingers.values()];
    scaleAt(gap() / (before || 1), (a.x + b.x) / 2, (a.y + b.y) / 2);
  } else if (fingers.size === 1) move(now.x - last.x, now.y - last.y);
});
for (const name of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(name, (event) => {
    fingers.delete(event.pointerId);
    if (name === "pointerup") point(event.offsetX, event.offsetY);
  });
}
// A finger leaves as soon as it is lifted, but what it pointed at should stay readable.
canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse" && !fingers.size) hide(); });
canvas.addEventListener("dblclick", (event) => scaleAt(2, event.offsetX, event.offsetY));
// The wheel scrolls the page unless the reader has clicked into the map or holds Ctrl.
canvas.addEventListener("wheel", (event) => {
  if (!event.ctrlKey && document.activeElement !== canvas) return;
  event.preventDefault();
  scaleAt(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
}, { passive: false });
canvas.addEventListener("keydown", (event) => {
  const acts = {
    ArrowLeft: () => move(40, 0), ArrowRight: () => move(-40, 0), ArrowUp: () => move(0, 40), ArrowDown: () => move(0, -40),
    "+": () => zoomBy(1.5), "=": () => zoomBy(1.5), "-": () => zoomBy(1 / 1.5), 0: home, Escape: () => canvas.blur(),
  };
  if (event.ctrlKey || event.metaKey || !acts[event.key]) return;
  event.preventDefault();
  acts[event.key]();
});

function zoomBy(factor) {
  scaleAt(factor, size.w / 2, size.h / 2);
}

function on(id, name, act) {
  const element = document.getElementById(id);
  if (element) element.addEventListener(name, act);
}
on("map-in", "click", () => zoomBy(1.5));
on("map-out", "click", () => zoomBy(1 / 1.5));
on("map-reset", "click", () => {
  chosen.clear();
  buttons.forEach((button) => button.setAttribute("aria-pressed", "false"));
  home();
});
on("map-by", "change", (event) => { by = event.target.value; key(); redraw(); });
on("map-search", "input", (event) => {
  const words = event.target.value.toLowerCase().trim();
  matches = words ? new Set(lower.flatMap((text, place) => (text.includes(words) ? [place] : []))) : null;
  let rows = 0;
  if (matches) for (const place of data.text) rows += matches.has(place) ? 1 : 0;
  found.textContent = matches ? rows.toLocaleString("en") + " found" : "";
  hide();
});
for (const button of buttons) {
  button.addEventListener("mouseenter", () => { preview = Number(button.dataset.number); redraw(); });
  button.addEventListener("mouseleave", () => { preview = -1; redraw(); });
  button.addEventListener("click", () => {
    const number = Number(button.dataset.number);
    if (!chosen.delete(number)) chosen.add(number);
    button.setAttribute("aria-pressed", String(chosen.has(number)));
    hide();
  });
}

function key() {
  const names = data.labels.slice(0, 8).map((name, place) => [name, place]);
  if (data.labels.length > 9) names.push(["other labels", 8]);
  const entries = { topic: [], label: names.filter(([name]) => name), unusual: [["flagged as unusual", 1], ["not flagged", 8]] };
  document.getElementById("map-key").replaceChildren(...entries[by].map(([name, place]) => {
    const entry = line(" " + name + "  ", "span");
    const swatch = document.createElement("i");
    swatch.className = "swatch c" + place;
    entry.prepend(swatch);
    return entry;
  }));
}

function start() {
  readPalette();
  measure();
  redraw();
}
new ResizeObserver(start).observe(canvas);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", start);
start();
})();
