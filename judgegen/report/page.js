// The page's own script: filters, the list, one entry with a word diff, themes, deep links, charts.
// Texts of models reach the page as text nodes alone; what moves a cursor or turns a line around is shown, not obeyed.
"use strict";
const $ = (id) => document.getElementById(id);
const PER_PAGE = 50;
// A joiner belongs between the parts of an emoji and the letters of scripts that need it; elsewhere it hides something.
const JOINED = "[\\p{Extended_Pictographic}\\p{EMod}\\ufe0f\\p{Script=Arabic}\\p{Script=Devanagari}\\p{Script=Bengali}\\p{Script=Gujarati}\\p{Script=Gurmukhi}\\p{Script=Kannada}\\p{Script=Malayalam}\\p{Script=Oriya}\\p{Script=Sinhala}\\p{Script=Tamil}\\p{Script=Telugu}\\p{Script=Khmer}\\p{Script=Myanmar}]";
const RAW = new RegExp("[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u061c\\u200b\\u200e\\u200f\\u202a-\\u202e\\u2060-\\u2069\\ufeff]" + `|(?<!${JOINED})[\\u200c\\u200d]|[\\u200c\\u200d](?!${JOINED})`, "gu");
const root = document.documentElement;
let entries = [], found = [], page = 0, open = null, marked = true;

// ---- what is shown -------------------------------------------------------------------------------------------------
function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null && value !== undefined) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
function shown(text, into) {
  let at = 0;
  for (const hit of text.matchAll(RAW)) {
    into.append(text.slice(at, hit.index), el("span", { class: "raw" }, "\\u" + hit[0].charCodeAt(0).toString(16).padStart(4, "0")));
    at = hit.index + 1;
  }
  into.append(text.slice(at));
  return into;
}
const percent = (share) => (share === undefined ? "–" : (100 * share).toFixed(0) + " %");
const usd = (amount) => (amount === undefined ? "unknown price" : "$" + amount);
const plain = (text) => text.replace(RAW, "\u00b7").replace(/\s+/g, " ");

// ---- words that differ: the longest common subsequence, by the textbook table ---------------------------------------
const words = (text) => text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) || [];
function common(a, b) {
  const wide = b.length + 1, table = new Uint16Array((a.length + 1) * wide);
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      table[i * wide + j] = a[i] === b[j] ? table[(i + 1) * wide + j + 1] + 1 : Math.max(table[(i + 1) * wide + j], table[i * wide + j + 1]);
  const inA = new Uint8Array(a.length), inB = new Uint8Array(b.length);
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) { inA[i++] = 1; inB[j++] = 1; }
    else if (table[(i + 1) * wide + j] >= table[i * wide + j + 1]) i++;
    else j++;
  }
  return [inA, inB];
}
function compared(left, right) {
  const a = words(left), b = words(right);
  if (a.length * b.length > 25e6) return { why: "Too long to be compared word by word." };
  const [inA, inB] = common(a, b);
  const spoken = (tokens, kept) => tokens.filter((token, i) => kept[i] && /[\p{L}\p{N}]/u.test(token)).length;
  const whole = (tokens) => tokens.filter((token) => /[\p{L}\p{N}]/u.test(token)).length;
  const same = spoken(a, inA), least = Math.min(whole(a), whole(b));
  if (same < 0.3 * least) return { why: `Two different texts: ${same} of ${least} words stand in both in the same order, so nothing is marked.` };
  return { parts: [runs(a, inA), runs(b, inB)] };
}
function runs(tokens, kept) {
  const out = [];
  tokens.forEach((token, i) => {
    const last = out[out.length - 1];
    if (last && last[0] === kept[i]) last[1] += token;
    else out.push([kept[i], token]);
  });
  return out;
}
function drawn(parts, into) {
  for (const [same, text] of parts) into.append(shown(text, el(same ? "span" : "mark")));
  return into;
}

// ---- filters ---------------------------------------------------------------------------------------------------------
const form = $("filters");
const asked = () => Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ""));
function words_of(e) {
  const parts = [e.id, e.outcome, e.detail || "", ...e.prompt.map((m) => m[1])];
  for (const side of [e.chosen, e.rejected]) if (side) parts.push(side.text || "", side.model, side.call);
  for (const o of e.said || []) parts.push(o.words || "", ...(o.calls || []));
  return parts.join("\n").toLowerCase();
}
const haystack = (e) => (e.haystack ??= words_of(e));
function fits(e, f) {
  const said = e.said || [];
  if (f.outcome && (f.outcome === "*" ? e.outcome === "pair" : e.outcome !== f.outcome)) return false;
  if (f.verdicts === "differ" && !e.conflict) return false;
  if (f.verdicts === "agree" && (e.conflict || !said.some((o) => o.second && !o.unreadable))) return false;
  if (f.verdicts === "unreadable" && !said.some((o) => o.unreadable)) return false;
  if (f.variant && !e.variants.has(f.variant)) return false;
  if (f.suspicion && (f.suspicion === "*" ? !e.suspected.size : !e.suspected.has(f.suspicion))) return false;
  if (f.from !== undefined && !(e.p >= Number(f.from))) return false;
  if (f.to !== undefined && !(e.p <= Number(f.to))) return false;
  return true;
}
const LONG = (e) => Math.max((e.chosen?.text || "").length, (e.rejected?.text || "").length);
const ORDERS = {
  p: (a, b) => (a.p ?? 2) - (b.p ?? 2), "-p": (a, b) => (b.p ?? -1) - (a.p ?? -1),
  "-usd": (a, b) => Number(b.usd ?? 0) - Number(a.usd ?? 0), "-long": (a, b) => LONG(b) - LONG(a),
};
function filter() {
  const began = performance.now(), f = asked(), typed = (f.q || "").toLowerCase().trim();
  const needle = typed.replace(/b2:[0-9a-f]{10,}/g, (id) => id.slice(0, 13)); // the page has the beginning of each id
  found = entries.filter((e) => fits(e, f) && (!needle || haystack(e).includes(needle)));
  if (ORDERS[f.sort]) found = [...found].sort(ORDERS[f.sort]);
  page = 0;
  list();
  $("count").textContent = `${found.length.toLocaleString("en")} of ${entries.length.toLocaleString("en")}`;
  window.lastFilterMs = performance.now() - began;
}
function list() {
  const from = page * PER_PAGE, last = Math.max(0, Math.ceil(found.length / PER_PAGE) - 1);
  $("list").replaceChildren(...found.slice(from, from + PER_PAGE).map(item));
  $("at").textContent = found.length ? `${from + 1} to ${Math.min(from + PER_PAGE, found.length)}` : "none";
  $("before").disabled = page === 0;
  $("after").disabled = page >= last;
}
function item(e) {
  const about = [e.outcome === "pair" ? `p ${e.p === undefined ? "–" : e.p.toFixed(2)}` : e.outcome, e.conflict ? "verdicts differ" : "", e.suspected.size ? "suspect" : ""];
  const line = plain((e.prompt.at(-1) || ["", ""])[1]).slice(0, 120);
  const button = el("button", { type: "button", "aria-current": e === open ? "true" : null }, el("bdi", { class: "line" }, line || "(no text)"), el("span", { class: "about" }, about.filter(Boolean).join(" · ")));
  button.addEventListener("click", () => choose(e, true));
  return el("li", {}, button);
}

// ---- one entry -------------------------------------------------------------------------------------------------------
function choose(e, focus) {
  open = e;
  list();
  $("entry").replaceChildren(...whole(e));
  if (focus) $("entry").focus({ preventScroll: true });
  remember();
}
function whole(e) {
  const head = e.outcome === "pair" ? `P(chosen is better) ${percent(e.p)}, margin ${e.margin === undefined ? "–" : e.margin.toFixed(2)}, ${orders(e)}` : `No pair: ${e.outcome}${e.detail ? " – " + e.detail : ""}`;
  const made = [el("h3", {}, shown(head, el("bdi"))), el("p", { class: "facts" }, "id ", el("code", {}, plain(e.id)), ` · the prompt cost ${usd(e.usd)} · `, link(e), e.others ? ` · ${e.others} more ${e.others === 1 ? "candidate" : "candidates"} in audit/candidates.parquet` : "")];
  for (const [role, text] of e.prompt) made.push(box("", role || "prompt", text));
  if (e.reference) made.push(box("", "reference", e.reference));
  made.push(...sides(e));
  if (e.said?.length) made.push(el("h3", {}, "What the judge said"), ...e.said.map((o) => opinion(o, e)));
  if (e.metadata) made.push(el("details", {}, el("summary", {}, "What else its row held"), shown(JSON.stringify(e.metadata, null, 1), el("div", { class: "text" }))));
  return made;
}
const orders = (e) => (e.consistent === undefined ? "asked once or settled otherwise" : e.consistent ? "both orders agree" : "the orders differ");
function link(e) {
  return el("a", { href: "#" + new URLSearchParams({ ...asked(), pair: e.id }) }, "link to this");
}
function box(kind, title, text) {
  return el("div", { class: "box " + kind }, el("h4", {}, plain(title)), shown(text, el("div", { class: "text", dir: "auto" })));
}
function sides(e) {
  const names = e.outcome === "pair" ? ["chosen", "rejected"] : ["best by score", "worst by score"];
  const [left, right] = [e.chosen, e.rejected].map((s) => s && (s.text || "") + (s.called ? "\n" + s.called : ""));
  const found = left !== undefined && right !== undefined ? compared(left, right) : {};
  const made = el("div", { class: "sides" });
  [[e.chosen, left], [e.rejected, right]].forEach(([side, text], i) => {
    if (!side) return;
    const body = el("div", { class: "text", dir: "auto" });
    const kind = e.outcome === "pair" ? names[i] : "";
    made.append(el("div", { class: "box " + kind }, el("h4", {}, `${names[i]}: ${plain(side.key)}`), found.parts && marked ? drawn(found.parts[i], body) : shown(text, body), facts(side)));
  });
  if (found.why) return [el("p", { class: "hint" }, found.why), made];
  if (!found.parts) return [made];
  const toggle = el("button", { type: "button", "aria-pressed": String(marked) }, "Mark what differs");
  toggle.addEventListener("click", () => { marked = !marked; choose(e, false); });
  return [toggle, made];
}
function facts(side) {
  const said = [side.model, ...Object.entries(side.settings || {}).map(([k, v]) => `${k} ${v}`), side.tokens === undefined ? "" : `${side.tokens} tokens`, side.score === undefined ? "" : `score ${side.score.toFixed(2)}`, side.refused ? `may not compete: ${side.refused}` : "", side.suspicions ? `imitates the judge's frame: ${side.suspicions.join(", ")}` : ""];
  return el("p", { class: "facts" }, plain(said.filter(Boolean).join(" · ")), " · ", el("code", {}, side.call));
}
function opinion(o, e) {
  const side = (key) => (e.outcome !== "pair" ? key : key === e.chosen?.key ? "the chosen" : key === e.rejected?.key ? "the rejected" : key);
  const what = o.unreadable ? `could not be read: ${o.said}` : !o.second ? `scores ${o.said}` : o.said === "tie" ? "a tie" : `prefers ${side(o[o.said])}`;
  const place = o.second ? `${side(o.first)} shown first, ${side(o.second)} second` : side(o.first);
  const head = [o.judge, place, what + (o.p === undefined ? "" : ` (P(first) ${percent(o.p)})`), o.uncounted ? "not counted" : ""].filter(Boolean).join(": ");
  const took = `${o.tokens ?? 0} tokens · ${usd(o.usd)}`;
  return el("div", { class: "box" }, el("h4", {}, plain(head)), shown(o.words || "(no words)", el("div", { class: "text", dir: "auto" })), el("p", { class: "facts" }, took + " · ", el("code", {}, (o.calls || []).join(" "))));
}

// ---- where one is: the address after # ------------------------------------------------------------------------------
function remember() {
  const where = new URLSearchParams({ ...asked(), ...(open ? { pair: open.id } : {}) });
  history.replaceState(null, "", "#" + where);
}
function go() {
  const where = new URLSearchParams(location.hash.slice(1));
  form.reset();
  for (const [key, value] of where) if (form.elements[key]) form.elements[key].value = value;
  filter();
  const e = entries.find((one) => one.id === where.get("pair"));
  if (e) {
    page = Math.max(0, Math.floor(found.indexOf(e) / PER_PAGE));
    choose(e, false);
    $("browser").scrollIntoView();
  } else if (where.get("pair")) $("entry").replaceChildren(el("p", {}, "That pair is not on this page; it may be in the run's files."));
}
function step(by) {
  const at = Math.min(found.length - 1, Math.max(0, found.indexOf(open) + by));
  if (!found[at]) return;
  page = Math.floor(at / PER_PAGE);
  choose(found[at], false);
  $("list").querySelector("[aria-current=true]")?.scrollIntoView({ block: "nearest" });
}

// ---- beginning -------------------------------------------------------------------------------------------------------
async function read() {
  const packed = atob($("entries").textContent), bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i); // Uint8Array.from calls a function per byte
  if (!bytes.length) return [];
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return JSON.parse(await new Response(stream).text());
}
function prepared(e) {
  const two = [e.chosen, e.rejected].filter(Boolean);
  return Object.assign(e, { haystack: null, variants: new Set(two.map((s) => s.variant)), suspected: new Set(two.flatMap((s) => s.suspicions || [])) });
}
function options(name, values) {
  form.elements[name].append(...[...new Set(values)].sort().map((value) => el("option", { value }, plain(value))));
}
async function charts() {
  while (!window.vegaEmbed) await new Promise((go) => setTimeout(go, 5)); // its script stands behind this one
  const specs = JSON.parse($("specs").textContent);
  for (const place of document.querySelectorAll("[data-chart]")) {
    const spec = specs[place.dataset.chart];
    if (spec.width > place.clientWidth - 100) spec.width = Math.max(160, place.clientWidth - 100); // or a phone shrinks its letters
    const look = { actions: false, renderer: "svg", ast: true, defaultStyle: false, tooltip: { disableDefaultStyle: true } };
    await window.vegaEmbed(place, spec, look);
    place.setAttribute("role", "img"); // one picture with one description; its numbers stand in the table below it
    place.setAttribute("aria-label", spec.description);
    place.querySelector("svg").setAttribute("aria-hidden", "true");
  }
}
$("theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
form.addEventListener("input", () => { filter(); remember(); });
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(() => { filter(); remember(); }));
$("before").addEventListener("click", () => { page--; list(); });
$("after").addEventListener("click", () => { page++; list(); });
addEventListener("hashchange", go);
addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else if (event.key === "d" && open) { marked = !marked; choose(open, false); }
  else if (event.key === "/") { event.preventDefault(); form.elements.q.focus(); }
});
let since = performance.now();
entries = (await read()).map(prepared);
options("outcome", entries.map((e) => e.outcome));
if (entries.some((e) => e.outcome !== "pair")) form.elements.outcome.append(el("option", { value: "*" }, "any without a pair"));
options("variant", entries.flatMap((e) => [...e.variants]));
options("suspicion", entries.flatMap((e) => [...e.suspected]));
go();
root.dataset.ready = "pairs";
await charts();
for (const e of entries) { // what is searched is made ready while nobody waits for it
  if (performance.now() - since > 20) { await new Promise((go) => setTimeout(go)); since = performance.now(); }
  haystack(e);
}
root.dataset.ready = "all";
