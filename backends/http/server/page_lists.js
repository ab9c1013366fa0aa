// SPDX-License-Identifier: Apache-2.0
// The page: how texts of others and times are shown, and the list of locks, kept up to date.
const by = (id) => document.getElementById(id);
const kRows = 500;            // in the table at once
const kHoldersOfOne = 50;     // rows of one shared lock
const kWaitersShown = 20;
const kValueShown = 120;      // characters
const kSilence = 40000;       // ms; the server says something every 15 s
const kAnswer = 30000;        // ms for the list
const kHiddenFor = 60000;     // ms in the background until the stream is given back
const kTokenKey = "lockgate-token";

// ---- text of others

// Everything that is not seen, or that moves what stands beside it.
const unsafe = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/u;
const unsafes = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;
const named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"};

function escapeOne(character) {
  return named[character] || "\\u{" + character.codePointAt(0).toString(16).padStart(4, "0") + "}";
}

/** As a string, for titles and spoken text. */
function plain(text) {
  return text.replace(unsafes, escapeOne);
}

const shown = new WeakMap();
/** Text of others into an element: escapes in a colour of their own, everything else as it is. */
function setText(element, text, keepLines) {
  if (shown.get(element) === text) return;
  shown.set(element, text);
  const nodes = [];
  let from = 0;
  if (unsafe.test(text)) {
    for (const found of text.matchAll(unsafes)) {
      if (keepLines && (found[0] === "\n" || found[0] === "\t")) continue;
      nodes.push(text.slice(from, found.index));
      const mark = document.createElement("span");
      mark.className = "escaped";
      mark.textContent = escapeOne(found[0]);
      nodes.push(mark);
      from = found.index + found[0].length;
    }
  }
  nodes.push(text.slice(from));
  element.replaceChildren(...nodes);
}

function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/** Words of our own. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const grouped = new Intl.NumberFormat("en");
const count = (n, one, many) => grouped.format(n) + " " + (n === 1 ? one : many);

// ---- time

let clockAhead = 0;  // ms by which the server's clock is ahead of ours
const serverNow = () => Date.now() + clockAhead;

function learnClock(reply) {
  const date = Date.parse(reply.headers.get("Date") || "");
  // It counts whole seconds, and the reply was some time on its way.
  const ahead = date + 500 - Date.now();
  clockAhead = Math.abs(ahead) > 2000 ? ahead : 0;
}

function duration(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return s + "s";
  if (s < 3600) return Math.floor(s / 60) + "m" + String(s % 60).padStart(2, "0") + "s";
  if (s < 86400) return Math.floor(s / 3600) + "h" + String(Math.floor(s / 60) % 60).padStart(2, "0") + "m";
  return Math.floor(s / 86400) + "d" + Math.floor(s / 3600) % 24 + "h";
}

/** A moment in a <time>; `tick` keeps it up to date. */
class Moment {
  constructor() {
    this.element = make("time");
  }
  set(iso) {
    if (iso === this.iso) return;
    this.iso = iso;
    this.at = iso ? Date.parse(iso) : NaN;
    if (!iso || Number.isNaN(this.at)) {
      this.element.removeAttribute("datetime");
      this.element.removeAttribute("title");
    } else {
      this.element.dateTime = iso;
      this.element.title = new Date(this.at).toLocaleString() + " (" + iso + ")";
    }
  }
  since(now) {
    say(this.element, Number.isNaN(this.at) ? "?" : duration(now - this.at));
  }
  until(now) {
    const left = this.at - now;
    say(this.element, !this.iso ? "never" : Number.isNaN(left) ? "?" : left <= 0 ? "due" : duration(left + 999));
    this.element.classList.toggle("due", left <= 0);
  }
}

// ---- talking to the server

let token = null;
try { token = sessionStorage.getItem(kTokenKey); } catch { /* no storage: it is asked for again */ }
let role = null;  // null: the server does not say

class Refused extends Error {
  constructor(status, error) {
    super(error.message || "the server answered " + status);
    this.status = status;
    this.code = error.code || "";
    this.hint = error.hint || "";
  }
  sentence() {
    return this.message + (this.hint ? " (" + this.hint + ")" : "");
  }
}

async function ask(path, options = {}) {
  const headers = {Accept: options.accept || "application/json"};
  if (token) headers.Authorization = "Bearer " + token;
  if (options.body) headers["Content-Type"] = "application/json";
  const reply = await fetch(path, {method: options.body ? "POST" : "GET", headers, body: options.body && JSON.stringify(options.body),
    signal: options.signal, cache: "no-store", credentials: "same-origin", redirect: "error"});
  learnClock(reply);
  if (reply.ok) return reply;
  let error = {};
  try { error = (await reply.json()).error || {}; } catch { /* not ours: the status has to do */ }
  throw new Refused(reply.status, error);
}

async function askJson(path, options) {
  const reply = await ask(path, options);
  return reply.json();
}

// ---- what is held: a list, brought up to date when the stream says that something changed, and from time to time
// (that a hold was renewed, or that somebody left a queue, is no event)

let locks = new Map();
let fresh = 0;                  // when the list was last known to be right
const changed = new Set();
let changedAll = false;
let syncing = false;
let syncTimer = 0;
let syncDue = Infinity;
let earliest = 0;

function syncSoon(delay) {
  const at = Math.max(performance.now() + delay, earliest);
  if (at >= syncDue) return;
  syncDue = at;
  clearTimeout(syncTimer);
  syncTimer = setTimeout(sync, at - performance.now());
}

function cancelSync() {
  clearTimeout(syncTimer);
  syncDue = Infinity;
  changed.clear();
  changedAll = false;
}

async function sync() {
  syncDue = Infinity;
  if (syncing || !link) return;
  const query = changedAll ? "" : [...changed].map((name) => "name=" + encodeURIComponent(name)).join("&");
  const all = changedAll || query.length > 1500;  // the server takes no longer lines
  if (!all && !query) return;
  changed.clear();
  changedAll = false;
  syncing = true;
  const mine = link;
  const began = performance.now();
  const timer = setTimeout(() => mine.abort(new Error("the server does not answer")), kAnswer);
  try {
    const reply = await askJson(all ? "v1/locks" : "v1/locks?" + query, {signal: mine.signal});
    if (mine === link) takeList(reply.locks, all);
  } catch (error) {
    // The stream knows better what is wrong; it is begun again, and then the list.
    mine.abort(error);
  }
  clearTimeout(timer);
  syncing = false;
  earliest = performance.now() + Math.max(150, (performance.now() - began) * (all ? 8 : 2));
  if (changed.size || changedAll) syncSoon(0);
}

function takeList(list, all) {
  if (all) locks = new Map();
  for (const lock of list) {
    const name = lock.name === null ? lock.key : lock.name;
    if (lock.holders.length || lock.waiters.length) locks.set(name, lock);
    else locks.delete(name);
  }
  fresh = Date.now();
  setState("live");
  render();
}

setInterval(() => {
  if (state === "live" && !document.hidden && Date.now() - fresh > 4000 + locks.size * 2) {
    changedAll = true;
    syncSoon(0);
  }
}, 1000);
