"use strict";
// One message = one frame with its boxes. The picture is decoded first, then picture and boxes change together.

const data = JSON.parse(document.getElementById("data").textContent);
const language = data.language;
const at = (id) => document.getElementById(id);
const word = (key, fields = {}) =>
  data.words[key][language].replace(/\{(\w+)\}/g, (_, name) => fields[name]);
const label = (name) => (data.labels[name] || {})[language] || name;

const HOLD_MS = 700; // a hint that flickers is not read
const ICONS = {
  ok: "camera", hold_still: "hold_still", too_blurry: "too_blurry", too_dark: "too_dark", too_bright: "too_bright",
  glare: "glare", no_verdict: "wait", other: "wait", idle: "person", asking: "ask", refused: "stop",
  paused: "alert",
};
const KINDS = { ok: "wait", no_verdict: "wait", other: "wait", idle: "wait", asking: "advice", refused: "halt", paused: "halt" };

document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
document.title = word("app.title");
for (const each of document.querySelectorAll("[data-word]")) each.textContent = word(each.dataset.word);
at("language").href = `?lang=${language === "zh" ? "en" : "zh"}`;
at("model").textContent = data.model;
at("picture").setAttribute("aria-label", word("app.live"));
at("banner").textContent = word(data.status === "research" ? "banner.research" : "banner.screening");
at("covers").textContent = word("found.covers", { labels: Object.keys(data.labels).map(inList).join(language === "zh" ? "、" : ", ") });

// Inside a sentence a label begins small; Chinese has no capitals.
function inList(name) {
  const text = label(name);
  return text.charAt(0).toLowerCase() + text.slice(1);
}

const hint = { shown: "", since: -HOLD_MS };

function showHint(key, now) {
  const isUrgent = ["refused", "asking", "idle", "paused"].includes(key); // this is told at once
  if (key === hint.shown || (now - hint.since < HOLD_MS && !isUrgent)) return;
  hint.shown = key;
  hint.since = now;
  const line = at("hint");
  line.dataset.kind = KINDS[key] || "advice";
  line.querySelector("use").setAttribute("href", `#${ICONS[key] || "alert"}`);
  line.querySelector("span").textContent = word(`hint.${key in ICONS ? key : "other"}`);
}

function svg(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function draw(frame, image) {
  const [width, height] = frame.size_px;
  const canvas = at("picture");
  if (canvas.width !== image.naturalWidth || canvas.height !== image.naturalHeight) {
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    at("stage").style.setProperty("--ratio", width / height);
  }
  at("boxes").setAttribute("viewBox", `0 0 ${width} ${height}`);
  canvas.getContext("2d").drawImage(image, 0, 0);
  const shapes = [];
  const labels = [];
  for (const box of frame.boxes) {
    const [left, top, right, bottom] = box.box_px;
    const kind = box.tier ? "kept" : "looking";
    const group = svg("g", { class: kind });
    for (const name of ["box-edge", "box-line"]) {
      group.append(svg("rect", { class: name, x: left, y: top, width: right - left, height: bottom - top, rx: 10 }));
    }
    shapes.push(group);
    const text = document.createElement("span");
    const isAbove = top > height * 0.12;
    text.className = `label ${kind} ${isAbove ? "above" : "below"}`;
    text.textContent = box.tier ? word("found.saved", { label: label(box.label) }) : word("found.looking");
    if (left + right < width) text.style.left = `${(100 * left) / width}%`;
    else text.style.right = `${100 - (100 * right) / width}%`;
    text.style.top = `${(100 * (isAbove ? top : Math.min(bottom, height * 0.85))) / height}%`;
    labels.push(text);
  }
  at("boxes").replaceChildren(...shapes);
  at("labels").replaceChildren(...labels);
  keepApart(labels);
}

// Words of lesions that lie close must not cover one another: the later one moves down, past those in its way.
function keepApart(labels) {
  const taken = [];
  for (const text of labels) {
    const own = text.getBoundingClientRect();
    let moved = 0;
    const inWay = (other) =>
      own.left < other.right && other.left < own.right && own.top + moved < other.bottom && other.top < own.bottom + moved;
    for (let other = taken.find(inWay); other; other = taken.find(inWay)) moved = other.bottom + 2 - own.top;
    text.style.marginTop = `${moved}px`;
    taken.push({ left: own.left, right: own.right, top: own.top + moved, bottom: own.bottom + moved });
  }
}

function blank() {
  const canvas = at("picture");
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  at("boxes").replaceChildren();
  at("labels").replaceChildren();
}

function showResults(results, encounter, isLooking) {
  const counts = new Map();
  for (const each of results) {
    const key = `${each.label} ${each.tier}`;
    counts.set(key, { ...each, count: (counts.get(key)?.count || 0) + 1 });
  }
  at("results").replaceChildren(...[...counts.values()].map((each) => {
    const item = document.createElement("li");
    for (const [name, text] of [["b", each.count], ["strong", label(each.label)], ["span", word(`tier.${each.tier}`)]]) {
      item.append(Object.assign(document.createElement(name), { textContent: text }));
    }
    return item;
  }));
  let none = "–";
  if (encounter === "screening") none = word(isLooking ? "found.none_yet" : "found.none");
  at("none").textContent = none;
  at("none").hidden = counts.size > 0;
}

function showStatus(status) {
  const problem = at("problem");
  problem.hidden = !status.problem;
  problem.title = status.detail;
  if (status.problem) problem.querySelector("span").textContent = word(`problem.${status.problem}`);
  document.body.classList.toggle("has-problem", Boolean(status.problem));
  if (status.problem) showHint("paused", performance.now());
  const veil = at("connecting");
  veil.hidden = !status.problem && picture.drawn;
  veil.textContent = status.problem ? "" : word("app.connecting");
  const keeping = !status.provisioned ? "nothing" : status.backlog ? "waiting" : "all_sent";
  at("keeping").textContent = word(`keeping.${keeping}`, { count: status.backlog });
  at("link").textContent = status.provisioned ? word(status.connected ? "keeping.online" : "keeping.offline") : "";
  at("quarantined").hidden = !status.quarantined;
  at("quarantined").textContent = word("keeping.quarantined", { count: status.quarantined });
}

const picture = { drawn: false, busy: false };

async function take(message) {
  showStatus(message.status);
  const frame = message.frame;
  if (!frame || picture.busy) return;
  picture.busy = true;
  try {
    if (frame.jpeg) {
      const image = new Image();
      image.src = `data:image/jpeg;base64,${frame.jpeg}`;
      await image.decode();
      draw(frame, image);
    } else {
      blank();
    }
    picture.drawn = true;
    document.body.dataset.sequence = frame.sequence;
    at("encounter").textContent = word(`encounter.${frame.encounter}`);
    showResults(frame.results, frame.encounter, frame.boxes.some((box) => !box.tier));
    let key = frame.accepted ? "ok" : frame.hint || "other";
    if (frame.encounter !== "screening") key = frame.encounter;
    if (!message.status.problem) showHint(key, performance.now());
  } finally {
    picture.busy = false;
  }
}

const events = new EventSource("/events");
events.onmessage = (event) => take(JSON.parse(event.data));
events.onerror = () => {
  at("connecting").hidden = false;
  at("connecting").textContent = word("app.lost");
};
