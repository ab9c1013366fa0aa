// SPDX-License-Identifier: Apache-2.0
// The page: the stream of changes, how we stand with the server, logging in and out.
// ---- the stream of changes. (fetch, for an EventSource cannot send a token)

let link = null;       // an AbortController: the stream that is open
let sessions = 0;      // grows with each log-in and log-out
let wakeUp = null;     // ends the pause before the next attempt
let hiddenTimer = 0;

const pause = (ms) => new Promise((resolve) => {
  const timer = setTimeout(resolve, ms);
  wakeUp = () => { clearTimeout(timer); resolve(); };
});

function onEvent(kind, data) {
  if (kind === "ready") {
    changedAll = true;
    syncSoon(0);
    return "ready";
  }
  if (kind !== "state" && data) {
    changed.add(JSON.parse(data).name);
    if (changed.size > 200) changedAll = true;
    syncSoon(60);
  }
  return "";
}

/** Calls onEvent for each message in `text`; returns what is not whole yet. */
function readEvents(text, onReady) {
  const blocks = text.split("\n\n");
  const rest = blocks.pop();
  for (const block of blocks) {
    let kind = "";
    let data = "";
    for (const line of block.split("\n")) {
      if (line.startsWith("event: ")) kind = line.slice(7);
      else if (line.startsWith("data: ")) data += line.slice(6);
    }
    if (kind && onEvent(kind, data)) onReady();
  }
  return rest;
}

async function follow(onReady) {
  link = new AbortController();
  const mine = link;
  const silent = () => mine.abort(new Error("nothing was heard of the server for " + duration(kSilence)));
  let timer = setTimeout(silent, kSilence);
  try {
    const reply = await ask("v1/events", {accept: "text/event-stream", signal: mine.signal});
    if (!(reply.headers.get("Content-Type") || "").startsWith("text/event-stream")) throw new Error("something else than a lock server answers here");
    const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const {value, done} = await reader.read();
      if (done) throw new Error("the server ended the connection");
      clearTimeout(timer);
      timer = setTimeout(silent, kSilence);
      text = readEvents(text + value.replace(/\r\n?/g, "\n"), onReady);
    }
  } finally {
    clearTimeout(timer);
    mine.abort();
    cancelSync();
    link = null;
  }
}

async function introduce() {
  const session = sessions;
  try {
    const about = await askJson("v1/");
    if (session !== sessions) return;
    say(by("version"), "lockgate " + plain(String(about.version)));
    role = about.caller ? about.caller.role : null;
    setText(by("who"), about.caller && about.caller.name ? about.caller.name + ", " + about.caller.role : "");
  } catch { /* it is only a footnote */ }
  by("who").hidden = by("who").textContent === "";
  render();
}

async function run() {
  let attempt = 0;
  for (;;) {
    const session = sessions;
    let reason;
    try {
      await follow(() => {
        attempt = 0;
        accepted();
        introduce();
      });
    } catch (error) {
      reason = error;
    }
    if (session !== sessions) continue;
    if (reason instanceof Refused && reason.status === 401) {
      await login(token ? "The server does not know this token." : "");
      continue;
    }
    if (document.hidden && state === "away") {
      await new Promise((resolve) => { wakeUp = resolve; });
      setState("connecting");
      continue;
    }
    attempt += 1;
    const wait = Math.min(30000, 500 * 2 ** attempt) * (0.6 + Math.random() * 0.4);
    lost(reason, Date.now() + wait);
    await pause(wait);
    if (session === sessions) setState("connecting");
  }
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(hiddenTimer);
  if (document.hidden) {
    // A browser has few connections to one server: a tab that nobody sees does not keep one.
    hiddenTimer = setTimeout(() => {
      if (state !== "live") return;
      setState("away");
      if (link) link.abort();
    }, kHiddenFor);
  } else if (wakeUp) {
    wakeUp();
  }
});
addEventListener("online", () => wakeUp && wakeUp());
by("retry").addEventListener("click", () => wakeUp && wakeUp());

// ---- how we stand with the server

let state = "connecting";
let lostReason = "";
let nextTry = 0;
const stateWords = {live: "Live", connecting: "Connecting", lost: "Disconnected", login: "Logged out", away: "Paused"};

function setState(next) {
  if (next === state) return;
  const before = state;
  state = next;
  by("state").dataset.state = next;
  say(by("state"), stateWords[next]);
  if (next === "live" || next === "lost") announce(next === "live" ? "Connected" : "Disconnected: " + lostReason);
  if (next === "live" || next === "login" || (next === "connecting" && before === "login")) by("trouble").hidden = true;
}

function lost(reason, next) {
  lostReason = reason instanceof Refused ? plain(reason.sentence())
    : reason instanceof TypeError ? "the server cannot be reached" : plain(String(reason && reason.message || reason));
  nextTry = next;
  setState("lost");
  by("trouble").hidden = false;
  tickTrouble();
}

function tickTrouble() {
  if (by("trouble").hidden) return;
  const then = fresh ? " What is shown is as of " + new Date(fresh).toLocaleTimeString() + ", " + duration(Date.now() - fresh) + " ago." : "";
  const again = state === "connecting" ? " Trying again." : " Trying again in " + duration(nextTry - Date.now() + 999) + ".";
  say(by("trouble-text"), "Disconnected: " + lostReason + "." + then + again);
}

let announced = 0;
/** For those who do not see it. Not more often than every few seconds. */
function announce(text, rarely) {
  if (rarely && Date.now() - announced < 8000) return;
  announced = Date.now();
  say(by("live"), text);
}

function tell(text) {
  say(by("told-text"), text);
  by("told").hidden = false;
  announce(text);
}
by("told-close").addEventListener("click", () => {
  by("told").hidden = true;
  by("filter").focus();
});

// ---- logging in and out

let loginDone = null;

function login(wrong) {
  setState("login");
  forget();
  locks = new Map();
  fresh = 0;
  role = null;
  render();
  by("locks").hidden = true;
  by("logout").hidden = true;
  by("who").hidden = true;
  by("login").hidden = false;
  by("login-go").disabled = false;
  say(by("login-wrong"), wrong);
  by("token").setAttribute("aria-invalid", String(wrong !== ""));
  by("token").focus();
  return new Promise((resolve) => { loginDone = resolve; });
}

function forget() {
  token = null;
  try { sessionStorage.removeItem(kTokenKey); } catch { /* nothing is stored then */ }
}

function accepted() {
  if (token) {
    try { sessionStorage.setItem(kTokenKey, token); } catch { /* this load only */ }
  }
  const wasLogin = !by("login").hidden;
  by("login").hidden = true;
  by("token").value = "";
  by("locks").hidden = false;
  by("logout").hidden = !token;
  if (wasLogin) by("filter").focus();
}

by("login").addEventListener("submit", (event) => {
  event.preventDefault();
  const typed = by("token").value.trim();
  by("token").value = "";
  if (!/^[\x21-\x7e]+$/.test(typed)) {
    say(by("login-wrong"), "A token is one word of letters, digits and signs.");
    by("token").focus();
    return;
  }
  token = typed;
  sessions += 1;
  say(by("login-wrong"), "");
  by("login-go").disabled = true;
  setState("connecting");
  if (loginDone) loginDone();
});

by("logout").addEventListener("click", () => {
  forget();
  sessions += 1;
  if (by("ask").open) by("ask").close();
  by("told").hidden = true;
  setState("connecting");
  if (link) link.abort();
  else if (wakeUp) wakeUp();
  locks = new Map();
  fresh = 0;
  render();
});
