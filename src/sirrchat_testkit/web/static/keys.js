// Keyboard, copying, and what a swap leaves to do: all the script of the web inbox itself. No eval, no inline handlers.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector) => [...document.querySelectorAll(selector)];
const MOST_ROWS = 100;
const say = (text) => { $("#said").textContent = text; };

async function copy(button) {
  const text = button.dataset.copy;
  if (navigator.clipboard) await navigator.clipboard.writeText(text);
  else { // plain HTTP on another host has no clipboard
    const area = Object.assign(document.createElement("textarea"), { value: text, className: "sr" });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    button.focus();
  }
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), 1500);
  say(text.length < 80 ? `Copied ${text}` : "Copied");
}

function move(step) {
  const all = $$(".row:not(.gone) a.open");
  let at = all.indexOf(document.activeElement);
  if (at < 0) at = all.findIndex((each) => each.matches("[aria-current]"));
  const next = all[at < 0 ? 0 : Math.min(Math.max(at + step, 0), all.length - 1)];
  next?.focus({ preventScroll: true });
  next?.closest(".row").scrollIntoView({ block: "nearest" });
}

function back() {
  const row = $(".row .open[aria-current]");
  if (row?.checkVisibility()) { row.focus(); row.closest(".row").scrollIntoView({ block: "nearest" }); } else $(".back")?.click();
}

function view(step) {
  const all = $$(".tabs a");
  all[all.findIndex((each) => each.matches("[aria-current]")) + step]?.click();
}

function copyFound() {
  const button = $("[data-copy]", document.activeElement.closest(".row") ?? $(".found") ?? document.createElement("p"));
  if (button) copy(button);
}

// The messages that are selected. Shift selects all between the last one and this one.
let last = null;
const picks = () => $$(".row:not(.gone) .pick input");
const picked = () => picks().filter((each) => each.checked);

function count() {
  const number = picked().length;
  if ($("#picked")) $("#picked").textContent = `${number} selected`;
  return number;
}

function pick(input, checked, range = false) {
  const all = picks();
  const from = range && all.includes(last) ? all.indexOf(last) : all.indexOf(input);
  const [low, high] = [from, all.indexOf(input)].sort((a, b) => a - b);
  for (const each of all.slice(low, high + 1)) each.checked = checked;
  last = input;
  say(`${count()} selected`);
}

function toggle() {
  if (!document.activeElement.closest(".row")) move(1);
  const input = $(".pick input", document.activeElement.closest(".row") ?? document.createElement("p"));
  if (input) pick(input, !input.checked);
}

// A deletion: the rows are gone at once, and the messages after ten seconds, or when the page is left.
const UNDO = 10_000;
const gone = new Set(); // the ids of messages that are not shown, deleted or about to be
let pending = [];
let timer = 0;
let goal = ""; // what gets the focus when a swap has taken it away

function remove(messages) {
  if (!messages.length) return;
  settle();
  const all = $$(".row:not(.gone) a.open");
  const rows = all.filter((each) => messages.includes(each.id.slice(5)));
  const subject = $(".subject", rows[0] ?? document)?.textContent ?? "";
  goal = (all.slice(all.indexOf(rows.at(-1)) + 1).find((each) => !rows.includes(each)) ?? all.findLast((each) => !rows.includes(each)))?.id ?? "";
  for (const each of picked()) each.checked = false;
  count();
  pending = messages;
  for (const each of messages) gone.add(each);
  $("#undo-what").textContent = messages.length > 1 ? `${messages.length} messages deleted` : `Deleted: ${subject}`;
  $("#undo").hidden = false;
  timer = setTimeout(settle, UNDO);
  say(`${$("#undo-what").textContent}. Press z to undo.`);
  acted = true;
  if (messages.includes($("#this [name=message]")?.value)) $(".back").click();
  tidy();
}

function undo() {
  if (!pending.length) return;
  const [first] = pending;
  clearTimeout(timer);
  for (const each of pending) gone.delete(each);
  pending = [];
  $("#undo").hidden = true;
  tidy();
  $(`#open-${first}`)?.focus();
  say("Not deleted");
}

async function settle() {
  if (!pending.length) return;
  const body = new URLSearchParams([["token", $("#server").dataset.token], ["action", "delete"], ...pending.map((each) => ["message", each])]);
  const deleted = pending;
  clearTimeout(timer);
  pending = [];
  $("#undo").hidden = true;
  const done = await fetch("/ui/mail/selected", { method: "POST", body, keepalive: true, redirect: "manual" }).catch(() => null);
  if (done?.type === "opaqueredirect") return;
  for (const each of deleted) gone.delete(each); // the server has stopped, or the visitor was signed out
  tidy();
  say("Not deleted: the server did not accept it");
}
addEventListener("pagehide", settle);

function removeChosen() {
  const row = document.activeElement.closest(".row");
  const chosen = picked().length ? picked() : row ? [$(".pick input", row)] : [$("#this [name=message]")];
  remove(chosen.filter(Boolean).map((each) => each.value));
}

document.addEventListener("submit", (event) => { // before htmx sees it
  const action = event.submitter?.name === "action" && event.submitter.value;
  if (action === "delete" && ["this", "selection"].includes(event.target.id)) {
    event.preventDefault();
    event.stopPropagation();
    remove(event.target.id === "this" ? [event.target.elements.message.value] : picked().map((each) => each.value));
  } else if (action === "download") event.stopPropagation(); // the browser saves the file
}, true);

// New mail above what is in sight: a button leads to it, and the list does not jump.
function above() {
  const button = $("#to-top");
  if (!button || !$("#rows").checkVisibility()) return;
  const top = Math.max($("#rows").getBoundingClientRect().top, 0);
  let number = 0;
  for (const each of $$(".row.arrived:not([data-seen])")) {
    if (each.getBoundingClientRect().bottom > top) each.dataset.seen = "";
    else number++;
  }
  button.hidden = !number;
  button.textContent = `${number} new, to the top`;
}
document.addEventListener("scroll", above, { capture: true, passive: true });

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  c: copyFound,
  o: () => $(".found a[target]")?.click(),
  n: () => $("#new-address")?.showPopover(),
  x: toggle,
  "#": removeChosen,
  z: undo,
  "[": () => view(-1),
  "]": () => view(1),
  "/": () => $("#q").focus(),
  "?": () => $("#help").togglePopover(),
  Escape: () => { if (picked().length) $("#selection").reset(); else back(); },
};

const GO = { i: "#go-mail", a: "#go-activity", f: "#go-faults", w: "#go-webhooks", c: "#go-connect", m: "#go-compose" }; // after g
let prefix = "";

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || $(":popover-open")) return;
  if (event.target.matches("input:not([type=radio], [type=checkbox]), select, textarea")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const page = prefix === "g" && GO[event.key];
  prefix = event.key;
  if (page && $(page) && localStorage.getItem("single-keys") !== "off") { $(page).click(); return; }
  if (!KEYS[event.key] || (event.key !== "Escape" && localStorage.getItem("single-keys") === "off")) return;
  event.preventDefault();
  KEYS[event.key]();
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
  if (event.target.closest("#undo-now")) undo();
  if (event.target.closest("#pick-all")) for (const each of picks()) pick(each, true);
  if (event.target.closest("#to-top")) {
    $("#rows").scrollTo({ top: 0 });
    scrollTo({ top: 0 });
    $(".row a.open")?.focus();
  }
  const input = event.target.closest(".pick input");
  if (input) pick(input, input.checked, event.shiftKey);
});
document.addEventListener("click", (event) => { // before htmx sees it
  const input = event.shiftKey && event.target.closest("a.open") && $(".pick input", event.target.closest(".row"));
  if (!input) return;
  event.preventDefault();
  event.stopPropagation();
  pick(input, true, true);
}, true);
document.addEventListener("reset", () => setTimeout(() => say(`${count()} selected`)));

document.addEventListener("change", (event) => {
  if (event.target.id === "single-keys") localStorage.setItem("single-keys", event.target.checked ? "on" : "off");
});

// A running clock runs on the page too.
setInterval(() => {
  for (const each of $$("time[data-ticks]")) {
    if (each.stamp !== each.dateTime) Object.assign(each, { stamp: each.dateTime, since: Date.now() });
    each.textContent = new Date(Date.parse(each.stamp) + Date.now() - each.since).toISOString().slice(0, 19).replace("T", " ");
  }
}, 1000);

// Arrivals are announced at most every three seconds, so that a screen reader can finish its sentence.
const QUIET = 3_000;
let told = null; // the ids of the rows that are not to be announced; null for all of a new page
let news = [];
let quiet = 0;

function announce() {
  const rows = $$("#rows > .row");
  if (told) news.push(...rows.filter((each) => !told.has(each.id)));
  told = new Set(rows.map((each) => each.id));
  if (quiet || !news.length) return;
  const refused = news.filter((each) => each.matches(".refused"));
  const number = news.length - refused.length;
  if (news.length > 1) say([number && `${number} new messages`, refused.length && `${refused.length} refused`].filter(Boolean).join(", "));
  else if (number) say(`New message from ${$(".from", news[0]).textContent}: ${$(".subject", news[0]).textContent}`);
  else say(`Refused: ${$(".to", news[0]).lastChild.textContent.trim()}. ${$(".subject", news[0]).textContent}`);
  news = [];
  quiet = setTimeout(() => { quiet = 0; announce(); }, QUIET);
}

let acted = false; // whether the visitor has gone from page to page: only then is the focus moved
let focused = false; // whether something had the focus before a swap

// After a swap: the open message is marked, the list has at most 100 rows, and a focus that was lost is somewhere.
function tidy(lost = true) {
  for (const each of $$(".row a.open")) {
    if (each.pathname === location.pathname.split("/").slice(0, 4).join("/")) each.setAttribute("aria-current", "true");
    else each.removeAttribute("aria-current");
  }
  for (const each of $$("#rows > .row")) each.classList.toggle("gone", gone.has(each.id.slice(2)));
  for (const each of $$("[name=token]")) each.value = $("#server").dataset.token; // another one after a restart
  count();
  above();
  const rows = $$("#rows > .row, #log > li");
  for (const each of rows.slice(MOST_ROWS)) if (!each.contains(document.activeElement)) each.remove();
  announce();
  if (acted && lost && (document.activeElement === document.body || !document.activeElement.checkVisibility())) {
    (document.getElementById(goal) ?? $("#subject") ?? $("#list-h") ?? $("h1"))?.focus();
    goal = "";
  }
}

function begin() { // another page, not something live
  told = null;
  for (const each of $$(".tabs [aria-current], .pages [aria-current]")) { // the current tab is in sight on a phone
    const bar = each.closest("nav");
    bar.scrollLeft = each.offsetLeft - (bar.clientWidth - each.offsetWidth) / 2;
  }
  tidy();
}

document.addEventListener("htmx:before:swap", () => { focused ||= document.activeElement !== document.body; });
document.addEventListener("htmx:after:swap", (event) => {
  if (event.detail.ctx.target?.id === "page") {
    acted = true;
    for (const each of $$(":popover-open")) each.hidePopover();
    begin();
  } else tidy(focused);
  focused = false;
});
document.addEventListener("DOMContentLoaded", begin);

function live(is) {
  $("#live").className = `${is ? "good" : "muted"} row-of`;
  $("#live .word").textContent = is ? "Live" : "Not live";
}
document.addEventListener("htmx:sse:after:connection", () => live(true));
document.addEventListener("htmx:sse:error", () => live(false));
document.addEventListener("htmx:sse:before:connection", () => live(false));

document.addEventListener("toggle", (event) => {
  if (event.target.id === "help") $("#single-keys").checked = localStorage.getItem("single-keys") !== "off";
}, true);
