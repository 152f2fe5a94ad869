// Asks again and again while the page is seen, and never while it is not.
const KEY = "lastgood-token";
const AGAIN_S = 3;

// The token comes with the address, after the #, which no browser sends to a server.
export async function enter() {
  const given = location.hash.match(/^#(token|code)=([\w-]+)$/);
  if (!given) return;
  let token = given[2];
  history.replaceState(null, "", "#/");
  if (given[1] === "code") {
    const answer = await fetch("/session", { headers: { "X-Lastgood-Code": token } });
    token = (await answer.json()).token;
    if (!token) return;
  }
  sessionStorage.setItem(KEY, token);
}

async function ask(path) {
  const token = sessionStorage.getItem(KEY) ?? "";
  try {
    const answer = await fetch(path, { headers: { "X-Lastgood-Token": token } });
    return await answer.json();
  } catch {
    return { error: { kind: "gone", message: "lastgood dashboard has ended, or does not answer. Start it again, and open the address that it prints" } };
  }
}

// Keeps `wanted()`, a list of paths, up to date; `show(found, at)` after each answer.
export function follow(wanted, show) {
  let timer = null;
  let turn = 0;
  async function look() {
    clearTimeout(timer);
    const mine = ++turn;
    if (document.hidden) return;
    const paths = wanted();
    const found = await Promise.all(paths.map(ask));
    if (mine !== turn) return;
    show(Object.fromEntries(paths.map((path, number) => [path, found[number]])));
    const lasts = Math.max(AGAIN_S, ...found.map((item) => item.lasts_s ?? 0));
    timer = setTimeout(look, lasts * 1000);
  }
  document.addEventListener("visibilitychange", look);
  look();
  return look;
}
