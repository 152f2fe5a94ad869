// What stands on the page, from the documents that the server answers with.
import { h } from "/dom.js";
import { age, shape, state, strip, times } from "/shapes.js";

const SHOWN = 200;
let more = SHOWN;

const at = (...parts) => `#/${parts.map(encodeURIComponent).join("/")}`;
const many = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
const accountLink = (name) => h("a", { href: at("account", name) }, name);
const snapshotLink = (row) => h("a", { href: at("snapshot", row.namespace, row.snapshot), class: "mono" }, row.source);

const TITLES = {
  token: "This page needs the address that the command printed",
  unreachable: "The cluster cannot be reached",
  refused: "You may not see this",
  gone: "The dashboard has ended",
};

export function failure({ kind, message }) {
  return [h("div", { class: "panel head blocked", role: "alert" }, shape("bad", 20),
    h("div", {}, h("h1", {}, TITLES[kind] ?? "This cannot be shown"), h("p", {}, `${message}.`)))];
}

export function footer(overview, own) {
  if (!overview) return [];
  const notes = [...new Set([...(overview.notes ?? []), ...(own?.notes ?? [])])];
  const where = overview.namespace === null ? "all namespaces" : `namespace ${overview.namespace}`;
  return [
    h("p", {}, `${overview.where}, ${where}, with your rights. This page only reads, and never reads a value.`),
    notes.length ? h("ul", {}, notes.map((note) => h("li", {}, note))) : h("span", {}),
  ];
}

function missing(found) {
  if (!found?.missing?.length) return [];
  return [h("section", { class: "panel missing", "data-key": "missing", "aria-label": "Not shown" },
    h("strong", {}, "Not shown, for lack of rights:"),
    h("ul", {}, found.missing.map((note) => h("li", {}, note))))];
}

function headline({ level, text, more: sentences }) {
  const sign = { calm: "fresh", aged: "stale", blocked: "bad" }[level] ?? "none";
  return h("section", { class: `panel head ${level}`, "data-key": "headline", "aria-live": "polite" }, shape(sign, 20),
    h("div", {}, h("h1", {}, text), sentences.map((sentence) => h("p", {}, sentence))));
}

function failing(groups) {
  if (!groups.length) return [];
  return [h("section", { "aria-labelledby": "failing", "data-key": "failing" }, h("h2", { id: "failing" }, "What is failing, and why"),
    h("ul", { class: "list panel" }, groups.map((it) => h("li", { "data-key": `${it.account} ${it.reason}` },
      h("strong", {}, accountLink(it.account), " ", h("span", { class: it.blocked ? "bad" : "stale" },
        shape(it.blocked ? "bad" : "stale"), ` ${it.reason}`)),
      h("span", { class: "quiet" }, ` · ${many(it.snapshots, "snapshot")} in ${many(it.namespaces.length, "namespace")}`,
        `, ${many(it.pods, "pod")}`, it.blocked ? ` · new pods wait for ${it.blocked}` : " · pods start"),
      h("p", {}, it.why)))))];
}

function choice(label, name, values, filters, change) {
  const chosen = filters.get(name) ?? "";
  const all = chosen && !values.includes(chosen) ? [...values, chosen] : values;
  return h("label", {}, label, h("select", { id: `by-${name}`, onchange: (event) => {
    filters.set(name, event.target.value);
    change(filters);
  } }, h("option", { value: "" }, "all"), all.map((value) => h("option", { value, selected: value === chosen }, value))));
}

const distinct = (rows, name) => [...new Set(rows.map((row) => row[name]))].sort();

function filtered(rows, filters) {
  const text = (filters.get("text") ?? "").toLowerCase();
  const said = (row) => `${row.namespace}/${row.snapshot} ${row.source} ${row.account} ${row.reason ?? ""}`.toLowerCase();
  return rows.filter((row) => ["namespace", "account", "state"].every((name) => !filters.get(name) || row[name] === filters.get(name))
    && (!text || said(row).includes(text)));
}

function table(rows) {
  return h("div", { class: "panel" }, h("table", {},
    h("thead", {}, h("tr", {}, ["State", "Age ÷ budget", "Source", "Namespace", "Account", "Reason", "Pods"].map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, rows.map((row) => h("tr", { "data-key": `${row.namespace}/${row.snapshot}` },
      h("td", {}, state(row.state, row.blocksStart)),
      h("td", {}, age(row)),
      h("th", { scope: "row" }, snapshotLink(row)),
      h("td", { "data-label": "namespace" }, row.namespace),
      h("td", { "data-label": "account" }, accountLink(row.account)),
      h("td", row.reason ? { "data-label": "reason" } : {}, row.reason ?? ""),
      h("td", { class: "number", "data-label": "pods" }, String(row.pods)))))));
}

export function fleet(found, filters, change) {
  const rows = filtered(found.snapshots, filters);
  if (!found.snapshots.length) return [headline(found.headline), ...missing(found)];
  const shown = rows.slice(0, more);
  return [
    headline(found.headline), ...missing(found), ...failing(found.failing),
    h("section", { "aria-labelledby": "all", "data-key": "all" },
      h("h2", { id: "all" }, "Snapshots, worst first"),
      h("div", { class: "filters", role: "search" },
        choice("Namespace", "namespace", distinct(found.snapshots, "namespace"), filters, change),
        choice("Account", "account", distinct(found.snapshots, "account"), filters, change),
        choice("State", "state", Object.keys(found.states).sort(), filters, change),
        h("label", {}, "Text", h("input", { type: "search", id: "by-text", value: filters.get("text") ?? "", oninput: (event) => {
          filters.set("text", event.target.value);
          change(filters);
        } })),
        h("span", { class: "quiet", role: "status" }, `${rows.length} of ${found.snapshots.length}`)),
      rows.length ? strip(rows) : null,
      rows.length ? table(shown) : h("p", { class: "panel strip" }, "No snapshot matches these filters."),
      rows.length > shown.length ? h("p", {}, h("button", { onclick: () => { more += SHOWN; change(filters); } }, `Show ${Math.min(SHOWN, rows.length - shown.length)} more`)) : null),
  ];
}

function facts(pairs) {
  return h("dl", { class: "panel" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

export function accounts(found, name) {
  const shown = name === undefined ? found.accounts : found.accounts.filter((it) => it.name === name);
  const title = h("h1", {}, name === undefined ? "Accounts" : `Account ${name}`);
  if (!shown.length) return [title, h("p", { class: "quiet" }, name === undefined ? "There is no account yet." : "There is no account of this name."), ...missing(found)];
  if (name !== undefined) {
    const rows = found.snapshots.filter((row) => row.account === name);
    return [title, verdict(shown[0]), ...missing(found), h("h2", {}, "Budget and login"), details(shown[0]),
      ...failing(found.failing.filter((it) => it.account === name)),
      h("h2", {}, "Its snapshots, worst first"), rows.length ? table(rows.slice(0, SHOWN)) : h("p", { class: "quiet" }, "No snapshot uses it.")];
  }
  return [title, ...missing(found), h("h2", {}, "Those that fail come first"), h("ul", { class: "list panel" }, shown.map((it) => h("li", { "data-key": it.name },
    h("strong", {}, accountLink(it.name)), " ", h("span", { class: "quiet" }, it.provider), verdict(it), h("p", { class: "quiet" }, budget(it)))))];
}

function verdict(it) {
  const word = it.failing ? `${it.failing} of ${many(it.snapshots, "snapshot")} failing: ${it.reasons.join(", ")}` : null;
  const ill = [it.reason, it.login && !["NotNeeded", "LoggedIn"].includes(it.login) ? `login: ${it.login}` : null,
    it.breaker === "Open" ? "circuit breaker open" : null].filter(Boolean).join(", ");
  const name = it.failing || it.wrong ? "bad" : it.snapshots ? "fresh" : "none";
  const said = [word, ill].filter(Boolean).join(" · ") || (it.snapshots ? `${many(it.snapshots, "snapshot")}, none failing` : "in no use");
  return h("p", { class: `state ${name}` }, shape(name), said);
}

function budget(it) {
  if (!it.known) return "its budget is not shown, for lack of rights";
  const used = it.needed !== null && it.rate ? `, ${it.needed} needed (${times(it.needed / it.rate)})` : "";
  return `budget ${it.rate} calls per second, burst ${it.burst}${used}`;
}

function details(it) {
  return facts([
    ["Provider", it.provider], ["Budget", budget(it)],
    ["Smallest burst that works", it.smallestBurst === null ? null : String(it.smallestBurst)],
    ["Login", it.login === "RenewalFails" ? `RenewalFails, until ${it.loginUntil}` : it.login],
    ["Circuit breaker", it.breaker],
    ["Conditions", it.messages.length ? it.messages.map((text) => h("div", {}, text)) : null],
    ["States", Object.entries(it.states).map(([name, count]) => `${count} ${name}`).join(", ")],
  ]);
}

export function snapshot({ snapshot: row, versions, ...found }) {
  return [
    h("h1", {}, row.source), h("p", {}, state(row.state, row.blocksStart), " ", age(row)),
    row.why ? h("p", { class: "panel head" }, row.why) : null, ...missing(found),
    facts([
      ["Snapshot", `${row.namespace}/${row.snapshot}`], ["Account", accountLink(row.account)],
      ["Class", row.class && `${row.class}: budget ${row.budget ?? "-"}, maximum age ${row.maxAge ?? "-"}`],
      ["Served version", row.version && h("code", {}, row.version)], ["Latest at the provider", row.latest && h("code", {}, row.latest)],
      ["Pinned to", row.pin && h("code", {}, row.pin)], ["Last attempt", row.lastAttempt],
      ["Failures in a row", row.failures ? String(row.failures) : null],
      ["Pods", row.consumers?.length ? row.consumers.map((name) => h("div", {}, h("a", { href: at("pod", row.namespace, name) }, name))) : row.podsSaid],
    ]),
    h("h2", {}, "History"),
    versions.length ? h("div", { class: "panel" }, h("table", {},
      h("thead", {}, h("tr", {}, ["Version", "Verdict", "Fetched"].map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, versions.map((it) => h("tr", { "data-key": it.version }, h("th", { scope: "row", class: "mono" }, it.version),
        h("td", { "data-label": "verdict" }, it.verdict), h("td", { "data-label": "fetched" }, it.age ? `${it.age} ago` : "not stored"))))))
      : h("p", { class: "quiet" }, "No version is known yet."),
    h("p", {}, h("a", { href: at("pods", row.namespace) }, `Pods of namespace ${row.namespace}`)),
  ].filter(Boolean);
}

const PODS = { running: "fresh", ended: "none", "not-injected": "none", pending: "none" };
const podState = (word) => h("span", { class: `state ${PODS[word] ?? "bad"}` }, shape(PODS[word] ?? "bad"), word);

export function pods(overview, found, namespace) {
  const names = [...new Set([...distinct(overview?.snapshots ?? [], "namespace"), ...(overview?.namespace ? [overview.namespace] : [])])];
  const picker = h("nav", { "aria-label": "Namespaces", class: "filters" }, names.map((name) =>
    h("a", { href: at("pods", name), "aria-current": name === namespace ? "page" : null }, name)));
  if (!found) return [h("h1", {}, "Pods"), h("p", { class: "quiet" }, names.length ? "Choose a namespace:" : "No namespace has a snapshot."), picker];
  return [h("h1", {}, `Pods of namespace ${namespace}`), picker, ...missing(found),
    found.pods.length ? h("ul", { class: "list panel" }, found.pods.map((it) => h("li", { "data-key": it.name },
      h("strong", {}, h("a", { href: at("pod", namespace, it.name) }, it.name)), " ", podState(it.verdict),
      h("p", { class: it.wrong ? "" : "quiet" }, it.sentence, h("span", { class: "quiet" }, ` · ${many(it.secrets, "secret")}`)))))
      : h("p", { class: "quiet" }, "No pod here needs a secret of lastgood.")];
}

export function pod(found) {
  return [
    h("h1", {}, `${found.namespace}/${found.pod}`), h("p", {}, podState(found.verdict), " ", found.sentence), ...missing(found),
    h("h2", {}, "Its secrets"),
    found.secrets.length ? h("ul", { class: "list panel" }, found.secrets.map((it) => h("li", { "data-key": it.name },
      h("strong", {}, it.name), " ", h("a", { class: "mono", href: at("snapshot", found.namespace, it.snapshot) }, it.source),
      h("p", {}, state(it.state, it.blocksStart), h("span", { class: "quiet" }, ` · age ${it.age} · class ${it.class}`, it.version ? ` · version ${it.version}` : "")),
      it.why ? h("p", {}, it.why) : null))) : h("p", { class: "quiet" }, "None."),
    ...(found.events.length ? [h("h2", {}, "Events"), h("ul", { class: "list panel" }, found.events.map((it) =>
      h("li", {}, h("strong", {}, it.reason), h("span", { class: "quiet" }, ` ${it.age} ago`), h("p", {}, it.message))))] : []),
  ];
}
