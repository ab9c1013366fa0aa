// SPDX-License-Identifier: Apache-2.0
// The page: the table, breaking a hold, and the beginning of it all.
// ---- the table

const views = new Map();  // by lock name
let shownSums = "";

function cell(label, className, ...children) {
  const td = make("td", className, make("div", "cell", ...children));
  td.setAttribute("role", "cell");
  if (label) td.dataset.label = label;
  return td;
}

function row(className) {
  const tr = make("tr", className);
  tr.setAttribute("role", "row");
  return tr;
}

const person = (who) => who.user && who.host ? who.user + "@" + who.host : who.user || who.host || "unknown";

/** One hold: a row. */
class HolderView {
  constructor(name) {
    this.name = name;
    this.who = make("bdi");
    this.more = make("bdi", "below");
    this.command = make("bdi", "mono");
    this.reason = make("bdi", "below");
    this.since = new Moment();
    this.expires = new Moment();
    this.value = make("bdi", "mono");
    this.button = make("button", "small", "Break");
    this.button.type = "button";
    this.button.addEventListener("click", () => askToBreak(this));
    this.tr = row("");
    this.valueCell = cell("Value", "value", this.value);
    this.commandCell = cell("Command", "", this.command, this.reason);
    this.act = cell("", "act", this.button);
    this.tr.append(cell("Holder", "", this.who, this.more), this.commandCell, cell("Held for", "time", this.since.element),
      cell("Expires in", "time", this.expires.element), this.valueCell, this.act);
  }
  update(holder) {
    this.holder = holder;
    setText(this.who, person(holder));
    setText(this.more, (holder.pid === null ? "" : "pid " + holder.pid + ", ") + "id " + (holder.id || "?"));
    setText(this.command, holder.command || "");
    setText(this.reason, holder.reason || "");
    this.commandCell.classList.toggle("none", !holder.command && !holder.reason);
    this.since.set(holder.acquired_at);
    this.expires.set(holder.expires_at);
    this.updateValue(holder.value);
    this.act.hidden = !mayBreak();
    this.button.setAttribute("aria-label", "Break the hold of " + plain(this.name) + " by " + plain(person(holder)) + ", id " + (holder.id || "?"));
  }
  updateValue(value) {
    if (value === this.shownValue) return;
    this.shownValue = value;
    this.valueCell.classList.toggle("none", value === null || value === "");
    const long = value !== null && value.length > kValueShown;
    setText(this.value, value === null ? "" : long ? Array.from(value.slice(0, 2 * kValueShown)).slice(0, kValueShown).join("") + "…" : value);
    if (this.details) this.details.remove();
    this.details = null;
    if (!long) return;
    const all = make("pre");
    all.dir = "auto";
    all.tabIndex = 0;
    this.details = make("details", "", make("summary", "", "all " + count(value.length, "character", "characters")), all);
    this.details.addEventListener("toggle", () => setText(all, value, true), {once: true});
    this.valueCell.firstChild.append(this.details);
  }
  tick(now) {
    this.since.since(now);
    this.expires.until(now);
  }
}

/** One lock: a group of rows, for its holders and its queue. */
class LockView {
  constructor(name) {
    this.name = name;
    this.body = make("tbody");
    this.body.setAttribute("role", "rowgroup");
    this.title = make("bdi", "name");
    setText(this.title, name);
    this.mode = make("span", "tag");
    this.token = make("span", "mono");
    this.head = make("th", "", make("div", "cell", this.title, make("span", "below", this.mode, " ", this.token)));
    this.head.scope = "rowgroup";
    this.head.setAttribute("role", "rowheader");
    this.holders = new Map();
    this.nobody = row("");
    this.nobody.append(cell("", "", make("span", "soft", "nobody")));
    this.nobody.firstChild.colSpan = 6;
    this.rest = row("");
    this.restText = make("span", "soft");
    this.rest.append(cell("", "", this.restText));
    this.rest.firstChild.colSpan = 6;
    this.queue = row("queue");
    this.line = make("ol", "line");
    this.queue.append(cell("", "", this.line));
    this.queue.firstChild.colSpan = 6;
    this.waiters = [];
  }
  update(lock) {
    this.lock = lock;
    say(this.mode, lock.state === "held" ? lock.mode || "held" : lock.state);
    this.mode.classList.toggle("warn", lock.state !== "held");
    say(this.token, lock.fencing_token === null ? "" : String(lock.fencing_token));
    this.token.title = "fencing token";
    const rows = this.updateHolders(lock.holders);
    this.updateQueue(lock.waiters);
    if (lock.waiters.length) rows.push(this.queue);
    this.place(rows);
  }
  updateHolders(holders) {
    const before = this.holders;
    this.holders = new Map();
    for (const holder of holders.slice(0, kHoldersOfOne)) {
      const view = before.get(holder.id) || new HolderView(this.name);
      view.update(holder);
      this.holders.set(holder.id, view);
    }
    const rows = Array.from(this.holders.values(), (view) => view.tr);
    if (!rows.length) rows.push(this.nobody);
    if (holders.length > kHoldersOfOne) {
      say(this.restText, "and " + count(holders.length - kHoldersOfOne, "more holder", "more holders"));
      rows.push(this.rest);
    }
    return rows;
  }
  updateQueue(waiters) {
    const some = waiters.slice(0, kWaitersShown);
    while (this.waiters.length > some.length) this.waiters.pop().li.remove();
    if (this.left) this.left.remove();
    some.forEach((waiter, i) => {
      if (!this.waiters[i]) {
        const entry = {since: new Moment(), who: make("bdi"), place: make("b")};
        entry.li = make("li", "", entry.place, entry.who, " ", entry.since.element);
        this.waiters.push(entry);
        this.line.append(entry.li);
      }
      const entry = this.waiters[i];
      say(entry.place, (i === 0 ? "waiting " : "") + waiter.position + ".");
      setText(entry.who, person(waiter) + (waiter.pid === null ? "" : " " + waiter.pid) + (waiter.mode === "shared" ? " (shared)" : ""));
      entry.since.set(waiter.since);
    });
    if (waiters.length > some.length) {
      this.left = make("li", "soft", "and " + count(waiters.length - some.length, "more", "more"));
      this.line.append(this.left);
    }
  }
  place(rows) {
    this.head.rowSpan = rows.length;
    if (this.head.parentNode !== rows[0]) rows[0].prepend(this.head);
    arrange(this.body, rows);
  }
  tick(now) {
    for (const holder of this.holders.values()) holder.tick(now);
    for (const waiter of this.waiters) waiter.since.since(now);
  }
}

/** `wanted`, in this order, and nothing else; what is in its place already is not touched: it may have the focus. */
function arrange(parent, wanted, first = null) {
  const keep = new Set(wanted);
  for (const child of Array.from(parent.children)) {
    if (!keep.has(child) && child !== first) child.remove();
  }
  let next = first ? first.nextSibling : parent.firstChild;
  for (const child of wanted) {
    if (child === next) next = next.nextSibling;
    else parent.insertBefore(child, next);
  }
}

const mayBreak = () => role === null || role === "admin";

function matches(name, lock, words) {
  if (!words.length) return true;
  const texts = [name];
  for (const who of lock.holders) texts.push(person(who), who.command || "", who.reason || "", who.value || "", who.id || "", lock.mode || "");
  for (const who of lock.waiters) texts.push(person(who));
  const text = texts.join("\n").toLowerCase();
  return words.every((word) => text.includes(word));
}

const heldSince = (lock) => lock.holders.length ? lock.holders[0].acquired_at || "" : "~";
const compare = (a, b) => a < b ? -1 : a > b ? 1 : 0;
const orders = {
  name: (a, b) => compare(a[0], b[0]),
  held: (a, b) => compare(heldSince(a[1]), heldSince(b[1])) || compare(a[0], b[0]),
  waiting: (a, b) => b[1].waiters.length - a[1].waiters.length || compare(a[0], b[0]),
};

function render() {
  const words = by("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = Array.from(locks).filter(([name, lock]) => matches(name, lock, words)).sort(orders[by("order").value]);
  const wanted = [];
  let rows = 0;
  for (const [name, lock] of found) {
    rows += Math.max(1, Math.min(lock.holders.length, kHoldersOfOne)) + (lock.waiters.length ? 1 : 0);
    if (rows > kRows && wanted.length) break;
    wanted.push([name, lock]);
  }
  const focused = document.activeElement;
  const bodies = wanted.map(([name, lock]) => {
    if (!views.has(name)) views.set(name, new LockView(name));
    const view = views.get(name);
    view.update(lock);
    return view.body;
  });
  const names = new Set(wanted.map(([name]) => name));
  for (const name of views.keys()) if (!names.has(name)) views.delete(name);
  arrange(by("table"), bodies, by("table").tHead);
  // The hold that had the focus is gone: not back to the top of the page.
  if (focused && focused !== document.body && !focused.isConnected) by("locks").focus({preventScroll: true});
  by("table").tHead.querySelector(".act").hidden = !mayBreak();
  renderAround(found.length, wanted.length);
  tick();
}

function renderAround(found, drawn) {
  const known = fresh !== 0;
  by("table").hidden = drawn === 0;
  by("none").hidden = !known || locks.size !== 0;
  by("unmatched").hidden = !known || locks.size === 0 || found !== 0;
  by("more").hidden = found === drawn;
  say(by("more"), "The first " + grouped.format(drawn) + " of " + count(found, "lock", "locks") + " are shown. The filter finds the others.");
  let held = 0, holders = 0, waiting = 0;
  for (const lock of locks.values()) {
    held += lock.holders.length ? 1 : 0;
    holders += lock.holders.length;
    waiting += lock.waiters.length;
  }
  const sums = !known ? "" : count(held, "lock held", "locks held") + ", " + count(holders, "holder", "holders") + ", " + grouped.format(waiting) + " waiting" +
    (found === locks.size ? "" : "; " + grouped.format(found) + " match");
  if (sums === shownSums) return;
  shownSums = sums;
  say(by("sums"), sums);
  document.title = known ? grouped.format(held) + " held · lockgate" : "lockgate";
  if (known) announce(sums, true);
}

function tick() {
  const now = serverNow();
  for (const view of views.values()) view.tick(now);
  tickTrouble();
}
setInterval(() => { if (!document.hidden) tick(); }, 1000);

let filterTimer = 0;
by("filter").addEventListener("input", () => {
  clearTimeout(filterTimer);
  filterTimer = setTimeout(render, 80);
});
by("order").addEventListener("change", render);
by("clear").addEventListener("click", () => {
  by("filter").value = "";
  render();
  by("filter").focus();
});

// ---- breaking a hold

let asked = null;

function askToBreak(view) {
  asked = {name: view.name, holder: view.holder, button: view.button};
  setText(by("ask-text"), view.name + ", held by " + person(view.holder) + (view.holder.pid === null ? "" : ", pid " + view.holder.pid) +
    (view.holder.command ? ", which runs " + view.holder.command : "") + ".");
  say(by("ask-wrong"), "");
  by("ask-yes").disabled = false;
  by("ask").showModal();
}

by("ask-no").addEventListener("click", () => by("ask").close());
by("ask").addEventListener("close", () => {
  if (asked && asked.button.isConnected) asked.button.focus();
  asked = null;
});
by("ask-yes").addEventListener("click", async () => {
  const {name, holder} = asked;
  by("ask-yes").disabled = true;
  try {
    const reply = await askJson("v1/break", {body: {name, id: holder.id}});
    const did = Array.isArray(reply.broken) && reply.broken.length > 0;
    by("ask").close();
    tell(did ? "Broken: the hold of " + plain(name) + " by " + plain(person(holder)) + "." : "That hold of " + plain(name) + " had ended already.");
    changed.add(name);
    syncSoon(0);
  } catch (error) {
    say(by("ask-wrong"), "It was not broken: " + (error instanceof Refused ? plain(error.sentence()) : "the server cannot be reached") + ".");
    by("ask-yes").disabled = false;
  }
});

// ---- here we go

const place = new URL(".", location.href);
setText(by("place"), place.host + place.pathname.replace(/\/$/, ""));
say(by("how"), "lockgate exec -b " + place.href.replace(/\/$/, "") + " deploy -- ./deploy.sh");
run();
