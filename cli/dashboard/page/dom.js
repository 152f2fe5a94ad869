// Elements from data. Texts become text nodes only: nothing that others wrote is ever parsed.
const SVG = new Set(["svg", "rect", "path", "line", "circle"]);

export function h(tag, attributes = {}, ...children) {
  const node = SVG.has(tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node[name] = value;
    else if (value !== null && value !== undefined && value !== false)
      node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// Makes `old` look like `made`, and keeps its nodes, so that focus and a half typed word stay.
export function morph(old, made) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== made.data) old.data = made.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!made.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of made.attributes)
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const name of ["onclick", "oninput", "onchange"]) old[name] = made[name];
  within(old, [...made.childNodes]);
  if (old.tagName === "SELECT" && old.value !== made.value) old.value = made.value;
  if (old.tagName === "INPUT" && old !== document.activeElement) old.value = made.value;
}

// The same for all children. Those with a `data-key` are found again where they have moved.
export function within(parent, given) {
  const children = given.map((child) => (typeof child === "string" ? document.createTextNode(child) : child));
  const keyed = new Map();
  for (const child of parent.childNodes)
    if (child.dataset?.key) keyed.set(child.dataset.key, child);
  const stay = new Set(children.map((child) => child.dataset?.key).filter(Boolean));
  let place = parent.firstChild;
  for (const child of children) {
    while (place?.dataset?.key && !stay.has(place.dataset.key)) {
      const next = place.nextSibling;
      place.remove();
      place = next;
    }
    const known = child.dataset?.key ? keyed.get(child.dataset.key) : place;
    if (known && known.nodeName === child.nodeName && (known.dataset?.key ?? "") === (child.dataset?.key ?? "")) {
      if (known === place) place = place.nextSibling;
      else parent.insertBefore(known, place);
      morph(known, child);
    } else parent.insertBefore(child, place);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}
