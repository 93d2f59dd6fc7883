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
  const all = $$(".row a.open");
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

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  c: copyFound,
  o: () => $(".found a[target]")?.click(),
  n: () => $("#new-address")?.showPopover(),
  "#": () => $("#delete button")?.click(),
  "[": () => view(-1),
  "]": () => view(1),
  "/": () => $("#q").focus(),
  "?": () => $("#help").togglePopover(),
  Escape: back,
};

const GO = { i: "#go-mail", a: "#go-activity", f: "#go-faults", c: "#go-connect", m: "#go-compose" }; // after g
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
});

document.addEventListener("change", (event) => {
  if (event.target.id === "single-keys") localStorage.setItem("single-keys", event.target.checked ? "on" : "off");
});

let acted = false; // whether the visitor has gone from page to page: only then is the focus moved

// After a swap: the open message is marked, the list has at most 100 rows, and the focus is somewhere.
function tidy() {
  for (const each of $$(".row a.open")) {
    if (each.pathname === location.pathname.split("/").slice(0, 4).join("/")) each.setAttribute("aria-current", "true");
    else each.removeAttribute("aria-current");
  }
  const rows = $$("#rows > .row, #log > li");
  for (const each of rows.slice(MOST_ROWS)) if (!each.contains(document.activeElement)) each.remove();
  for (const each of $$(".tabs [aria-current], .pages [aria-current]")) { // the current tab is in sight on a phone
    const bar = each.closest("nav");
    bar.scrollLeft = each.offsetLeft - (bar.clientWidth - each.offsetWidth) / 2;
  }
  const focused = document.activeElement;
  if (acted && (focused === document.body || !focused.checkVisibility())) ($("#subject") ?? $("#list-h") ?? $("h1"))?.focus();
}

document.addEventListener("htmx:after:swap", (event) => {
  if (event.detail.ctx.target?.id === "page") { // another page, not something live
    acted = true;
    for (const each of $$(":popover-open")) each.hidePopover();
  }
  tidy();
});
document.addEventListener("DOMContentLoaded", tidy);

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
