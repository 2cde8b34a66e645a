// The review's own script: one comparison, a vote, the next. Texts of models are text nodes alone.
"use strict";
const $ = (id) => document.getElementById(id);
// A joiner belongs between the parts of an emoji and the letters of scripts that need it; elsewhere it hides something.
const JOINED = "[\\p{Extended_Pictographic}\\p{EMod}\\ufe0f\\p{Script=Arabic}\\p{Script=Devanagari}\\p{Script=Bengali}\\p{Script=Gujarati}\\p{Script=Gurmukhi}\\p{Script=Kannada}\\p{Script=Malayalam}\\p{Script=Oriya}\\p{Script=Sinhala}\\p{Script=Tamil}\\p{Script=Telugu}\\p{Script=Khmer}\\p{Script=Myanmar}]";
const RAW = new RegExp("[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u061c\\u200b\\u200e\\u200f\\u202a-\\u202e\\u2060-\\u2069\\ufeff]" + `|(?<!${JOINED})[\\u200c\\u200d]|[\\u200c\\u200d](?!${JOINED})`, "gu");
const token = new URLSearchParams(location.search).get("token") || "";
const root = document.documentElement;
let item = null, busy = false;

function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
const shown = (text, into) => {
  into.append(text.replace(RAW, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0")));
  return into;
};
const box = (title, text) => el("div", { class: "box" }, el("h4", {}, title), shown(text, el("div", { class: "text", dir: "auto", tabindex: "0", role: "region", "aria-label": title })));

async function ask(path, body) {
  const how = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const answer = await fetch(path, { ...how, headers: { "X-Token": token } });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}
function show(state) {
  item = state.item;
  const { done, skipped, of } = state.progress;
  $("progress").textContent = `${done} of ${of} labelled${skipped ? `, ${skipped} skipped` : ""}`;
  $("bar").value = of ? done / of : 0;
  $("item").replaceChildren(...(item ? comparison(item) : [el("p", {}, skipped ? "Nothing is left but what you skipped; it comes again when the server starts again." : "All are labelled. Close this and stop the server with Ctrl-C; every label is on disk.")]));
  for (const button of document.querySelectorAll("[data-vote]")) button.disabled = !item;
  $("undo").disabled = !state.last;
  $("last").replaceChildren(...(state.last ? revealed(state.last) : [el("p", { class: "hint" }, "It stays hidden until you have voted.")]));
  $("figures").replaceChildren(...state.figures.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", { class: "value" }, value))));
  $("note").value = "";
  root.dataset.item = item ? item.id : "none";
}
function comparison(one) {
  const prompt = one.prompt.map(([role, text]) => box(role || "prompt", text));
  return [...prompt, el("div", { class: "sides" }, box("1", one.left), box("2", one.right))];
}
function revealed(last) {
  const judge = last.judge === null ? "The judge said nothing of these two." : `You: ${last.you}. The judge: ${last.judge}, P(1 is better) ${last.p.toFixed(2)}. ${last.you === last.judge ? "You agree." : "You differ."}`;
  return [el("p", {}, judge), ...last.said.map((line) => shown(line, el("p", { class: "text facts", dir: "auto" })))];
}
async function change(path, body) {
  if (busy) return;
  busy = true;
  try {
    show(await ask(path, body));
  } catch (error) {
    $("progress").textContent = `Not kept: ${error.message}. Is the server still there? Vote again when it is.`;
  } finally {
    busy = false;
  }
}
const vote = (key) => item && change("/vote", { id: item.id, vote: key, note: $("note").value });
const undo = () => !$("undo").disabled && change("/undo", {});
for (const button of document.querySelectorAll("[data-vote]")) button.addEventListener("click", () => vote(button.dataset.vote));
$("undo").addEventListener("click", undo);
$("theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
addEventListener("keydown", (event) => {
  if (event.target.closest("input") || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (["1", "2", "0"].includes(event.key)) vote(event.key);
  else if (event.key === "s") vote("skip");
  else if (event.key === "u") undo();
});
show(await ask("/state"));
