// Forms, dialogs and times: what every page needs. Pages are made by the server and can be read
// without this; changes go to /api with the session's cookie.

import { withAccount } from "./account.js";
import "./copy.js";
import { refresh, whenShown } from "./refresh.js";

// -- saying something to whoever listens to the page --

export function say(text) {
  const said = document.getElementById("said");
  if (said) said.textContent = text;
}

// -- asking the API --

export async function ask(method, url, body, headers = {}) {
  let answer;
  try {
    answer = await fetch(url, {
      method,
      headers: body === undefined ? headers : { "content-type": "application/json", ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "same-origin",
    });
  } catch {
    return { ok: false, problem: { detail: "The server cannot be reached. Try again." } };
  }
  if (answer.status === 401) {
    const next = encodeURIComponent(location.pathname + location.search);
    location.assign(`/login?next=${next}`);
    return { ok: false, problem: { detail: "You have been signed out." } };
  }
  const text = await answer.text();
  let value = null;
  try {
    value = text ? JSON.parse(text) : null;
  } catch {
    // What is no JSON has nothing to show.
  }
  if (answer.ok) return { ok: true, value };
  return { ok: false, problem: value ?? { detail: "Internal error; the server's log has the cause." } };
}

// -- forms --

const KINDS = {
  text: (input) => input.value,
  optional: (input) => (input.value.trim() === "" ? undefined : input.value),
  nullable: (input) => (input.value.trim() === "" ? null : input.value),
  number: (input) => (input.value.trim() === "" ? undefined : Number(input.value)),
  "nullable-number": (input) => (input.value.trim() === "" ? null : Number(input.value)),
  "null-object": (input) => (input.value === "" ? null : input.value),
  flag: (input) => input.checked,
};

const changed = (input) => "defaultValue" in input && input.value !== input.defaultValue;

// `object.field` is a field of an object. A group with `data-whole` is sent as a whole, if at all.
export function values(form) {
  const body = {};
  for (const input of form.elements) {
    if (!input.name || input.matches(":disabled")) continue;
    const whole = input.closest("[data-whole]");
    if (whole && !Array.from(whole.elements).some(changed)) continue;
    const kind = input.dataset.kind ?? (input.type === "checkbox" ? "flag" : "text");
    const value = KINDS[kind](input);
    if (value === undefined) continue;
    const [object, field] = input.name.split(".");
    if (field === undefined) body[object] = value;
    else if (kind === "null-object" && value === null) body[object] = null;
    else (body[object] ??= {})[field] = value;
  }
  return body;
}

// What has been saved is what the next change is told from.
function settle(form) {
  for (const input of form.elements) {
    if ("defaultChecked" in input) input.defaultChecked = input.checked;
    if ("defaultValue" in input && input.type !== "checkbox") input.defaultValue = input.value;
    for (const option of input.options ?? []) option.defaultSelected = option.selected;
  }
}

// -- a form that is left with changes asks first --

function differs(input) {
  if (input.type === "checkbox") return input.checked !== input.defaultChecked;
  if (input.options) {
    const chosen = Array.from(input.options).findIndex((option) => option.defaultSelected);
    return input.selectedIndex !== Math.max(0, chosen);
  }
  return changed(input);
}

function isUnsaved(form) {
  const dialog = form.closest("dialog");
  if (!form.dataset.api || form.dataset.busy || (dialog && !dialog.open)) return false;
  return Array.from(form.elements).some((input) => input.name && !input.matches(":disabled") && differs(input));
}

addEventListener("beforeunload", (event) => {
  if (Array.from(document.forms).some(isUnsaved)) event.preventDefault();
});

// A group with `data-when` is there only while the form's field of that name has that value, or any.
function choose(form) {
  for (const group of form.querySelectorAll("fieldset[data-when]")) {
    const [name, value] = group.dataset.when.split("=");
    const chosen = form.elements.namedItem(name).value;
    group.disabled = value === undefined ? chosen === "" : chosen !== value;
  }
}

for (const form of document.forms) choose(form);

document.addEventListener("change", (event) => {
  if (event.target.form) choose(event.target.form);
});

document.addEventListener("reset", (event) => queueMicrotask(() => choose(event.target)));

// A form has no `null`: what the API calls so is an empty field.
function inForm(detail) {
  return detail?.replace("empty or null", "empty").replace(/([,;]) or null\b/, "$1 or empty");
}

export function showProblem(form, problem) {
  clearProblem(form);
  const input = problem.field ? form.elements.namedItem(problem.field) : null;
  const place = input instanceof Element ? document.getElementById(`${input.id}-wrong`) : null;
  const text = inForm(problem.detail) ?? "Internal error; the server's log has the cause.";
  if (place) {
    place.textContent = text;
    input.setAttribute("aria-invalid", "true");
    input.closest("details")?.setAttribute("open", "");
    input.focus();
    say(text);
  } else {
    form.querySelector("[data-form-wrong]").textContent = text;
  }
}

export function clearProblem(form) {
  for (const place of form.querySelectorAll(".wrong")) place.textContent = "";
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
}

// A form is sent once, however often its button is pressed.
export async function once(form, work) {
  if (form.dataset.busy) return;
  form.dataset.busy = "yes";
  const button = form.querySelector("button[type=submit]");
  button?.setAttribute("aria-disabled", "true");
  try {
    await work();
  } finally {
    delete form.dataset.busy;
    button?.removeAttribute("aria-disabled");
  }
}

function random() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// The same wish sent again after a lost answer has the same key, after a reload too; a changed wish has
// another. A browser that keeps nothing for a page still has it until the page goes. Of the wish only a
// checksum is kept: what was typed is nobody's business in a storage.
const wishes = new Map();

const placeOf = (form) => `wish ${form.dataset.api}`;

function wished(form) {
  try {
    return JSON.parse(sessionStorage.getItem(placeOf(form))) ?? wishes.get(placeOf(form));
  } catch {
    return wishes.get(placeOf(form));
  }
}

function keep(form, wish) {
  wishes.set(placeOf(form), wish);
  try {
    if (wish === undefined) sessionStorage.removeItem(placeOf(form));
    else sessionStorage.setItem(placeOf(form), JSON.stringify(wish));
  } catch {
    // Its storage is off or full.
  }
}

// FNV-1a, twice 32 bits: it tells wishes apart, and protects nothing.
function checksum(text) {
  let [one, two] = [0x811c9dc5, 0x1000193];
  for (const byte of new TextEncoder().encode(text)) {
    one = Math.imul(one ^ byte, 0x01000193);
    two = Math.imul(two ^ byte, 0x85ebca6b);
  }
  return `${one >>> 0} ${two >>> 0} ${text.length}`;
}

function headersOf(form, body) {
  if (!("idempotent" in form.dataset)) return {};
  const sum = checksum(JSON.stringify(body));
  const before = wished(form);
  const wish = before?.sum === sum ? before : { sum, key: random() };
  keep(form, wish);
  return { "idempotency-key": wish.key };
}

async function send(form) {
  const body = values(form);
  const sent = "bodyless" in form.dataset ? undefined : body;
  const answer = await ask(form.dataset.method, form.dataset.api, sent, headersOf(form, body));
  if (!answer.ok) return showProblem(form, answer.problem);
  clearProblem(form);
  if ("idempotent" in form.dataset) keep(form, undefined);
  const then = form.dataset.then;
  if (then?.startsWith("/")) {
    location.assign(withAccount(then.replace("{id}", encodeURIComponent(answer.value?.id ?? ""))));
    return;
  }
  form.closest("dialog")?.close();
  // A dialog is empty when it is opened again.
  if (form.dataset.reset !== undefined) form.reset();
  else if (!form.closest("dialog")) settle(form);
  say(form.dataset.said ?? "Saved.");
  const place = form.querySelector("[data-form-right]");
  if (place) place.textContent = form.dataset.said ?? "Saved.";
  await refresh();
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || !form.dataset.api) return;
  event.preventDefault();
  once(form, () => send(form));
});

document.addEventListener("input", (event) => {
  const place = event.target.form?.querySelector("[data-form-right]");
  if (place) place.textContent = "";
});

// -- dialogs: data-opens names one; data-fill-* of the opener goes into it --

export function open(dialog, opener) {
  for (const form of dialog.querySelectorAll("form")) {
    form.reset();
    clearProblem(form);
  }
  for (const [name, value] of Object.entries(opener?.dataset ?? {})) {
    if (!name.startsWith("fill")) continue;
    const slot = name.slice(4).toLowerCase();
    for (const place of dialog.querySelectorAll(`[data-slot="${slot}"]`)) place.textContent = value;
    for (const form of dialog.querySelectorAll(`form[data-api-with="${slot}"]`)) {
      form.dataset.api = form.dataset.apiPattern.replace("{}", encodeURIComponent(value));
    }
  }
  dialog.showModal();
  dialog.dispatchEvent(new CustomEvent("opened", { detail: opener }));
}

document.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target : null;
  const opener = target?.closest("[data-opens]");
  if (opener) open(document.getElementById(opener.dataset.opens), opener);
  const closer = target?.closest("[data-closes]");
  if (closer) closer.closest("dialog").close();
});

// -- times in the reader's own zone --

const clock = { hour: "numeric", minute: "2-digit", second: "2-digit" };
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const thisYear = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", ...clock });
const ofDay = new Intl.DateTimeFormat(undefined, clock);

function formatOf(time, at) {
  if (time.dataset.when === "time") return ofDay;
  return at.getFullYear() === new Date().getFullYear() ? thisYear : full;
}

whenShown((root) => {
  for (const time of root.querySelectorAll("time[data-when]")) {
    const at = new Date(time.dateTime);
    time.title ||= time.textContent;
    time.textContent = formatOf(time, at).format(at);
  }
});

// -- how long live calls have lasted: by the server's clock, which the page tells --

const ahead = Number(document.body.dataset.now ?? Date.now()) - Date.now();

function length(seconds) {
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const rest = `${two(seconds % 60)}`;
  return hours ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

function run(root) {
  for (const place of root.querySelectorAll("[data-since]")) {
    const ms = Date.now() + ahead - Number(place.dataset.since);
    place.textContent = length(Math.max(0, Math.floor(ms / 1000)));
  }
}

whenShown(run);
setInterval(() => run(document), 1000);
