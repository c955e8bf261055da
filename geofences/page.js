"use strict";
// The map of a file of fences: Web Mercator drawn on a canvas. Nothing is fetched; names are only ever set as text.
const data = JSON.parse(document.getElementById("data").textContent);
const canvas = document.getElementById("map");
const pen = canvas.getContext("2d");
const hint = document.getElementById("hint");
const COLOURS = ["#d1495b", "#2f7fd1", "#3a9d5d", "#c77d0a", "#8459c9", "#128f8b", "#b8478f", "#6d7a1f"];
const EARTH_M = 40075016.686;
const HIGHEST = 85.0511;

const mercatorX = (lon) => lon / 360 + 0.5;
const mercatorY = (lat) => {
  const clamped = Math.max(-HIGHEST, Math.min(HIGHEST, lat)) * Math.PI / 180;
  return 0.5 - Math.asinh(Math.tan(clamped)) / (2 * Math.PI);
};
const latitudeOf = (y) => Math.atan(Math.sinh((0.5 - y) * 2 * Math.PI)) * 180 / Math.PI;

// A ring is [lon, lat, step, step, ...] in millionths of a degree, each pair but the first from the one before.
function unpack(ring) {
  const points = new Float64Array(ring.length);
  let lon = 0, lat = 0;
  for (let i = 0; i < ring.length; i += 2) {
    lon += ring[i]; lat += ring[i + 1];
    points[i] = mercatorX(lon / 1e6); points[i + 1] = mercatorY(lat / 1e6);
  }
  return points;
}
const fences = data.fences.map(([id, name, kind, says, rings]) => {
  const fence = { id, name, kind, says, rings: rings.map(unpack), west: Infinity, north: Infinity, east: -Infinity, south: -Infinity };
  for (const ring of fence.rings) {
    for (let i = 0; i < ring.length; i += 2) {
      fence.west = Math.min(fence.west, ring[i]); fence.east = Math.max(fence.east, ring[i]);
      fence.north = Math.min(fence.north, ring[i + 1]); fence.south = Math.max(fence.south, ring[i + 1]);
    }
  }
  return fence;
});
const kinds = [...new Set(fences.map((fence) => fence.kind))].sort();
const colourOf = new Map(kinds.map((kind, i) => [kind, COLOURS[i % COLOURS.length]]));
const hidden = new Set();

// x, y: the middle of the window on a world of side 1; k: pixels to that side.
const view = { x: 0.5, y: 0.5, k: 512 };
let width = 0, height = 0, lit = [], waiting = false;

function extentOf(list, shift) {
  let west = Infinity, east = -Infinity, north = Infinity, south = -Infinity;
  for (const fence of list) {
    const turn = shift && fence.east <= 0.5 ? 1 : 0;
    west = Math.min(west, fence.west + turn); east = Math.max(east, fence.east + turn);
    north = Math.min(north, fence.north); south = Math.max(south, fence.south);
  }
  return { west, east, north, south };
}
function showAll(list) {
  if (!list.length) return;
  // Across the antimeridian the way round may be the shorter one.
  const plain = extentOf(list, false), turned = extentOf(list, true);
  const box = turned.east - turned.west < plain.east - plain.west ? turned : plain;
  view.x = (box.west + box.east) / 2; view.y = (box.north + box.south) / 2;
  const span = Math.max((box.east - box.west) / (width * 0.86), (box.south - box.north) / (height * 0.86), 1e-9);
  view.k = Math.min(1 / span, EARTH_M * 20);
  redraw();
}
function zoomBy(factor, px, py) {
  const x = view.x + (px - width / 2) / view.k, y = view.y + (py - height / 2) / view.k;
  view.k = Math.max(128, Math.min(view.k * factor, EARTH_M * 50));
  view.x = x - (px - width / 2) / view.k; view.y = y - (py - height / 2) / view.k;
  redraw();
}
function redraw() {
  if (!waiting) { waiting = true; requestAnimationFrame(draw); }
}
function draw() {
  waiting = false;
  view.x -= Math.floor(view.x); view.y = Math.max(0, Math.min(1, view.y));
  const ink = getComputedStyle(document.documentElement).getPropertyValue("--ink");
  const line = getComputedStyle(document.documentElement).getPropertyValue("--line");
  pen.clearRect(0, 0, width, height);
  drawGraticule(ink, line);
  const left = view.x - width / 2 / view.k, right = view.x + width / 2 / view.k;
  const top = view.y - height / 2 / view.k, bottom = view.y + height / 2 / view.k;
  for (let turn = Math.floor(left); turn <= Math.floor(right); turn++) {
    for (const fence of fences) {
      if (hidden.has(fence.kind) || fence.east + turn < left || fence.west + turn > right || fence.south < top || fence.north > bottom) continue;
      drawFence(fence, turn, lit.includes(fence));
    }
  }
  drawScale(ink);
}
function drawFence(fence, turn, isLit) {
  const { k } = view, ox = width / 2 + (turn - view.x) * k, oy = height / 2 - view.y * k;
  pen.fillStyle = pen.strokeStyle = colourOf.get(fence.kind);
  if ((fence.east - fence.west) * k < 4 && (fence.south - fence.north) * k < 4) {
    const size = isLit ? 9 : 4;
    pen.globalAlpha = 0.9;
    pen.fillRect((fence.west + fence.east) / 2 * k + ox - size / 2, (fence.north + fence.south) / 2 * k + oy - size / 2, size, size);
    pen.globalAlpha = 1;
    return;
  }
  pen.beginPath();
  for (const ring of fence.rings) {
    let lastX = Infinity, lastY = Infinity;
    for (let i = 0; i < ring.length; i += 2) {
      const x = ring[i] * k + ox, y = ring[i + 1] * k + oy;
      if (i === 0) pen.moveTo(x, y);
      // Vertices nearer than half a pixel are not seen.
      else if (Math.abs(x - lastX) + Math.abs(y - lastY) < 0.5) continue;
      else pen.lineTo(x, y);
      lastX = x; lastY = y;
    }
    pen.closePath();
  }
  pen.globalAlpha = isLit ? 0.6 : 0.28;
  pen.fill("evenodd");
  pen.globalAlpha = 1;
  pen.lineWidth = isLit ? 2.5 : 1.2;
  pen.stroke();
}
function drawGraticule(ink, line) {
  const wanted = 110 / view.k * 360;
  const steps = [30, 15, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001, 0.00005, 0.00002, 0.00001];
  const step = steps.find((_, i) => steps[i + 1] === undefined || steps[i + 1] < wanted) || 30;
  const digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
  pen.strokeStyle = line; pen.fillStyle = ink; pen.lineWidth = 1; pen.font = "11px system-ui, sans-serif";
  const west = (view.x - width / 2 / view.k - 0.5) * 360, east = (view.x + width / 2 / view.k - 0.5) * 360;
  for (let n = Math.ceil(west / step); n * step <= east; n++) {
    const x = (mercatorX(n * step) - view.x) * view.k + width / 2;
    rule(x, 0, x, height);
    const lon = ((n * step + 180) % 360 + 360) % 360 - 180;
    pen.fillText(`${Math.abs(lon).toFixed(digits)}\u00b0${lon < 0 ? "W" : lon > 0 ? "E" : ""}`, x + 3, height - 6);
  }
  const north = latitudeOf(Math.max(0, view.y - height / 2 / view.k)), south = latitudeOf(Math.min(1, view.y + height / 2 / view.k));
  for (let n = Math.ceil(south / step); n * step <= north; n++) {
    const lat = n * step, y = (mercatorY(lat) - view.y) * view.k + height / 2;
    rule(0, y, width, y);
    const label = `${Math.abs(lat).toFixed(digits)}\u00b0${lat < 0 ? "S" : lat > 0 ? "N" : ""}`;
    pen.fillText(label, width - 6 - pen.measureText(label).width, y - 3);
  }
}
function rule(x1, y1, x2, y2) {
  pen.beginPath(); pen.moveTo(x1, y1); pen.lineTo(x2, y2); pen.stroke();
}
function drawScale(ink) {
  const metres = Math.cos(latitudeOf(view.y) * Math.PI / 180) * EARTH_M / view.k;
  const power = 10 ** Math.floor(Math.log10(metres * 150));
  const length = [5, 2, 1].map((n) => n * power).find((n) => n <= metres * 150) || power;
  const px = length / metres, x = 16, y = height - 26;
  pen.strokeStyle = pen.fillStyle = ink; pen.lineWidth = 2;
  pen.beginPath(); pen.moveTo(x, y - 6); pen.lineTo(x, y); pen.lineTo(x + px, y); pen.lineTo(x + px, y - 6); pen.stroke();
  pen.font = "12px system-ui, sans-serif";
  pen.fillText(length >= 1000 ? `${length / 1000} km` : `${length} m`, x + 4, y - 8);
}

function holds(fence, x, y) {
  let inside = false;
  for (const ring of fence.rings) {
    for (let i = 0, j = ring.length - 2; i < ring.length; j = i, i += 2) {
      if ((ring[i + 1] > y) !== (ring[j + 1] > y) && x < (ring[j] - ring[i]) * (y - ring[i + 1]) / (ring[j + 1] - ring[i + 1]) + ring[i]) inside = !inside;
    }
  }
  return inside;
}
function at(px, py) {
  const slack = 4 / view.k, y = view.y + (py - height / 2) / view.k;
  let x = view.x + (px - width / 2) / view.k;
  x -= Math.floor(x);
  return fences.filter((fence) => {
    if (hidden.has(fence.kind) || x < fence.west - slack || x > fence.east + slack || y < fence.north - slack || y > fence.south + slack) return false;
    return (fence.east - fence.west) * view.k < 8 || holds(fence, x, y);
  });
}
function point(px, py) {
  const found = at(px, py), same = found.length === lit.length && found.every((fence, i) => fence === lit[i]);
  lit = found;
  hint.replaceChildren(...found.slice(0, 8).map((fence) => {
    const entry = document.createElement("div"), more = document.createElement("small");
    entry.textContent = fence.name;
    more.textContent = `${fence.id} \u00b7 ${fence.says}`;
    entry.append(more);
    return entry;
  }));
  if (found.length > 8) hint.append(`and ${found.length - 8} more`);
  hint.style.display = found.length ? "block" : "none";
  hint.style.left = `${Math.min(px + 14, width - 340)}px`;
  hint.style.top = `${Math.max(0, Math.min(py + 14, height - hint.offsetHeight - 8))}px`;
  if (!same) redraw();
}

const held = new Map();
canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); held.set(event.pointerId, event); });
for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => held.delete(event.pointerId));
canvas.addEventListener("pointerleave", () => point(-1e6, -1e6));
canvas.addEventListener("pointermove", (event) => {
  const before = held.get(event.pointerId);
  if (!before) { point(event.clientX, event.clientY); return; }
  const other = [...held.entries()].find(([id]) => id !== event.pointerId);
  if (other) {
    const gap = (one) => Math.hypot(one.clientX - other[1].clientX, one.clientY - other[1].clientY) || 1;
    zoomBy(gap(event) / gap(before), (event.clientX + other[1].clientX) / 2, (event.clientY + other[1].clientY) / 2);
  } else {
    view.x -= (event.clientX - before.clientX) / view.k; view.y -= (event.clientY - before.clientY) / view.k;
    redraw();
  }
  held.set(event.pointerId, event);
});
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoomBy(2 ** (-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), event.clientX, event.clientY);
}, { passive: false });
canvas.addEventListener("dblclick", (event) => zoomBy(2, event.clientX, event.clientY));
canvas.addEventListener("keydown", (event) => {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (event.key in moves) { view.x += moves[event.key][0] * 60 / view.k; view.y += moves[event.key][1] * 60 / view.k; redraw(); }
  else if (event.key === "+" || event.key === "=") zoomBy(1.5, width / 2, height / 2);
  else if (event.key === "-") zoomBy(1 / 1.5, width / 2, height / 2);
  else if (event.key === "0") showAll(fences);
});
document.getElementById("in").addEventListener("click", () => zoomBy(1.6, width / 2, height / 2));
document.getElementById("out").addEventListener("click", () => zoomBy(1 / 1.6, width / 2, height / 2));
document.getElementById("all").addEventListener("click", () => showAll(fences));

for (const kind of kinds) {
  const label = document.createElement("label"), box = document.createElement("input"), swatch = document.createElement("i");
  box.type = "checkbox"; box.checked = true;
  box.addEventListener("change", () => { box.checked ? hidden.delete(kind) : hidden.add(kind); redraw(); });
  swatch.style.background = colourOf.get(kind);
  label.append(box, swatch, `${kind} (${fences.filter((fence) => fence.kind === kind).length.toLocaleString("en")})`);
  document.getElementById("kinds").append(label);
}
document.getElementById("search").addEventListener("input", (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  const found = wanted ? fences.filter((fence) => `${fence.name}\n${fence.id}`.toLowerCase().includes(wanted)) : [];
  document.getElementById("found").replaceChildren(...found.slice(0, 12).map((fence) => {
    const button = document.createElement("button");
    button.textContent = fence.name;
    button.addEventListener("click", () => { lit = [fence]; showAll([fence]); });
    return button;
  }));
});

function resize() {
  const ratio = window.devicePixelRatio || 1;
  width = window.innerWidth; height = window.innerHeight;
  canvas.width = width * ratio; canvas.height = height * ratio;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  redraw();
}
window.addEventListener("resize", resize);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
resize();
showAll(fences);
