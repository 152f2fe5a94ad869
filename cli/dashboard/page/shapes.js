// Freshness as pictures: a shape and a word for each state, a bar for each age, a strip for all.
import { h } from "/dom.js";

const KINDS = {
  fresh: "fresh", stale: "stale", expired: "bad", "never-synced": "bad", revoked: "bad", withdrawn: "bad",
  foreign: "bad", "not-written": "bad",
};
const PATHS = {
  fresh: "M6 1a5 5 0 1 0 0 10a5 5 0 1 0 0-10z",
  stale: "M6 1L11.5 11H.5z",
  bad: "M1 1h10v10H1zM3.6 2.5L2.5 3.6 4.9 6 2.5 8.4l1.1 1.1L6 7.1l2.4 2.4 1.1-1.1L7.1 6l2.4-2.4-1.1-1.1L6 4.9z",
  none: "M6 1a5 5 0 1 0 0 10a5 5 0 1 0 0-10zM6 2.8a3.2 3.2 0 1 1 0 6.4a3.2 3.2 0 1 1 0-6.4z",
};
const MOST = 2;

export const kind = (state) => KINDS[state] ?? "none";

// Circle, triangle, crossed square, ring: told apart without colour.
export function shape(name, size = 12) {
  return h("svg", { viewBox: "0 0 12 12", width: size, height: size, class: name, "aria-hidden": "true" },
    h("path", { d: PATHS[name], "fill-rule": "evenodd" }));
}

export function state(word, blocks = false) {
  return h("span", { class: `state ${kind(word)}` }, shape(kind(word)), word, blocks ? h("span", { class: "wait" }, "new pods wait") : null);
}

export function times(ratio) {
  if (ratio === null) return "";
  return ratio < 10 ? `${ratio.toFixed(ratio < 0.1 ? 2 : 1)}×` : `${Math.round(ratio)}×`;
}

// Age ÷ budget: the tick in the middle is the budget; what is more than twice that ends in an arrow.
export function age(row) {
  const words = h("span", {}, row.age, row.ratio === null ? null : h("span", { class: "quiet" },
    ` · ${times(row.ratio)} of ${row.budget}`));
  if (row.ratio === null) return row.version ? words : h("span", { class: "quiet" }, "no value");
  const at = Math.min(row.ratio / MOST, 1) * 110;
  const name = kind(row.state);
  const bar = h("svg", { viewBox: "0 0 110 14", preserveAspectRatio: "none", "aria-hidden": "true", class: name },
    h("rect", { class: "under", x: 0, y: 4, width: 110, height: 6, rx: 1 }),
    h("rect", { class: "over", x: 0, y: 3, width: Math.max(at, 1.5), height: 8, rx: 1 }),
    h("line", { class: "mark", x1: 55, x2: 55, y1: 0, y2: 14 }),
    row.ratio > MOST ? h("path", { d: "M102 0L110 7 102 14z" }) : null);
  return h("span", { class: "age" }, bar, words);
}

// One column for each snapshot, worst first; the line is everybody's budget.
export function strip(rows) {
  const shown = rows.slice(0, 240);
  const step = 1000 / Math.max(shown.length, 24);
  const columns = shown.flatMap((row, number) => {
    const name = row.blocksStart ? "bad" : kind(row.state);
    const ratio = row.ratio ?? (row.blocksStart ? MOST : 0);
    const high = Math.max((Math.min(ratio, MOST) / MOST) * 64, 2);
    const x = number * step;
    const width = Math.max(Math.min(step - 1.5, 40), 1);
    // What blocks pods is striped, so that it is seen without colour.
    const gaps = row.blocksStart ? [14, 30, 46].filter((y) => y > 64 - high) : [];
    return [h("rect", { class: name, x, y: 64 - high, width, height: high }),
      gaps.map((y) => h("rect", { class: "gap", x, y, width, height: 4, fill: "var(--panel)" }))].flat();
  });
  const over = rows.filter((row) => (row.ratio ?? 0) > 1).length;
  const wait = rows.filter((row) => row.blocksStart).length;
  const label = `Age ÷ freshness budget, worst first: ${rows.length} snapshots, ${over} over the budget, ${wait} that new pods wait for.`;
  return h("div", { class: "panel strip" },
    h("svg", { viewBox: "0 0 1000 64", preserveAspectRatio: "none", role: "img", "aria-label": label },
      columns, h("line", { class: "mark", x1: 0, x2: 1000, y1: 32, y2: 32, "stroke-dasharray": "6 4" })),
    h("p", { class: "quiet" }, `Age ÷ freshness budget, one column for each snapshot, worst first. The line is the budget. Striped: new pods wait.${rows.length > shown.length ? ` The first ${shown.length} of ${rows.length}.` : ""}`));
}
