// The page: what the address after the # names is read, shown, and kept up to date.
import { h, within } from "/dom.js";
import { enter, follow } from "/live.js";
import { accounts, failure, fleet, footer, pod, pods, snapshot } from "/views.js";

const FLEET = "/data/fleet";
const main = document.getElementById("main");
const known = new Map(); // the last good answer to each path
let lost = null;
let heard = null;

// #/snapshot/NAMESPACE/NAME?account=… → its parts and its filters.
function place() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").filter(Boolean).map((part) => {
    try { return decodeURIComponent(part); } catch { return part; }
  });
  return { view: parts[0] ?? "snapshots", words: parts.slice(1), filters: new URLSearchParams(query) };
}

function asked({ view, words: [namespace, name] }) {
  const query = new URLSearchParams({ namespace: namespace ?? "", ...(name ? { name } : {}) });
  if (view === "snapshot" || view === "pod" || (view === "pods" && namespace)) return `/data/${view}?${query}`;
  return null;
}

const wanted = () => [FLEET, asked(place())].filter(Boolean);

function change(filters) {
  const query = new URLSearchParams([...filters].filter(([, value]) => value)).toString();
  history.replaceState(null, "", `#/${query ? `?${query}` : ""}`);
  show();
}

function view(here) {
  const overview = known.get(FLEET);
  const own = asked(here);
  const failed = own ? problems[own] : problems[FLEET];
  if (failed && (failed.kind === "token" || !known.get(own ?? FLEET))) return failure(failed);
  const found = known.get(own ?? FLEET);
  if (!found) return [h("p", { class: "quiet" }, "Reading the cluster…")];
  switch (here.view) {
    case "snapshot": return snapshot(found);
    case "pods": return pods(overview, own ? found : null, here.words[0]);
    case "pod": return pod(found);
    case "accounts": return accounts(found);
    case "account": return accounts(found, here.words[0]);
    default: return fleet(found, here.filters, change);
  }
}

let problems = {};

function show() {
  const here = place();
  const active = document.activeElement;
  within(main, view(here).filter(Boolean));
  // A row that moved keeps the focus.
  if (active !== document.activeElement && main.contains(active)) active.focus({ preventScroll: true });
  const current = { snapshot: "snapshots", account: "accounts", pod: "pods" }[here.view] ?? here.view;
  const link = (name, href, text) => h("a", { href, "aria-current": current === name ? "page" : null }, text);
  within(document.getElementById("views"), [
    link("snapshots", "#/", "Snapshots"), link("accounts", "#/accounts", "Accounts"), link("pods", "#/pods", "Pods"),
  ]);
  within(document.getElementById("foot"), footer(known.get(FLEET), known.get(asked(here))));
  const live = document.getElementById("live");
  live.className = lost ? "lost" : "";
  within(live, [lost ? (heard ? `Disconnected. Shown as of ${heard}` : "Disconnected") : heard ? "● Live" : "Reading…"]);
  document.title = `${known.get(FLEET)?.headline?.text ?? "Reading…"} – lastgood`;
}

await enter();
const look = follow(wanted, (found) => {
  problems = {};
  lost = null;
  for (const [path, answer] of Object.entries(found)) {
    if (!answer.error) known.set(path, answer);
    else {
      problems[path] = answer.error;
      if (answer.error.kind !== "refused") lost = answer.error;
    }
  }
  if (!lost) heard = new Date().toLocaleTimeString();
  show();
});
let before = place();
addEventListener("hashchange", async () => {
  if (/^#(token|code)=/.test(location.hash)) await enter();
  const here = place();
  if (here.view !== before.view || here.words.join() !== before.words.join()) {
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  before = here;
  show();
  look();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
