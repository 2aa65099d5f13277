// Elements, made by one call. Texts are set as texts, never parsed.

const SVG = 'http://www.w3.org/2000/svg';

/** The element of the page with this id. */
export const byId = (id) => document.getElementById(id);

/** `h('button', { class: 'x', onclick }, 'text', child)`. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets a text only if it is another: layout is not free. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const KEPT = Symbol('what was set');

/** Sets an attribute only if it is another than this set last: asking the element costs more. */
export function setAttribute(element, name, value) {
  const kept = element[KEPT] ?? (element[KEPT] = {});
  if (kept[name] === value) return;
  kept[name] = value;
  element.setAttribute(name, value);
}

/** Text of at most `chars`, cut in its middle: names often differ at their ends. */
export function middle(text, chars) {
  if (text.length <= chars) return text;
  const end = Math.floor((chars - 1) / 2);
  return `${text.slice(0, chars - 1 - end)}…${text.slice(text.length - end)}`;
}

/** As many children of `parent` as asked for: made by `make`, or hidden. */
export class Pool {
  #items = [];
  #parent;
  #make;
  #shown = 0;

  constructor(parent, make) {
    this.#parent = parent;
    this.#make = make;
  }

  /** The item at `i`, in sight. */
  use(i) {
    while (this.#items.length <= i) {
      const item = this.#make();
      this.#parent.append(item.element);
      this.#items.push(item);
    }
    const item = this.#items[i];
    if (i >= this.#shown || item.hidden) {
      item.element.removeAttribute('display');
      item.hidden = false;
    }
    return item;
  }

  /** Hides all from `count` on. */
  end(count) {
    for (let i = count; i < this.#items.length; i += 1) {
      const item = this.#items[i];
      if (item.hidden) continue;
      item.element.setAttribute('display', 'none');
      item.hidden = true;
    }
    this.#shown = count;
  }
}
